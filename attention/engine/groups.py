"""The vocabulary that rules speak and the engine understands.

A rule turns token ownership into *groups*. Each group is a set of query tokens that see the same
list of *key blocks* (a key block is the text of one prompt, or a run of image tokens)::

    O[q] = sum over groups g that hold q of  weight_g[q] * softmax-attention(q, blocks of g)

One block per group and several groups per query is a *mix* (weighted sum of separate softmaxes:
couple, RCAC). Several blocks in one group is a *merge* (one softmax over all of them, with a
log-weight per query and block).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

BASE = 0  # source index of the global prompt; region r has index r, counted from one
IMAGE = -1  # source index of the image tokens (joint attention only)
BASE_IMAGE = -2  # a second stream of image tokens that follows the global prompt alone (``rpf``)


@dataclass(frozen=True, slots=True, eq=False)
class KeyBlock:
    """A set of key tokens.

    Attributes:
        source: whose tokens: 0 the global prompt's text, r = 1..R a regional one's, or IMAGE.
        tokens: [T] int64 indices of the source's tokens, or None for all of them.
        queries: [P] int64 positions within the group's queries that see this block, or None for
            all of them. A query that no block lists is an error of the rule.
        log_weight: float32 added to the scores of this block, [P], or [1] for all queries alike,
            or None for zero. Only useful where a group has several blocks; inside a single block
            it cancels.
        scale: factor of the scores of this block (Omost's area normalisation).
        to_max: [P] multiples of the query's largest score over all keys of the group, added to
            the scores of this block; the same for to_min and the smallest. ``scale`` does not
            change these extremes. Both or none (DenseDiffusion).
        to_min: see ``to_max``.
        per_token: subtract log T from the scores, so that prompts of unlike lengths count alike.
        boost: attention tuning, times the rule's strength at the step: added to the scores where
            ``match`` is 1; in an ``exact`` group a factor e^(boost (match - A)) of the softmaxed
            map A. Either one number for all queries or [P]. None: this block is not tuned.
        match: whether these keys belong with these queries: True, False, or [P, T] in 0..1 (for
            small blocks of text only: it is held as it is).
        bare: image tokens without the registers and reference images that else go with them.
    """

    source: int
    tokens: torch.Tensor | None = None
    queries: torch.Tensor | None = None
    log_weight: torch.Tensor | None = None
    scale: float = 1.0
    to_max: torch.Tensor | None = None
    to_min: torch.Tensor | None = None
    per_token: bool = False
    boost: float | torch.Tensor | None = None
    match: bool | torch.Tensor = True
    bare: bool = False

    @property
    def shifts_scores(self) -> bool:
        """Whether anything is added to the scores, which matters beside other blocks."""
        return (
            self.log_weight is not None
            or self.to_max is not None
            or self.per_token
            or (self.boost is not None and self.match is not False)
        )

    def boosted_by(self, strength: float) -> KeyBlock:
        """The block with its boost at the current step's strength."""
        return self if self.boost is None else replace(self, boost=self.boost * strength)

    def to(self, device: torch.device) -> KeyBlock:
        return replace(
            self,
            tokens=_moved(self.tokens, device),
            queries=_moved(self.queries, device),
            log_weight=_moved(self.log_weight, device),
            to_max=_moved(self.to_max, device),
            to_min=_moved(self.to_min, device),
            boost=_moved(self.boost, device),
            match=_moved(self.match, device),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Query tokens that see the same key blocks.

    Attributes:
        blocks: at least one key block.
        queries: [Q] int64 token indices without repeats, or None for all N tokens of the source.
        weight: [Q] float mixing weight of this group's output, or None for one. A group without
            weight is the only one for its queries, unless one has all tokens of the source.
        source: whose tokens ask: IMAGE, or (joint attention only) the text of a prompt.
        query_scale: [Q] factors of the queries, or None for one.
        shared: [N] factors with which the output of a BASE_IMAGE group over all tokens is also
            added to that of the IMAGE tokens, or None.
        exact: tune the softmaxed map itself, in slices of queries, instead of the scores.
    """

    blocks: tuple[KeyBlock, ...]
    queries: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    source: int = IMAGE
    query_scale: torch.Tensor | None = None
    shared: torch.Tensor | None = None
    exact: bool = False

    def to(self, device: torch.device, dtype: torch.dtype) -> Group:
        return replace(
            self,
            blocks=tuple(block.to(device) for block in self.blocks),
            queries=_moved(self.queries, device),
            weight=_moved(self.weight, device),
            query_scale=None if self.query_scale is None else self.query_scale.to(device, dtype),
            shared=_moved(self.shared, device),
        )


def _moved(value: Any, device: torch.device) -> Any:
    """A tensor on that device; anything else as it is."""
    return value.to(device) if isinstance(value, torch.Tensor) else value


Groups = tuple[Group, ...]

# (q [B, H, Q, D], k [B, H, T, D], v [B, H, T, D]) -> [B, Q, C]: the host's own attention function.
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def groups_to(groups: Groups, device: torch.device, dtype: torch.dtype) -> Groups:
    """The same groups with their index and weight tensors where, and as what, attention computes.

    Weights stay float32: log-weights are added to scores, which backends keep in float32, and
    shares weight outputs, whose sum is rounded once.
    """
    return tuple(group.to(device, dtype) for group in groups)


def boosted(groups: Groups, strength: float) -> Groups:
    """The same groups at a step's strength; index tensors are shared, not copied."""
    return tuple(
        replace(group, blocks=tuple(block.boosted_by(strength) for block in group.blocks))
        for group in groups
    )


def mix_groups(ownership: torch.Tensor) -> Groups:
    """One single-block group per prompt that owns anything, weighted by its ownership.

    Args:
        ownership: [R + 1, N] float32, columns sum to one (see ``canvas.tokens.token_ownership``).
    """
    groups = []
    for prompt, weight in enumerate(ownership):
        queries = weight.nonzero()[:, 0]
        if queries.numel() == 0:
            continue
        owned = weight[queries]
        groups.append(
            Group(
                blocks=(KeyBlock(prompt),),
                queries=None if queries.numel() == weight.numel() else queries,
                weight=None if bool((owned == 1.0).all()) else owned,
            )
        )
    return tuple(groups)

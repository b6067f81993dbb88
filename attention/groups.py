"""The vocabulary that rules speak and the engine understands.

A rule turns token ownership into *groups*. Each group is a set of query tokens that see the same
list of *key blocks* (a key block is the text of one prompt, or another run of key tokens)::

    O[q] = sum over groups g that hold q of  weight_g[q] * softmax-attention(q, blocks of g)

One block per group and several groups per query is a *mix* (weighted sum of separate softmaxes:
couple, RCAC). Several blocks in one group is a *merge* (one softmax over all of them, with a
log-weight per query and block).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

BASE = 0  # index of the global prompt's key block; region r has index r, counted from one


@dataclass(frozen=True, slots=True, eq=False)
class KeyBlock:
    """A set of key tokens.

    Attributes:
        prompt: which prompt's text: 0 the global one, r = 1..R a regional one.
        log_weight: [Q] float32 added to the scores of this block, or None for zero. Only useful
            where a group has several blocks; inside a single block it cancels.
    """

    prompt: int
    log_weight: torch.Tensor | None = None

    def to(self, device: torch.device) -> KeyBlock:
        if self.log_weight is None:
            return self
        return replace(self, log_weight=self.log_weight.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Query tokens that see the same key blocks.

    Attributes:
        blocks: at least one key block.
        queries: [Q] int64 token indices without repeats, or None for all N tokens.
        weight: [Q] float mixing weight of this group's output, or None for one.
    """

    blocks: tuple[KeyBlock, ...]
    queries: torch.Tensor | None = None
    weight: torch.Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Group:
        return Group(
            tuple(block.to(device) for block in self.blocks),
            None if self.queries is None else self.queries.to(device),
            None if self.weight is None else self.weight.to(device, dtype),
        )


Groups = tuple[Group, ...]

# (q [B, H, Q, D], k [B, H, T, D], v [B, H, T, D]) -> [B, Q, C]: the host's own attention function.
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def groups_to(groups: Groups, device: torch.device, dtype: torch.dtype) -> Groups:
    """The same groups with their index and weight tensors where, and as what, attention computes.

    Log-weights stay float32: they are added to scores, which backends keep in float32.
    """
    return tuple(group.to(device, dtype) for group in groups)


def mix_groups(ownership: torch.Tensor) -> Groups:
    """One single-block group per prompt that owns anything, weighted by its ownership.

    Args:
        ownership: [R + 1, N] float32, columns sum to one (see ``tokens.token_ownership``).
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

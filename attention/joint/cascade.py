"""A layer of joint attention in few kernel launches, whatever the number of regions.

The groups of a rule are turned, once per plan, into a list of *pieces* over the one sequence of
text and image, in which what many regions do alike is done in one go:

- texts (and isolated regions) that see only what is their own lie packed one behind the other, and
  are attended segment by segment (``engine/segments.py``);
- tokens that share the image run as *cascade attention* (``merge_plan.py``): what all of them see
  once, with its log-sum-exp, by the person's own backend; what each sees besides packed, together
  with the short texts that see only their own; one merge.

What needs more than that (mixing weights, tuned scores) goes through ``engine.attend``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..engine import kernels as lse_kernels
from ..engine.attend import is_plain
from ..engine.groups import Group, Groups
from ..engine.segments import Segments
from .merge_plan import Asking, MergePlan, Segment, joined_by_keys, plain_segment
from .pieces import General, Packed, Piece
from .registers import REGISTERS
from .sequence import IMAGES, TokenLayout, Tokens

# Packed keys are copies. Up to this multiple of the sequence they are worth it; groups with more
# (all of the image for every region) run one by one.
_MOST_COPIED = 1.5
# Groups of image tokens that see the whole image and no two the same text: from this number on the
# image is attended once for all, at the price of a merge.
_MANY = 3

# Gathered queries of a call by itself come in multiples of this, the last one repeated, where a
# backend may plan by shape (cuDNN): it then meets few shapes, whatever is drawn.
STEP = 64


def pieces(
    groups: Groups, layout: TokenLayout, n_tokens: int, device: torch.device
) -> tuple[Piece, ...]:
    """Turn the groups of all sources of one joint call into pieces.

    Args:
        groups: from a rule, with those of registers.
        layout: of the sequence.
        n_tokens: S of the sequence.
        device: of the sequence.
    """
    by_source: dict[int, list[Group]] = {}
    for group in groups:
        by_source.setdefault(group.source, []).append(group)
    general: list[General] = []
    merged: list[list[Asking]] = []
    alone: list[Asking] = []
    sharing: dict[int, list[Asking]] = {}
    # Boosts change from step to step, and with them the groups: packing them would not pay.
    boosted = any(block.boost is not None for group in groups for block in group.blocks)
    for source, asking in by_source.items():
        if boosted or not all(map(_is_simple, asking)) or _overlap(asking):
            general.append(General(source, tuple(asking), layout))
            continue
        positions = layout.positions(source)
        for group in asking:
            queries = positions if group.queries is None else positions[group.queries.cpu()]
            image, one = _image_of(group), Asking(queries, group)
            if image is not None:
                sharing.setdefault(image, []).append(one)
            elif is_plain(group):
                alone.append(one)
            else:
                merged.append([one])
    for cluster in sharing.values():
        n_images = sum(one.group.source in IMAGES for one in cluster)
        if n_images >= _MANY or not all(is_plain(one.group) for one in cluster):
            merged.append(cluster)
        else:
            alone += cluster
    short, result = _packed([plain_segment(one, layout) for one in alone], n_tokens, device)
    for cluster in merged:
        plan = MergePlan(cluster, layout)
        if plan.n_copied > _MOST_COPIED * n_tokens:
            result += [MergePlan([one], layout).piece((), device) for one in cluster]
        else:
            result.append(plan.piece(short if plan.ranks else (), device))
            short = () if plan.ranks else short
    if short:
        result.append(_pack(short, device))
    general.sort(key=lambda piece: piece.adds)
    return (*result, *general)


def _is_simple(group: Group) -> bool:
    """Whether nothing but log-weights tells its blocks apart."""
    if group.weight is not None or group.query_scale is not None or group.exact:
        return False
    return group.shared is None and all(
        block.to_max is None and not block.per_token and block.scale == 1.0
        for block in group.blocks
    )


def _overlap(groups: Sequence[Group]) -> bool:
    return len(groups) > 1 and any(group.queries is None for group in groups)


def _image_of(group: Group) -> int | None:
    """Source of the image that the group shares with others; None: it runs by itself.

    Registers weight every text. Beside image tokens, which weight their own, each text would need a
    rank for itself.
    """
    if group.source == REGISTERS:
        return None
    seen = (b.source for b in group.blocks if b.source in IMAGES and b.tokens is None)
    return next(seen, None)


def _packed(
    own: Sequence[Segment], n_tokens: int, device: torch.device
) -> tuple[Sequence[Segment], list[Piece]]:
    """Plain groups: short ones with keys of their own, which others may take along; the rest."""
    together: list[Segment] = []
    result: list[Piece] = []
    copied = 0
    for segment in sorted(joined_by_keys(own), key=lambda one: one.keys.numel()):
        n_keys = segment.keys.numel()
        if segment.keys_are_one_piece or copied + n_keys > _MOST_COPIED * n_tokens:
            result.append(_pack([segment], device))
        else:
            copied += n_keys
            together.append(segment)
    together.sort(key=lambda one: int(one.queries[0]))
    if together and not Segments.of(together).are_short:
        result.append(_pack(together, device))
        together = []
    return together, result


def _pack(own: Sequence[Segment], device: torch.device) -> Packed:
    queries, keys = (torch.cat([getattr(s, name) for s in own]) for name in ("queries", "keys"))
    asked = Tokens.at(queries, device)
    gathered = not isinstance(asked.index, slice)
    if len(own) == 1 and gathered and lse_kernels.plans_by_shape(device):
        asked = Tokens.at(torch.cat([queries, queries[-1:].expand(-len(queries) % STEP)]), device)
    sizes = (asked.count,) if len(own) == 1 else tuple(len(s.queries) for s in own)
    return Packed(asked, Tokens.at(keys, device), Segments(sizes, tuple(len(s.keys) for s in own)))

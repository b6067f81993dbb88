"""EliGen's attention, without its trained weights: an open image, regional prompts bound to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import NEGLIGIBLE_WEIGHT, TokenGrid, token_coverage
from ..engine.groups import BASE, IMAGE, Group, Groups, KeyBlock
from .base import AttentionKind
from .bind import region_members, text_groups
from .hard import by_membership, log_weighted, unless_all
from .settings import EveryLayer, region_weights


@dataclass(frozen=True, slots=True)
class EliGen(EveryLayer):
    """Image tokens ask [T_0, all of their T_r, whole image], in all layers at all steps.

    Source: the attention mask of EliGen (arXiv 2501.01097): every image token sees the global
    prompt and the whole image, T_r and I_r see each other, texts see themselves alone. Deviations:
    a soft mask m_r and a region's weight a_r add log(a_r m_r) to the scores of T_r (the source has
    hard masks); T_r sees the tokens of which its region covers more than half of what it covers of
    any. The source's LoRA, made for this mask, is not needed and can be loaded as any other.
    """

    attention: ClassVar[AttentionKind] = "joint"

    @property
    def name(self) -> str:
        return "eligen"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        shares = token_coverage(regions, grid) * region_weights(regions)[:, None]
        shares = shares.masked_fill(shares < NEGLIGIBLE_WEIGHT, 0.0)
        members = region_members(torch.cat([torch.ones_like(shares[:1]), shares]))
        return (*text_groups(members), *_image_groups(shares))

    def describe(self) -> str:
        return "eligen, regional prompts beside the global one, image open"


def _image_groups(shares: torch.Tensor) -> Groups:
    """Tokens whose shares are all 0 or 1 need no log-weights; the others are merged in one group.

    Args:
        shares: [R, N].
    """
    n_tokens = shares.shape[1]
    hard = ((shares == 0.0) | (shares == 1.0)).all(0)
    groups = []
    for owners, found in by_membership(torch.cat([shares > 0.0, ~hard[None]])):
        if len(shares) in owners:  # a soft token
            continue
        blocks = (*(KeyBlock(r + 1) for r in owners), KeyBlock(BASE), KeyBlock(IMAGE))
        groups.append(Group(blocks, unless_all(found, n_tokens)))
    soft = (~hard).nonzero()[:, 0]
    if soft.numel():
        blocks = [KeyBlock(BASE), KeyBlock(IMAGE), *log_weighted(shares[:, soft], 1)]
        groups.append(Group(tuple(blocks), unless_all(soft, n_tokens)))
    return tuple(groups)

"""RCAC by the letter of the paper's equation: the mask multiplies the query, not the output."""

from __future__ import annotations

from dataclasses import dataclass

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import Group, Groups, KeyBlock, mix_groups
from .rcac import REFERENCE_SHARE
from .settings import EveryLayer


@dataclass(frozen=True, slots=True)
class RCACLiteral(EveryLayer):
    """O = sum_r softmax((m~_r Q) K_r^T / sqrt(d)) V_r in layers 0..n-1, for comparison only.

    Source: the equation of arXiv 2501.07070, II-B as printed. Outside of region r the query is
    zero, so the softmax is uniform and the region contributes the mean of V_r everywhere: every
    token gets all other prompts' means on top of its own, and with R regions the sum is R terms
    where a cross-attention has one. The paper's code masks the output instead; see ``RCAC``.
    Regions with weight zero are left out; the global prompt has no part in the equation.
    """

    @property
    def name(self) -> str:
        return "rcac_literal"

    def default_last_layer(self, n_layers: int) -> int:
        return max(0, round(n_layers * REFERENCE_SHARE) - 1)

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        ownership = token_ownership(regions, grid)
        groups = tuple(
            Group((KeyBlock(index + 1),), query_scale=ownership[index + 1])
            for index, region in enumerate(regions.regions)
            if region.weight > 0.0
        )
        return groups or mix_groups(ownership)

    def describe(self) -> str:
        return "rcac_literal, the mask on the query as the paper prints it (for comparison)"

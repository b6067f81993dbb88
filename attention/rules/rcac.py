"""RCAC: the regional cross-attention of Progressive Prompts, as its public settings use it."""

from __future__ import annotations

from dataclasses import dataclass

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import Groups, mix_groups
from .settings import EveryLayer

# "4+1" of the reference: the regional prompts act in blocks 0..20 of 40, the global one after.
REFERENCE_SHARE = 21 / 40


@dataclass(frozen=True, slots=True)
class RCAC(EveryLayer):
    """O = sum_r m~_r Attn(Q, K_r, V_r) in layers 0..n-1, the global prompt in all later ones.

    Source: arXiv 2501.07070, II-B and II-C; the layer share 21 of 40 is the public default and
    scales with depth here. Deviation: tokens that no mask covers get the global prompt (the
    reference divides by zero there).
    """

    @property
    def name(self) -> str:
        return "rcac"

    def default_last_layer(self, n_layers: int) -> int:
        return max(0, round(n_layers * REFERENCE_SHARE) - 1)

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        return mix_groups(token_ownership(regions, grid))

    def describe(self) -> str:
        return "rcac, no base ratio"

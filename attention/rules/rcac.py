"""RCAC: the regional cross-attention of Progressive Prompts, as its public settings use it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from ..groups import Groups, mix_groups
from ..regions import RegionSet
from ..step import Step
from ..tokens import TokenGrid, token_ownership
from .base import AttentionKind

# "4+1" of the reference: the regional prompts act in blocks 0..20 of 40, the global one after.
REFERENCE_SHARE = 21 / 40


@dataclass(frozen=True, slots=True)
class RCAC:
    """O = sum_r m~_r Attn(Q, K_r, V_r) in layers 0..n-1, the global prompt in all later ones.

    Source: arXiv 2501.07070, II-B and II-C; the layer share 21 of 40 is the public default and
    scales with depth here. Deviation: tokens that no mask covers get the global prompt (the
    reference divides by zero there).
    """

    attention: ClassVar[AttentionKind] = "cross"

    @property
    def name(self) -> str:
        return "rcac"

    def default_last_layer(self, n_layers: int) -> int:
        return max(0, round(n_layers * REFERENCE_SHARE) - 1)

    def phase(self, layer: int, n_layers: int, step: Step) -> Hashable | None:
        return "always"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: Hashable) -> Groups:
        return mix_groups(token_ownership(regions, grid, base_ratio=0.0))

    def describe(self) -> str:
        return "rcac, no base ratio"

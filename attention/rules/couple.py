"""Attention couple: a weighted sum of one cross-attention per prompt."""

from __future__ import annotations

from dataclasses import dataclass

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import Groups, mix_groups
from ..errors import RegionalError
from .settings import EveryLayer


@dataclass(frozen=True, slots=True)
class Couple(EveryLayer):
    """O = (1 - beta) sum_{r>=0} m~_r Attn(Q, K_r, V_r) + beta Attn(Q, K_0, V_0).

    The formula that the code of Progressive Prompts (arXiv 2501.07070, II-B) applies after the
    softmax, with a base ratio beta for the global prompt and with uncovered tokens given to it.
    Deviation from the paper's text: the paper multiplies the mask into Q before the softmax, which
    would give the mean of V outside the region; its code, and we, weight the output.

    Attributes:
        base_ratio: beta, 0..1. 0 = regions see their own prompt alone; 1 = global prompt alone.
    """

    base_ratio: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.base_ratio <= 1.0:
            raise RegionalError(f"Base ratio is {self.base_ratio!r}, expected 0..1.")

    @property
    def name(self) -> str:
        return "couple"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        return mix_groups(token_ownership(regions, grid, self.base_ratio))

    def describe(self) -> str:
        return f"couple, base ratio {self.base_ratio:g}"

"""LaRender: regions as translucent layers, composed from back to front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, normalised, token_coverage
from ..engine.groups import Groups, mix_groups
from ..errors import RegionalError
from .base import AttentionKind, Rule
from .settings import region_weights, require_range

Schedule = Literal["falling", "constant"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
MAX_OPACITY = 0.999  # an opacity of one would be an infinite density


@dataclass(frozen=True, slots=True)
class LaRender(Rule[float]):
    """O = sum_i w_i O_i / sum_i w_i, w_i = alpha_i M_i prod_{j in front of i} e^(-sigma_j M_j).

    Source: LaRender (arXiv 2508.07647), volume rendering of cross-attention: region i has the
    density sigma_i, alpha_i = 1 - e^(-sigma_i), and what lies in front of it dims it. With
    D = -ln(1 - opacity), sigma_i is D ("constant") or D N / (k + 1) at step k of N ("falling",
    the best of the paper: nearly opaque at first, D at the end). The global prompt is the
    opaque background. Deviations: M_i is the region's mask alone; the source also multiplies it,
    unless told otherwise, by the attention to the subject's own words, which a regional prompt
    does not single out. A region's weight multiplies its density.

    ``Region.order`` says what lies in front; overlaps are not resolved beforehand, also where the
    regions' overlap mode is "front".

    Attributes:
        opacity: of a region of weight one at the last step, 0..0.999.
        schedule: "falling" or "constant".
    """

    attention: ClassVar[AttentionKind] = "cross"

    opacity: float = 0.8
    schedule: Schedule = "falling"

    def __post_init__(self) -> None:
        require_range("Opacity", self.opacity, 0.0, MAX_OPACITY)
        if self.schedule not in SCHEDULES:
            raise RegionalError(f"Schedule is {self.schedule!r}, expected one of {SCHEDULES}.")

    @property
    def name(self) -> str:
        return "larender"

    def phase(self, layer: int, n_layers: int, step: Step) -> float:
        """sigma / D"""
        return 1.0 if self.schedule == "constant" else step.n_steps / (step.index + 1)

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: float) -> Groups:
        masks = token_coverage(regions, grid, "blend")
        densities = -math.log1p(-self.opacity) * phase * region_weights(regions)
        weights = torch.zeros(len(regions) + 1, masks.shape[1])
        transmitted = torch.ones(masks.shape[1])
        for index in sorted(range(len(regions)), key=lambda i: -regions.regions[i].order):
            alpha = -torch.expm1(-densities[index])
            weights[index + 1] = alpha * masks[index] * transmitted
            transmitted = transmitted * torch.exp(-densities[index] * masks[index])
        weights[0] = transmitted
        return mix_groups(normalised(weights / weights.sum(0)))

    def describe(self) -> str:
        return f"larender, opacity {self.opacity:g}, density {self.schedule}"

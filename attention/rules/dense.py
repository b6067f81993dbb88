"""DenseDiffusion: scores inside a region are drawn to the row's maximum, outside to its minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_coverage
from ..engine.groups import Group, Groups, KeyBlock
from .base import AttentionKind, Rule
from .settings import canvas_coverage, region_weights, require_range


@dataclass(frozen=True, slots=True)
class Dense(Rule[float]):
    """s' = s + a m (max s - s) - a (1 - m) (s - min s), a = w t^5 (1 - area of the region).

    One softmax over T_0, T_1 .. T_R; max and min are those of a query's scores over all of them;
    t is the share of the denoising that is still ahead. Source: DenseDiffusion (arXiv 2308.12964),
    cross-attention part. Since s' = (1 - a) s + a (m max + (1 - m) min), the score of a region is
    scaled by a constant and shifted by a number per query.

    Deviations: regional prompts are texts of their own here, not phrases of the global prompt; the
    global prompt counts as a region of the whole canvas, whose a is zero. A region's weight
    multiplies a, at most to one. The self-attention part of the method (weight 0.3) is left out.

    Attributes:
        strength: w, 0..1.
        end_percent: share of the denoising, 0..1, after which layers follow the global prompt.
    """

    attention: ClassVar[AttentionKind] = "cross"

    strength: float = 1.0
    end_percent: float = 0.3

    def __post_init__(self) -> None:
        require_range("Strength", self.strength, 0.0, 1.0)
        require_range("End percent", self.end_percent, 0.0, 1.0)

    @property
    def name(self) -> str:
        return "dense"

    def phase(self, layer: int, n_layers: int, step: Step) -> float | None:
        """t^5, rounded so that layers of one step share their groups"""
        if not step.before(self.end_percent):
            return None
        return round((1.0 - step.percent) ** 5, 4)

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: float) -> Groups:
        coverage = token_coverage(regions, grid)
        area = canvas_coverage(regions, grid).mean(1)
        pulls = self.strength * phase * (1.0 - area) * region_weights(regions)
        blocks = [KeyBlock(0)]
        for index, pull in enumerate(pulls.clamp_max(1.0)):
            if regions.regions[index].weight == 0.0:
                continue
            inside = coverage[index]
            blocks.append(
                KeyBlock(
                    index + 1,
                    scale=1.0 - float(pull),
                    to_max=pull * inside,
                    to_min=pull * (1.0 - inside),
                )
            )
        return (Group(tuple(blocks)),)

    def describe(self) -> str:
        return f"dense, strength {self.strength:g}, first {self.end_percent:.0%} of the denoising"

"""What the rules for cross-attention share: all layers at all steps, and checked settings."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_coverage
from ..errors import RegionalError
from .base import AttentionKind, Rule


class EveryLayer(Rule[str]):
    """A rule whose groups are the same in all layers and at all steps."""

    __slots__ = ()

    attention: ClassVar[AttentionKind] = "cross"

    def phase(self, layer: int, n_layers: int, step: Step) -> str:
        return "always"


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raise unless a setting lies in its range, both ends included."""
    if not low <= value <= high:
        raise RegionalError(f"{name} is {value!r}, expected a number from {low:g} to {high:g}.")


def canvas_coverage(regions: RegionSet, grid: TokenGrid) -> torch.Tensor:
    """Coverage [R, N'] of all tokens of the canvas, also where the call is a crop of it.

    What a region covers of the canvas must not depend on the area that a conditioning crops.
    """
    if (grid.height, grid.width) != (grid.full_height, grid.full_width):
        grid = replace(
            grid,
            rows=-(-grid.full_height // grid.patch),
            cols=-(-grid.full_width // grid.patch),
            height=grid.full_height,
            width=grid.full_width,
            top=0,
            left=0,
        )
    return token_coverage(regions, grid)


def region_weights(regions: RegionSet) -> torch.Tensor:
    """[R] float32."""
    return torch.tensor([region.weight for region in regions.regions])

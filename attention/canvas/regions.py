"""Regions of the canvas: boxes and painted masks, resolution-free until sampling.

A region never asks for a picture size. A box is kept as fractions of the canvas and a painted
mask at the size it was painted; both become weights on the model's token grid only when the real
latent is known (see ``tokens.py``).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from ..errors import RegionError
from .frame_fade import FrameFade
from .masks import blurred, checked_mask, mask_coverage
from .region_schedule import RegionSchedule

MAX_REGIONS = 64
MAX_FEATHER_PX = 100_000
OverlapMode = Literal["blend", "front"]
OVERLAP_MODES: tuple[OverlapMode, ...] = ("blend", "front")


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in fractions of the canvas, 0 = left/top edge, 1 = right/bottom edge.

    Attributes:
        x0, y0, x1, y1: corners, 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1.
        feather: width of the linear ramp that is centred on each inner side, as a fraction of
            that axis of the canvas, 0..1. Sides on the canvas edge have no ramp. Ramps of two
            boxes that share a side add up to one.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    feather: float = 0.0

    def __post_init__(self) -> None:
        inside = 0.0 <= self.x0 < self.x1 <= 1.0 and 0.0 <= self.y0 < self.y1 <= 1.0
        if not inside:
            raise RegionError(
                f"Box ({self.x0:g}, {self.y0:g}, {self.x1:g}, {self.y1:g}) is empty or leaves the "
                "canvas. Expected x0 < x1 and y0 < y1, all between 0 and 1."
            )
        if not 0.0 <= self.feather <= 1.0:
            raise RegionError(f"Feather is {self.feather:g}, expected 0..1 (share of the canvas).")

    @property
    def center(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def coverage(self, x_edges: torch.Tensor, y_edges: torch.Tensor) -> torch.Tensor:
        """Exact mean of the (feathered) box over each cell of a grid.

        Args:
            x_edges: [cols + 1] float, increasing cell borders in canvas fractions.
            y_edges: [rows + 1] float.

        Returns:
            [rows, cols] float32 in 0..1.
        """
        across = _axis_coverage(x_edges, self.x0, self.x1, self.feather)
        down = _axis_coverage(y_edges, self.y0, self.y1, self.feather)
        return down[:, None] * across[None, :]


def _ramp_integral(x: torch.Tensor, edge: float, ramp: float) -> torch.Tensor:
    """Integral from -inf to x of the ramp that rises from 0 to 1 around ``edge``."""
    if ramp < 1e-6:  # narrower than any pixel: a hard edge
        return (x - edge).clamp_min(0.0)
    t = (x - edge) / ramp + 0.5
    return ramp * torch.where(t > 1.0, t - 0.5, 0.5 * t.clamp_min(0.0) ** 2)


def _axis_coverage(edges: torch.Tensor, lo: float, hi: float, ramp: float) -> torch.Tensor:
    edges = edges.double()
    rise = edges if lo <= 0.0 else _ramp_integral(edges, lo, ramp)
    fall = torch.zeros_like(edges) if hi >= 1.0 else _ramp_integral(edges, hi, ramp)
    return ((rise - fall).diff() / edges.diff()).clamp(0.0, 1.0).float()


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One prompt's place on the canvas.

    Attributes:
        shape: a ``Box``, or a mask [height, width] float32 in 0..1 (1 = inside) of any size.
        weight: strength of the regional prompt, 0..10. Below 1 the global prompt keeps the rest;
            above 1 the region takes from its neighbours and from the global prompt.
        order: larger is nearer to the viewer; used by ``RegionSet`` in overlap mode "front".
        name: label for previews and reports.
        frames: part of a video in which the region exists, (start, end) as shares of the latent
            frames, 0 <= start < end <= 1; None for all of it. Means nothing in a still picture.
        fade: how it comes and goes at the ends of ``frames``; None: at once.
        schedule: its weight over the denoising; None: the same at all steps.
        base_ratio: share of the global prompt inside it, 0..1, instead of the rule's, or None.
        lora: file and strength of a LoRA that acts in it alone, as it was drawn; "" for none.
    """

    shape: Box | torch.Tensor
    weight: float = 1.0
    order: int = 0
    name: str = ""
    frames: tuple[float, float] | None = None
    fade: FrameFade | None = None
    schedule: RegionSchedule | None = None
    base_ratio: float | None = None
    lora: tuple[str, float] = ("", 1.0)

    def __post_init__(self) -> None:
        if self.base_ratio is not None and not 0.0 <= self.base_ratio <= 1.0:
            raise RegionError(f"A region's base ratio is {self.base_ratio!r}, expected 0..1.")
        if not 0.0 <= self.weight <= 10.0:
            raise RegionError(f"Region weight is {self.weight!r}, expected a number from 0 to 10.")
        if self.frames is not None and not 0.0 <= self.frames[0] < self.frames[1] <= 1.0:
            raise RegionError(
                f"Frame range {self.frames[0]:g}..{self.frames[1]:g} is empty or leaves the video. "
                "Expected start < end, both between 0 and 1."
            )
        if isinstance(self.shape, torch.Tensor):
            object.__setattr__(self, "shape", checked_mask(self.shape, self.name))

    @property
    def center(self) -> tuple[float, float]:
        """Centre of mass (x, y) in canvas fractions."""
        if isinstance(self.shape, Box):
            return self.shape.center
        height, width = self.shape.shape
        total = self.shape.sum()
        xs = (torch.arange(width) + 0.5) / width
        ys = (torch.arange(height) + 0.5) / height
        x = (self.shape.sum(0) * xs).sum() / total
        y = (self.shape.sum(1) * ys).sum() / total
        return float(x), float(y)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest enclosing box (x0, y0, x1, y1) in canvas fractions, feather left out."""
        if isinstance(self.shape, Box):
            return self.shape.x0, self.shape.y0, self.shape.x1, self.shape.y1
        height, width = self.shape.shape
        inside = self.shape > 0.5 * self.shape.max()
        ys = inside.any(1).nonzero()[:, 0]
        xs = inside.any(0).nonzero()[:, 0]
        return (
            float(xs[0]) / width,
            float(ys[0]) / height,
            float(xs[-1] + 1) / width,
            float(ys[-1] + 1) / height,
        )

    def coverage(self, x_edges: torch.Tensor, y_edges: torch.Tensor) -> torch.Tensor:
        """Mean of the region over each cell of a grid; see ``Box.coverage``."""
        if isinstance(self.shape, Box):
            return self.shape.coverage(x_edges, y_edges)
        return mask_coverage(self.shape, x_edges, y_edges)

    def time_coverage(self, t_edges: torch.Tensor) -> torch.Tensor:
        """Mean of its frame range over latent frames, or its fade: [frames] float32 in 0..1."""
        start, end = self.frames or (0.0, 1.0)
        if self.fade is not None:
            return self.fade.strength(t_edges, start, end)
        return _axis_coverage(t_edges, start, end, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class RegionSet:
    """All regions of one canvas, 1 to 64.

    Attributes:
        regions: in the order of their prompts.
        overlap: "blend" shares a pixel between the regions that cover it, "front" gives it to the
            nearest one (largest ``order``).
        memo: what was worked out of the regions lately; see ``canvas.tokens.token_coverage``.
    """

    regions: tuple[Region, ...]
    overlap: OverlapMode = "blend"
    memo: dict[Hashable, torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.regions) <= MAX_REGIONS:
            raise RegionError(f"Got {len(self.regions)} regions, expected 1 to {MAX_REGIONS}.")
        if self.overlap not in OVERLAP_MODES:
            raise RegionError(f"Overlap mode is {self.overlap!r}, expected one of {OVERLAP_MODES}.")

    def __len__(self) -> int:
        return len(self.regions)

    @classmethod
    def from_masks(
        cls,
        masks: Sequence[torch.Tensor],
        *,
        feather_px: float = 0.0,
        overlap: OverlapMode = "blend",
    ) -> RegionSet:
        """Make regions from painted masks.

        Args:
            masks: one mask [height, width] in 0..1 per region; sizes may differ.
            feather_px: standard deviation of a Gaussian blur in mask pixels, 0 = as painted, at
                most 100,000.
            overlap: see the class.

        Raises:
            RegionError: a mask is empty, not finite or out of range, there are not 1..64, or
                feather_px is out of range.
        """
        if not 0.0 <= feather_px <= MAX_FEATHER_PX:
            raise RegionError(
                f"Feather is {feather_px:g} pixels, expected 0 to {MAX_FEATHER_PX} (of the mask)."
            )
        regions = []
        for index, mask in enumerate(masks):
            name = str(index + 1)
            mask = mask.detach().to("cpu", torch.float32)
            mask = checked_mask(mask, name)
            if feather_px > 0.0:
                mask = blurred(mask, feather_px)
            regions.append(Region(mask, order=index, name=name))  # later masks lie in front
        return cls(tuple(regions), overlap)

    def with_weights(self, weights: Sequence[float]) -> RegionSet:
        """The same regions with other weights, one per region; what they cover stays known."""
        if len(weights) != len(self.regions):
            raise RegionError(f"Got {len(weights)} weights for {len(self.regions)} regions.")
        pairs = zip(self.regions, weights, strict=True)
        weighted = replace(self, regions=tuple(replace(r, weight=w) for r, w in pairs))
        object.__setattr__(weighted, "memo", self.memo)
        return weighted

    @property
    def has_frames(self) -> bool:
        """Whether some region exists in a part of the video only."""
        return any(region.frames is not None for region in self.regions)

    def coverage(
        self,
        x_edges: torch.Tensor,
        y_edges: torch.Tensor,
        t_edges: torch.Tensor | None = None,
        *,
        overlap: OverlapMode | None = None,
    ) -> torch.Tensor:
        """Share of each grid cell that each region covers, overlaps resolved.

        Args:
            x_edges, y_edges: see ``Box.coverage``.
            t_edges: [frames + 1] float, borders of a video's latent frames as shares of its
                length; None leaves the regions' frame ranges out of account.
            overlap: another mode than the set's own.

        Returns:
            [R, rows, cols], or [R, frames, rows, cols] where ``t_edges`` is given, float32 in
            0..1. The sum over R may exceed one in mode "blend".
        """
        stack = torch.stack([r.coverage(x_edges, y_edges) for r in self.regions])
        if t_edges is not None:
            times = torch.stack([r.time_coverage(t_edges) for r in self.regions])
            stack = times[:, :, None, None] * stack[:, None]
        if (overlap or self.overlap) == "front":
            free = torch.ones_like(stack[0])
            for index in sorted(range(len(self)), key=lambda i: -self.regions[i].order):
                stack[index] *= free
                free = free - stack[index]
        return stack

    def masks(self, height: int, width: int) -> torch.Tensor:
        """Rasterise to [R, height, width] float32 in 0..1, for the MASK output and previews."""
        x_edges, y_edges = (torch.arange(n + 1).double() / n for n in (width, height))
        return self.coverage(x_edges, y_edges)

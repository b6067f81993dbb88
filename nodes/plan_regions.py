"""From a plan's boxes and painted masks to regions, and from masks and boxes back to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F

from ..attention.errors import RegionError
from ..attention.masks import checked_mask
from ..attention.regions import Box, OverlapMode, Region, RegionSet
from ..planner.mask import MAX_MASK_SIDE, RegionMask
from ..planner.plan import Plan, RegionPlan

PAINTED_SIZE_PX = 512  # side of the canvas on which a plan's painted mask is drawn
_RAMP_TO_SIGMA = 12**-0.5  # standard deviation of a ramp of width one


def regions_of(plan: Plan, overlap: OverlapMode = "front") -> RegionSet:
    """The regions that a plan proposes.

    Raises:
        RegionError: a region of the plan has no box, or there are not 1 to 64.
    """
    regions = []
    for index, region in enumerate(plan.regions):
        if region.box is None:
            raise RegionError(
                f"Region {index + 1} of the plan has no box, and no regions are connected. Connect "
                "a Region Split, or give every region of the plan a box."
            )
        regions.append(
            Region(
                shape_of(region.box, region.mask, region.feather),
                weight=region.weight,
                order=region.order,
                name=str(index + 1),
            )
        )
    return RegionSet(tuple(regions), overlap)


def shape_of(
    box: tuple[float, float, float, float], mask: RegionMask | None, feather: float
) -> Box | torch.Tensor:
    """A box, or the painted mask in it as [512, 512] float32 of the whole canvas."""
    if mask is None:
        return Box(*box, feather=feather)
    x0, y0, x1, y1 = box
    cells = torch.tensor(mask.rows(), dtype=torch.float32)
    centers = (torch.arange(PAINTED_SIZE_PX) + 0.5) / PAINTED_SIZE_PX
    columns = _cell_of(centers, x0, x1, mask.width)
    rows = _cell_of(centers, y0, y1, mask.height)
    canvas = cells[rows.clamp_min(0)][:, columns.clamp_min(0)]
    canvas = canvas * (rows >= 0)[:, None] * (columns >= 0)[None, :]
    if not bool(canvas.any()):
        raise RegionError(
            f"A painted region lies in a box of {x1 - x0:.4f} x {y1 - y0:.4f} of the canvas, too "
            "thin to cover anything. Enlarge it."
        )
    return softened(canvas, feather)


def softened(mask: torch.Tensor, feather: float) -> torch.Tensor:
    """A mask [H, W] with a border about as soft as a box of this feather has."""
    sigma_px = feather * max(mask.shape) * _RAMP_TO_SIGMA
    return cast(torch.Tensor, RegionSet.from_masks([mask], feather_px=sigma_px).regions[0].shape)


def _cell_of(centers: torch.Tensor, lo: float, hi: float, n_cells: int) -> torch.Tensor:
    """Index of the mask cell at each canvas position; -1 outside the box."""
    cell = ((centers - lo) / (hi - lo) * n_cells).floor().long()
    return torch.where((cell >= 0) & (cell < n_cells), cell, torch.full_like(cell, -1))


def drawn_mask(mask: torch.Tensor) -> tuple[tuple[float, float, float, float], RegionMask | None]:
    """A mask [H, W] in 0..1 as the editor holds it: its bounds, and at most 128 cells a side.

    A mask that fills its bounds is a plain box, without cells.

    Raises:
        RegionError: it cannot be a region (``masks.checked_mask``).
    """
    cells = checked_mask(mask.detach().to("cpu", torch.float32), "")
    if max(cells.shape) > MAX_MASK_SIDE:
        scale = MAX_MASK_SIDE / max(cells.shape)
        size = [max(1, round(side * scale)) for side in cells.shape]
        cells = F.interpolate(cells[None, None], size, mode="area")[0, 0]
        checked_mask(cells, "")  # a faint dot is lost in the mean
    full = 2.0 * cells >= cells.max()  # half of the least number would be zero
    ys, xs = full.any(1).nonzero()[:, 0], full.any(0).nonzero()[:, 0]
    top, bottom = int(ys[0]), int(ys[-1]) + 1
    left, right = int(xs[0]), int(xs[-1]) + 1
    height, width = full.shape
    box = (left / width, top / height, right / width, bottom / height)
    inner = full[top:bottom, left:right]
    return box, None if bool(inner.all()) else RegionMask.from_rows(inner.tolist())


def box_fractions(
    boxes: Any, width_px: int, height_px: int
) -> list[tuple[float, float, float, float]]:
    """ComfyUI's BOUNDING_BOX values as fractions of the canvas.

    Args:
        boxes: one mapping with x, y, width and height in pixels, or a list of them.
        width_px, height_px: size of the canvas.

    Raises:
        RegionError: a value is no bounding box, or lies outside the canvas.
    """
    found = []
    for item in boxes if isinstance(boxes, Sequence) and not isinstance(boxes, str) else [boxes]:
        if isinstance(item, Sequence) and not isinstance(item, str):  # one list per picture
            found += box_fractions(item, width_px, height_px)
            continue
        try:
            if not isinstance(item, Mapping):
                raise TypeError
            x, y, width, height = (float(item[k]) for k in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RegionError(
                f"Got the bounding box {str(item)[:80]}; expected x, y, width and height in pixels."
            ) from None
        x0, x1 = (min(max(edge / width_px, 0.0), 1.0) for edge in (x, x + width))
        y0, y1 = (min(max(edge / height_px, 0.0), 1.0) for edge in (y, y + height))
        if not (x0 < x1 and y0 < y1):
            raise RegionError(
                f"The bounding box {str(dict(item))[:80]} is empty or lies outside the canvas of "
                f"{width_px} x {height_px} pixels. Connect the latent that will be sampled."
            )
        found.append((x0, y0, x1, y1))
    return found


def adopt(plan: Plan, drawing: Plan) -> Plan:
    """A planner's plan, ready for the editor; boxes that it leaves out are the drawing's.

    Raises:
        RegionError: a box is missing in both.
    """
    regions = []
    for index, region in enumerate(plan.regions):
        box = region.box
        if box is None:
            drawn = drawing.regions[index : index + 1]
            if not drawn or drawn[0].box is None:
                raise RegionError(
                    f"Region {index + 1} of the connected plan has no box, and the drawing has no "
                    "such region. Draw one region per prompt first."
                )
            region = replace(region, box=drawn[0].box, mask=drawn[0].mask)
        regions.append(region)
    return replace(plan, regions=tuple(regions), source=plan.fingerprint())


def with_shapes(
    plan: Plan, shapes: Sequence[tuple[tuple[float, float, float, float], RegionMask | None]]
) -> Plan:
    """The plan with other shapes for its first regions; further shapes become new regions."""
    regions = list(plan.regions)
    for index, (box, mask) in enumerate(shapes):
        if index < len(regions):
            regions[index] = replace(regions[index], box=box, mask=mask)
        else:
            regions.append(RegionPlan("", box=box, mask=mask, order=min(index, 1000)))
    return replace(plan, regions=tuple(regions))

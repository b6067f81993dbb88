"""From a plan's boxes and painted masks to regions, and from masks and boxes back to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F

from ...attention.canvas.masks import checked_mask
from ...attention.canvas.regions import Box, OverlapMode, Region, RegionSet
from ...attention.errors import RegionError
from ...planner.mask import MAX_MASK_SIDE, RegionMask
from ...planner.plan import MAX_ASPECT, MIN_ASPECT, Plan, RegionPlan

PAINTED_SIZE_PX = 512  # side of the canvas on which a plan's painted mask is drawn
_RAMP_TO_SIGMA = 12**-0.5  # standard deviation of a ramp of width one


def plan_summary(plan: Plan) -> str:
    """The plan's prompts and notes, a line each."""
    lines = [f"Global: {plan.global_prompt}"]
    lines += [f"{i + 1}. {r.prompt()}" for i, r in enumerate(plan.regions)]
    if plan.negative_prompt:
        lines.append(f"Negative: {plan.negative_prompt}")
    return "\n".join([*lines, *(f"Note: {note}" for note in plan.notes)])


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
                lora=(region.lora, region.lora_strength),
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


def plan_aspect(width_px: int, height_px: int) -> float:
    """Width / height of a picture, as far as a plan can hold it."""
    return min(max(width_px / height_px, MIN_ASPECT), MAX_ASPECT)


def canvas_size(
    latent: dict[str, Any] | None, aspect: float | None, long_side_px: int
) -> tuple[int, int]:
    """Width and height of the picture in pixels: the latent's, or from aspect and longer side."""
    if latent is not None:
        factor = int(latent.get("downscale_ratio_spacial", 8))
        height, width = latent["samples"].shape[-2:]
        return width * factor, height * factor
    ratio = aspect or 1.0
    if ratio >= 1.0:
        return long_side_px, max(8, round(long_side_px / ratio))
    return max(8, round(long_side_px * ratio)), long_side_px


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
    plan: Plan,
    shapes: Sequence[tuple[tuple[float, float, float, float], RegionMask | None]],
    prompts: Sequence[str],
) -> Plan:
    """The plan with other shapes for its first regions; further shapes become new regions.

    Args:
        plan: to change.
        shapes: box and mask of each region.
        prompts: one per shape, "" for none; taken where the plan's region has no prompt.
    """
    regions = list(plan.regions)
    for index, ((box, mask), prompt) in enumerate(zip(shapes, prompts, strict=True)):
        if index < len(regions):
            known = regions[index]
            region = replace(known, box=box, mask=mask)
            regions[index] = region if known.prompt() else replace(region, high_level=prompt)
        else:
            regions.append(RegionPlan(prompt, box=box, mask=mask, order=min(index, 1000)))
    return replace(plan, regions=tuple(regions))

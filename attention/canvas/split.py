"""Split the canvas into adjacent boxes along its width, its height, or as a grid."""

from __future__ import annotations

import re
from itertools import pairwise

from ..errors import RegionError
from .regions import MAX_REGIONS, Box, Region, RegionSet


def axis_borders(count: int, sizes: str, axis: str) -> list[float]:
    """Borders of ``count`` parts along one axis, from 0 to 1.

    Args:
        count: number of parts, 1..64.
        sizes: "" for equal parts; ratios such as "1:2:1"; or split points as fractions of the
            canvas such as "0.3, 0.7" (one fewer than parts).
        axis: "columns" or "rows", for error messages.

    Returns:
        count + 1 increasing numbers, the first 0 and the last 1.

    Raises:
        RegionError: the text cannot be read or does not fit ``count``.
    """
    text = sizes.strip()
    if not text:
        return [i / count for i in range(count + 1)]
    is_ratio = ":" in text
    parts = [p for p in re.split(r":" if is_ratio else r"[,;\s]+", text) if p.strip()]
    try:
        numbers = [float(p) for p in parts]
    except ValueError:
        raise RegionError(
            f"Sizes of {axis} are {sizes!r}, expected ratios like '1:2:1' or split points like "
            "'0.3, 0.7', or nothing for equal parts."
        ) from None
    if is_ratio:
        return _from_ratios(numbers, count, sizes, axis)
    return _from_points(numbers, count, sizes, axis)


def _from_ratios(ratios: list[float], count: int, text: str, axis: str) -> list[float]:
    if len(ratios) != count:
        raise RegionError(f"Sizes {text!r} name {len(ratios)} {axis}, expected {count}.")
    if not all(0.0 < r < float("inf") for r in ratios):
        raise RegionError(f"Sizes {text!r} of {axis} must all be numbers above 0.")
    total, position, borders = sum(ratios), 0.0, [0.0]
    for ratio in ratios[:-1]:
        position += ratio / total
        borders.append(position)
    return [*borders, 1.0]


def _from_points(points: list[float], count: int, text: str, axis: str) -> list[float]:
    if len(points) != count - 1:
        raise RegionError(
            f"Split points {text!r} cut the {axis} into {len(points) + 1} parts, expected {count} "
            f"parts ({count - 1} points)."
        )
    borders = [0.0, *points, 1.0]
    if any(not a < b for a, b in pairwise(borders)):
        raise RegionError(f"Split points {text!r} of {axis} must increase and lie between 0 and 1.")
    return borders


def split_canvas(
    rows: int,
    columns: int,
    *,
    row_sizes: str = "",
    column_sizes: str = "",
    feather: float = 0.0,
    overlap: float = 0.0,
) -> RegionSet:
    """rows x columns adjacent regions in reading order (arXiv 2501.07070, II-A, and free splits).

    Args:
        rows, columns: at least 1 each, at most 64 regions in all.
        row_sizes, column_sizes: see ``axis_borders``.
        feather: width of the soft border between neighbours, 0..1, in shares of the mean cell
            size of that axis.
        overlap: how far neighbours reach into each other, -0.9..0.9, in shares of the mean cell
            size. Negative leaves a gap between them, which belongs to the global prompt.

    Raises:
        RegionError: too many regions, or sizes that do not fit.
    """
    if rows < 1 or columns < 1 or rows * columns > MAX_REGIONS:
        raise RegionError(
            f"Asked for {rows} x {columns} = {rows * columns} regions, expected 1 to {MAX_REGIONS}."
        )
    if not 0.0 <= feather <= 1.0:
        raise RegionError(f"Feather is {feather:g}, expected 0..1 (share of a cell).")
    if not -0.9 <= overlap <= 0.9:
        raise RegionError(f"Overlap is {overlap:g}, expected -0.9..0.9 (share of a cell).")
    xs = axis_borders(columns, column_sizes, "columns")
    ys = axis_borders(rows, row_sizes, "rows")
    # One ramp width serves both axes of a box: the narrower one, so that no cell is all ramp.
    ramp = feather * min(1.0 / columns if columns > 1 else 1.0, 1.0 / rows if rows > 1 else 1.0)
    regions = []
    for y0, y1 in pairwise(ys):
        for x0, x1 in pairwise(xs):
            left, right = _widen(x0, x1, overlap / columns)
            top, bottom = _widen(y0, y1, overlap / rows)
            box = Box(left, top, right, bottom, ramp)
            regions.append(Region(box, name=str(len(regions) + 1)))
    return RegionSet(tuple(regions))


def _widen(lo: float, hi: float, overlap: float) -> tuple[float, float]:
    """Move inner borders outwards by half the overlap; borders of the canvas stay."""
    new_lo = lo if lo <= 0.0 else max(0.0, lo - overlap / 2)
    new_hi = hi if hi >= 1.0 else min(1.0, hi + overlap / 2)
    if not new_lo < new_hi:
        raise RegionError(
            f"Overlap leaves nothing of the part {lo:.2f}..{hi:.2f}; use a smaller gap."
        )
    return new_lo, new_hi

"""Boxes with sense: sizes from words, rows for wide things, overlap for depth, reasons in words.

`placement` decides which cell of an even grid a thing gets. Here the cells of a proposed plan
become boxes; cells that a person gave are never touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..plan import Box
from .cells import EPS, center, row_cells
from .placement import Item
from .relations import RELATIONS, RelationKind

_FRONT_WIDTH = 0.8  # of its cell, for a thing before another
_FRONT_RISE = 0.3  # of its cell's height, by which it covers the thing behind it
_GAP = 0.6  # an unequal cell, against one that is 1.8 times as wide as high
_MIN_SHARE = 0.3  # of an even cell; smaller is too thin for any token grid


@dataclass(frozen=True, slots=True)
class Size:
    """How large a thing is said or known to be, as factors on an even cell."""

    width: float = 1.0
    height: float = 1.0


def sized(cells: Sequence[Box], cell_of: Sequence[int], sizes: Sequence[Size]) -> list[Box]:
    """The cells with rows and columns as wide and high as what they hold.

    Args:
        cells: rows of cells, as `cells.row_cells` makes them.
        cell_of: the cell of each item.
        sizes: of each item.
    """
    factor = {cell: sizes[item] for item, cell in enumerate(cell_of)}
    rows: dict[float, list[int]] = {}
    for index, cell in enumerate(cells):
        rows.setdefault(round(cell[1], 6), []).append(index)
    heights = [max(factor.get(i, Size()).height for i in row) for row in rows.values()]
    result = list(cells)
    y0 = 0.0
    tops = _shares(heights)
    for row, height in zip(rows.values(), tops, strict=True):
        widths = _shares([factor.get(i, Size()).width for i in row])
        x0 = 0.0
        for index, width in zip(row, widths, strict=True):
            result[index] = _rounded(x0, y0, x0 + width, y0 + height)
            x0 += width
        y0 += height
    return result if any(s != Size() for s in sizes) else list(cells)


def overlapped(boxes: Sequence[Box], cell_of: Sequence[int], items: Sequence[Item]) -> list[Box]:
    """The boxes with things in front of others over them.

    The thing behind gets the room of both, as it goes on behind the one in front; that one stands
    lower and covers it in part. Only where no third thing lies there.
    """
    result = list(boxes)
    done: set[int] = set()
    for front, back in _depth_pairs(items):
        f, b = cell_of[front], cell_of[back]
        if f in done or b in done or f == b:
            continue
        union = _union(boxes[f], boxes[b])
        others = [box for i, box in enumerate(boxes) if i not in (f, b)]
        if any(_overlap(union, other) > EPS for other in others):
            continue
        done |= {f, b}
        result[b] = union
        x0, y0, x1, y1 = boxes[f]
        margin = (1 - _FRONT_WIDTH) / 2 * (x1 - x0)
        beside = abs(center(boxes[f])[1] - center(boxes[b])[1]) < EPS
        if beside:  # they stand in one row: the front one reaches over
            toward = 1 if center(boxes[b])[0] > center(boxes[f])[0] else -1
            reach = _FRONT_RISE * (x1 - x0)
            x0, x1 = (x0, x1 + reach) if toward > 0 else (x0 - reach, x1)
            y0 += _FRONT_RISE * (y1 - y0)
        else:
            rise = _FRONT_RISE * (y1 - y0)
            x0, x1 = x0 + margin, x1 - margin
            y0 = max(union[1], y0 - rise) if center(boxes[f])[1] > center(boxes[b])[1] else y0
        result[f] = _rounded(x0, y0, x1, y1)
    return result


def divided(box: Box, copies: int, aspect: float | None) -> list[Box]:
    """A box cut into so many equal ones, as square as they get on the canvas."""
    if copies < 2:
        return [box]
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0

    def misfit(columns: int) -> float:
        rows = math.ceil(copies / columns)
        shape = width * (aspect or 1.0) / columns / (height / rows)
        return abs(math.log(shape)) + _GAP * (rows * columns - copies)

    columns = min(range(1, copies + 1), key=misfit)
    full, rest = divmod(copies, columns)
    counts = (columns,) * full + ((rest,) if rest else ())
    return [
        _rounded(x0 + a * width, y0 + b * height, x0 + c * width, y0 + d * height)
        for a, b, c, d in row_cells(counts)
    ]


def reason(index: int, items: Sequence[Item], size: Size, names: Sequence[str], copies: int) -> str:
    """Why a thing lies where it does, in words.

    Args:
        index: of the thing in `items`.
        items: what was said of each.
        size: how large it is.
        names: of all items, for its relations.
        copies: how many of it share the place.
    """
    item = items[index]
    parts = []
    if item.place is not None and item.place.words:
        parts.append(f'said to be "{item.place.words}"')
    for link in item.links:
        others = " and ".join(f'"{names[anchor]}"' for anchor in link.anchors)
        parts.append(f"{_words(link.kind)} {others}")
    if not parts:
        for other, name in zip(items, names, strict=True):
            links = [link for link in other.links if index in link.anchors]
            kinds: list[RelationKind] = [RELATIONS[link.kind].inverse for link in links]
            parts += [f'{_words(kind)} "{name}"' for kind in kinds]
        parts = parts[:3]
    if not parts and item.pinned and item.usual_y is not None:
        parts.append(f"usually at the {'top' if item.usual_y < 0.5 else 'bottom'}")
    if size.width * size.height < 0.95:
        parts.append("small")
    elif size.width * size.height > 1.05:
        flat, thin = size.height < 0.95, size.width < 0.95
        parts.append("wide" if flat else "tall" if thin else "large")
    if copies > 1:
        parts.append(f"one of {copies}")
    return "; ".join(parts) or "no position was said: even cells in the order of the text"


def _words(kind: RelationKind) -> str:
    return kind.replace("_", " ")


def _depth_pairs(items: Sequence[Item]) -> list[tuple[int, int]]:
    pairs = []
    for index, item in enumerate(items):
        for link in item.links:
            depth = RELATIONS[link.kind].depth
            if depth and len(link.anchors) == 1:
                other = link.anchors[0]
                pairs.append((index, other) if depth > 0 else (other, index))
    near, far = _only_at_depth(items, 1), _only_at_depth(items, -1)
    if len(near) == 1 and len(far) == 1:
        pairs.append((near[0], far[0]))
    return pairs


def _only_at_depth(items: Sequence[Item], depth: int) -> list[int]:
    """Things that are said to be in the foreground or background, and nowhere on the canvas."""
    places = [(index, item.place) for index, item in enumerate(items) if item.place]
    return [index for index, place in places if place.depth == depth and not place.on_canvas]


def _shares(factors: Sequence[float]) -> list[float]:
    total = sum(factors)
    least = _MIN_SHARE / len(factors)
    shares = [max(factor / total, least) for factor in factors]
    return [share / sum(shares) for share in shares]


def _union(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def _rounded(x0: float, y0: float, x1: float, y1: float) -> Box:
    """Within the canvas, and equal edges really equal."""
    left, top, right, bottom = (round(min(max(edge, 0.0), 1.0), 6) for edge in (x0, y0, x1, y1))
    return left, top, right, bottom

"""Putting phrases into cells of the canvas: which cell fits which position word.

Cells are boxes (x0, y0, x1, y1) in fractions of the canvas. Costs are in canvas widths: 0.5 is a
phrase that lies half a canvas from where it was said to be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..plan import Box
from .assignment import minimal_assignment
from .cells import EPS, center, reading_order, rows_and_columns
from .relations import RELATIONS, RelationKind
from .scene import Place

_WEAK = 0.05  # a usual place (the sky is up) against a stated one
_DEPTH = 0.3  # "in the background" against "at the top"
_ORDER = 1e-3  # reading order, between cells that fit equally well
_NEAR = 0.3  # related things that lie apart
_MAX_TRIED = 720  # arrangements of related items that are all tried


@dataclass(frozen=True, slots=True)
class Link:
    """A relation between items, by index."""

    kind: RelationKind
    anchors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """What is to be placed.

    Attributes:
        place: where it is said to be, or None.
        usual_y: where such a thing usually is (0 top, 1 bottom), or None.
        pinned: whether `usual_y` alone is reason enough to choose a cell (sky, ground).
        links: relations to other items.
        wide: whether it reaches across the picture (sky, wall, sea).
    """

    place: Place | None = None
    usual_y: float | None = None
    pinned: bool = False
    links: tuple[Link, ...] = ()
    wide: bool = False


def assign(items: Sequence[Item], cells: Sequence[Box], max_tried: int = _MAX_TRIED) -> list[int]:
    """The cell index of each item: stated positions first, then the rest in reading order.

    Needs at least as many cells as items. Minimal total cost over the placed items (Hungarian
    algorithm); then the items that relations speak of are rearranged as long as that helps.
    """
    order = reading_order(cells)
    rank = {cell: position for position, cell in enumerate(order)}
    costs = _place_costs(items, cells)
    placed = [i for i, item in enumerate(items) if _is_placed(item)]
    chosen = minimal_assignment(
        [
            [costs[i][c] + _ORDER * ((rank[c] - i) / len(cells)) ** 2 for c in range(len(cells))]
            for i in placed
        ]
    )
    result = [-1] * len(items)
    for item, cell in zip(placed, chosen, strict=True):
        result[item] = cell
    free = iter(cell for cell in order if cell not in set(chosen))
    for item in range(len(items)):
        if result[item] < 0:
            result[item] = next(free)
    if any(item.links for item in items):
        result = _rearrange(items, cells, costs, result, max_tried)
    return result


def total_cost(items: Sequence[Item], cells: Sequence[Box], result: Sequence[int]) -> float:
    """How far an assignment is from what was said, without the tie-breaks."""
    return _cost(items, cells, _place_costs(items, cells), result)


def _place_costs(items: Sequence[Item], cells: Sequence[Box]) -> list[list[float]]:
    rows, columns = rows_and_columns(cells)
    return [
        [place_cost(item, cell, rows[c], columns[c]) for c, cell in enumerate(cells)]
        for item in items
    ]


def _cost(
    items: Sequence[Item],
    cells: Sequence[Box],
    costs: list[list[float]],
    result: Sequence[int],
    known: dict[tuple[Any, ...], float] | None = None,
    limit: float = math.inf,
) -> float:
    """Cost of an assignment, or more than `limit`; `known` keeps those of relations."""
    known = {} if known is None else known
    cost = 0.0
    for index, item in enumerate(items):
        if cost > limit:
            break
        cost += costs[index][result[index]]
        for link in item.links:
            key = (link.kind, result[index], *[result[anchor] for anchor in link.anchors])
            value = known.get(key)
            if value is None:
                anchors = [cells[cell] for cell in key[2:]]
                value = known[key] = link_cost(link.kind, cells[key[1]], anchors)
            cost += value
    return cost


def place_cost(item: Item, cell: Box, row: tuple[int, int], column: tuple[int, int]) -> float:
    """Cost of an item in a cell; `row` and `column` are (index, how many)."""
    x, y = center(cell)
    cost = 0.0
    place = item.place
    if place is not None:
        cost += _axis_cost(place.x, x) + _axis_cost(place.y, y)
        cost += _index_cost(place.row, row) + _index_cost(place.column, column)
        if place.depth and place.y is None:
            cost += _DEPTH * abs(y - (0.0 if place.depth < 0 else 1.0))
    if item.usual_y is not None and (place is None or (place.y is None and place.row is None)):
        cost += _WEAK * abs(y - item.usual_y)
    return cost


def is_satisfied(place: Place, cell: Box, cells: Sequence[Box]) -> bool:
    """Whether a cell really lies where the place says."""
    index = list(cells).index(cell)
    rows, columns = rows_and_columns(cells)
    for target, value in zip((place.x, place.y), center(cell), strict=True):
        if target is None:
            continue
        if target == 0.5 and abs(value - 0.5) > 0.17:
            return False
        if target < 0.5 and value > 0.5 - EPS:
            return False
        if target > 0.5 and value < 0.5 + EPS:
            return False
    return (
        _index_cost(place.row, rows[index]) == 0 and _index_cost(place.column, columns[index]) == 0
    )


def link_cost(kind: RelationKind, cell: Box, anchors: Sequence[Box]) -> float:
    """0 or little if the relation holds between the cells, above 1 if it does not."""
    x, y = center(cell)
    points = [center(anchor) for anchor in anchors]
    ax = sum(point[0] for point in points) / len(points)
    ay = sum(point[1] for point in points) / len(points)
    distance = abs(x - ax) + abs(y - ay)
    near = _NEAR * distance
    direction = RELATIONS[kind]
    if direction.dx:
        aside = _outside(y, anchors, 1)
        holds = direction.dx * (x - ax) > EPS
        return _NEAR * _gap(cell, anchors, 0) + 0.8 * aside + (0 if holds else 1)
    if direction.dy:
        aside = _outside(x, anchors, 0)
        holds = direction.dy * (y - ay) > EPS
        return _NEAR * _gap(cell, anchors, 1) + 0.8 * aside + (0 if holds else 1)
    if direction.depth:  # what is nearer stands lower
        return near + _DEPTH * (0 if direction.depth * (y - ay) > EPS else 1)
    if kind == "between":
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        inside = min(xs) - EPS <= x <= max(xs) + EPS and min(ys) - EPS <= y <= max(ys) + EPS
        return 2 * distance + (0 if inside and len(set(points)) > 1 else 1)
    return 2 * near


def _gap(cell: Box, boxes: Sequence[Box], axis: int) -> float:
    """Room between a cell and what the boxes cover on an axis."""
    low = min(box[axis] for box in boxes)
    high = max(box[axis + 2] for box in boxes)
    return max(low - cell[axis + 2], cell[axis] - high, 0.0)


def _outside(value: float, boxes: Sequence[Box], axis: int) -> float:
    """How far a position lies from what the boxes cover on an axis."""
    low = min(box[axis] for box in boxes)
    high = max(box[axis + 2] for box in boxes)
    if high - low < 1 - EPS:  # a cell among others: its middle counts
        return abs(value - (low + high) / 2)
    return max(low - value, value - high, 0.0)


def _rearrange(
    items: Sequence[Item],
    cells: Sequence[Box],
    costs: list[list[float]],
    result: list[int],
    max_tried: int,
) -> list[int]:
    """Give the related items the cells that serve all relations best.

    All arrangements are tried where they are few, else single moves and swaps while they help.
    """
    involved = sorted(
        {i for i, item in enumerate(items) if item.links}
        | {a for item in items for link in item.links for a in link.anchors}
    )
    known: dict[tuple[Any, ...], float] = {}
    best, best_cost = result, _cost(items, cells, costs, result, known) - EPS
    if math.perm(len(cells), len(involved)) <= max_tried:
        order = reading_order(cells)
        others = [item for item in range(len(items)) if item not in involved]
        others.sort(key=lambda item: order.index(result[item]))
        for chosen in itertools.permutations(order, len(involved)):
            trial = list(result)
            for item, cell in zip(involved, chosen, strict=True):
                trial[item] = cell
            taken = set(chosen)
            kept = {item for item in others if result[item] not in taken}
            taken |= {result[item] for item in kept}
            free = iter(cell for cell in order if cell not in taken)
            for item in others:
                if item not in kept:
                    trial[item] = next(free)
            cost = _cost(items, cells, costs, trial, known, best_cost)
            if cost < best_cost:
                best, best_cost = trial, cost - EPS
        return best
    for _ in range(len(items) + 2):
        before = best
        for item, cell in itertools.product(involved, range(len(cells))):
            trial = list(before)
            if cell in trial:
                trial[trial.index(cell)] = before[item]
            trial[item] = cell
            cost = _cost(items, cells, costs, trial, known, best_cost)
            if cost < best_cost:
                best, best_cost = trial, cost - EPS
        if best is before:
            break
    return best


def _is_placed(item: Item) -> bool:
    return item.pinned or (
        item.place is not None and (item.place.on_canvas or item.place.depth != 0)
    )


def _axis_cost(target: float | None, value: float) -> float:
    """A cell in the half that was named is right; the farther out, the better still."""
    if target is None:
        return 0.0
    distance = abs(value - target)
    return distance if target == 0.5 else 0.1 * distance + max(0.0, distance - 0.25)


def _index_cost(wanted: int | None, actual: tuple[int, int]) -> float:
    if wanted is None:
        return 0.0
    index, count = actual
    return abs((wanted if wanted >= 0 else count + wanted) - index) / max(count, 1)

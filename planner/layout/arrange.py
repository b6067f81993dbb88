"""Choosing the rows of cells in which everything that was said fits best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..plan import Box
from .cells import grid_counts, row_cells
from .placement import Item, assign, total_cost
from .relations import RELATIONS

_WIDE = 0.4  # a sky in half the width, against the arrangement that is preferred
_UPRIGHT = 0.75  # aspect below which a few things stand one above the other
_MAX_TRIED_EACH = 60  # arrangements of related items that are all tried in each layout
_ALL_ROWS = 4  # up to this many regions every arrangement into rows is tried,
_SEARCHED_ROWS = 6  # and up to this many those whose rows differ by no more than
_EVEN = 1
_LINKED_ROWS = 3  # more rows than that only where the relations ask for them


def propose_cells(items: Sequence[Item], n: int, aspect: float | None = None) -> tuple[Box, ...]:
    """The arrangement of n cells into rows that fits the items' positions and the canvas best.

    Args:
        items: what is to be placed.
        n: number of cells, at least as many as items.
        aspect: width / height of the canvas, None: square.
    """
    grid = grid_counts(n, aspect or 1.0)
    candidates: list[tuple[int, ...]] = [(n,), grid, (1,) * n]
    if n <= _SEARCHED_ROWS:
        linked = n > _ALL_ROWS and any(item.links for item in items)  # `layers` finds theirs
        for rows in range(2, min(n, _LINKED_ROWS + 1) if linked else n):
            for cuts in itertools.combinations(range(1, n), rows - 1):
                edges = (0, *cuts, n)
                rows_of = tuple(b - a for a, b in itertools.pairwise(edges))
                if n <= _ALL_ROWS or max(rows_of) - min(rows_of) <= _EVEN:
                    candidates.append(rows_of)
    upright = aspect is not None and aspect < _UPRIGHT
    preferred = grid if n > 3 else (1,) * n if upright else (n,)

    candidates += [layers(items, n), _wide_rows(items, n, aspect)]
    if len({item.usual_y for item in items}) < 2 and not any(map(_says_something, items)):
        return row_cells(preferred)

    def bias(counts: tuple[int, ...]) -> float:
        uneven = max(counts) - min(counts)
        return 0.0 if counts == preferred else 0.06 + 0.01 * uneven + 0.02 * len(counts)

    def cost(cells: Sequence[Box]) -> float:
        chosen = assign(items, cells, _MAX_TRIED_EACH)
        widths = [cells[c][2] - cells[c][0] for c in chosen]
        narrow = sum(1 - w for w, item in zip(widths, items, strict=True) if item.wide)
        return total_cost(items, cells, chosen) + _WIDE * narrow

    # The plainest first: what costs more by its shape alone than the best so far is not tried.
    order = {counts: k for k, counts in reversed(list(enumerate(candidates)))}
    best, least = row_cells(preferred), math.inf
    for counts in sorted(order, key=lambda counts: (bias(counts), order[counts])):
        if bias(counts) >= least:
            break
        cells = row_cells(counts)
        total = cost(cells) + bias(counts)
        if total < least:
            best, least = cells, total
    return best


def layers(items: Sequence[Item], n: int) -> tuple[int, ...]:
    """Cells per row if each thing stands in a row below those that lie above or behind it.

    Args:
        items: with relations to each other.
        n: number of cells; those without an item go into the first row.
    """
    level = [0] * len(items)
    for _ in items:  # longest paths; a circle of relations ends with the loop
        before = list(level)
        for index, item in enumerate(items):
            for link in item.links:
                direction = RELATIONS[link.kind]
                down = direction.dy or direction.depth
                for anchor in link.anchors if down else ():
                    low, high = (index, anchor) if down > 0 else (anchor, index)
                    level[low] = min(max(level[low], level[high] + 1), len(items) - 1)
        if level == before:
            break
    used = sorted(set(level)) or [0]
    counts = [level.count(k) for k in used]
    counts[0] += n - len(items)
    return tuple(counts)


def _wide_rows(items: Sequence[Item], n: int, aspect: float | None) -> tuple[int, ...]:
    """Cells per row with a row for each wide thing, and a grid for the others."""
    wide = [item for item in items if item.wide]
    low = sum(item.usual_y == 1.0 for item in wide)
    high = len(wide) - low
    rest = n - len(wide)
    height = max(1, rest) / max(1, n)
    grid = grid_counts(rest, (aspect or 1.0) / height) if rest else ()
    return (1,) * high + grid + (1,) * low


def _says_something(item: Item) -> bool:
    return bool(item.place or item.links or item.wide or item.pinned)

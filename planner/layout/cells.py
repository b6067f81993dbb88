"""Cells of the canvas: boxes (x0, y0, x1, y1) in fractions of it, in rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..plan import Box

Split = Literal["W", "H", "grid"]

EPS = 1e-6


def center(cell: Box) -> tuple[float, float]:
    """The middle of a cell as (x, y)."""
    return (cell[0] + cell[2]) / 2, (cell[1] + cell[3]) / 2


def row_cells(counts: Sequence[int]) -> tuple[Box, ...]:
    """Rows of equal height, row k divided into `counts[k]` equal cells, in reading order."""
    rows = len(counts)
    return tuple(
        (column / n, row / rows, (column + 1) / n, (row + 1) / rows)
        for row, n in enumerate(counts)
        for column in range(n)
    )


def grid_counts(n: int, aspect: float = 1.0) -> tuple[int, ...]:
    """Cells per row of the grid of n cells that are squarest on a canvas of this aspect.

    The last row may be shorter.
    """
    columns = min(max(1, math.ceil(math.sqrt(n * aspect) - EPS)), n)
    full, rest = divmod(n, columns)
    return (columns,) * full + ((rest,) if rest else ())


def split_cells(n: int, split: Split) -> tuple[Box, ...]:
    """N equal cells along the width ("W"), the height ("H") or as a grid."""
    return row_cells({"W": (n,), "H": (1,) * n, "grid": grid_counts(n)}[split])


def reading_order(cells: Sequence[Box]) -> list[int]:
    """Indices of the cells row by row from the top, each row from the left."""
    remaining = sorted(range(len(cells)), key=lambda i: (center(cells[i])[1], i))
    order: list[int] = []
    while remaining:
        first = cells[remaining[0]]
        limit = center(first)[1] + (first[3] - first[1]) / 2 - EPS
        row = [i for i in remaining if center(cells[i])[1] < limit] or remaining[:1]
        order += sorted(row, key=lambda i: (center(cells[i])[0], i))
        remaining = [i for i in remaining if i not in row]
    return order


def rows_and_columns(
    cells: Sequence[Box],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Per cell its (row index, number of rows) and (column index, number of columns)."""
    ys = sorted({round(center(cell)[1], 4) for cell in cells})
    rows = [(ys.index(round(center(cell)[1], 4)), len(ys)) for cell in cells]
    columns = []
    for index, cell in enumerate(cells):
        same_row = sorted(
            center(other)[0] for k, other in enumerate(cells) if rows[k] == rows[index]
        )
        columns.append((same_row.index(center(cell)[0]), len(same_row)))
    return rows, columns

"""Plots of a report, as PNG. matplotlib only; each plot is declared in the sweep file.

    {"kind": "line", "x": AXIS, "y": [COLUMN or {"column": C, "label": L} ...], "by": AXIS}
    {"kind": "bar",    ... the same, for axes whose points have no order}
    {"kind": "matrix", "y": COLUMN of JSON matrices, "by": AXIS}

All take "title", "note" (a sentence below), "y_title" and "y_range" too. Means over all other axes
are shown with 95 % intervals.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError
from ..sweep.plots import KINDS
from .data import AxisInfo, Mean, SweepData, is_number, mean, mean_matrix, select

# Okabe and Ito's colours, which people with colour blindness can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_INK, _GRID, _DPI = "#222222", "#DDDDDD", 144
_MOST_MATRICES = 10


def default_plots(data: SweepData) -> list[dict[str, Any]]:
    """A plot of each number against each axis, where the sweep declares none."""
    kinds = {True: "line", False: "bar"}
    return [
        {"kind": kinds[all(map(is_number, axis.labels))], "x": axis.name, "y": [column]}
        for axis in data.varied()
        for column in data.numeric()
    ]


def draw(data: SweepData, plot: Mapping[str, Any]) -> bytes:
    """One plot as PNG.

    Raises:
        UsageError: it names an axis or column that the sweep lacks.
    """
    kind = plot.get("kind", "line")
    if kind not in KINDS:
        raise UsageError(f"A plot is of kind {kind!r}; expected one of: {', '.join(KINDS)}.")
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # a "$" in a label is a "$"
        return _draw_matrices(data, plot) if kind == "matrix" else _draw_means(data, plot, kind)


def _columns(data: SweepData, plot: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(column, label) of all that is drawn."""
    wanted = plot.get("y")
    entries = wanted if isinstance(wanted, list) else [wanted]
    found = [
        (str(e["column"]), str(e.get("label", e["column"])))
        if isinstance(e, dict)
        else (str(e), str(e))
        for e in entries
    ]
    for column, _ in found:
        if column not in data.columns:
            known = ", ".join(data.columns) or "none"
            raise UsageError(f"A plot names the column {column!r}; the sweep collects: {known}.")
    return found


def _series(data: SweepData, plot: Mapping[str, Any], x: AxisInfo) -> dict[str, list[Mean | None]]:
    """Means along x, by the label in the legend."""
    by = data.axis(plot["by"]) if plot.get("by") else None
    columns = _columns(data, plot)
    series = {}
    for column, label in columns:
        for split in by.labels if by else (None,):
            fixed = {by.name: split} if by else {}
            name = label if by is None else f"{by.title} {split}"
            name = f"{label}, {name}" if by and len(columns) > 1 else name
            series[name] = [
                mean([r[column] for r in select(data.rows, **{x.name: at}, **fixed)])
                for at in x.labels
            ]
    return series


def _draw_means(data: SweepData, plot: Mapping[str, Any], kind: str) -> bytes:
    from matplotlib.figure import Figure

    x = data.axis(str(plot.get("x")))
    series = _series(data, plot, x)
    width = 5.6 if kind == "line" else 1.4 + 0.34 * len(x.labels) * (len(series) + 0.7)
    size = (min(max(width, 5.6), 12), 3.6)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    numeric = kind == "line" and all(is_number(at) and abs(at) < 1e300 for at in x.labels)
    places = list(x.labels) if numeric else list(range(len(x.labels)))
    bar = 0.8 / max(len(series), 1)
    for number, (name, means) in enumerate(series.items()):
        color = COLORS[number % len(COLORS)]
        known = [
            (place, m)
            for place, m in zip(places, means, strict=True)
            if m is not None and math.isfinite(m.value)
        ]
        at, middle = [p for p, _ in known], [m.value for _, m in known]
        half = [m.half_width for _, m in known]
        if kind == "line":
            axes.plot(at, middle, "o-", color=color, label=name, lw=2, ms=5)
            low = [m - h for m, h in zip(middle, half, strict=True)]
            high = [m + h for m, h in zip(middle, half, strict=True)]
            axes.fill_between(at, low, high, color=color, alpha=0.15, lw=0)
        else:
            shift = (number - (len(series) - 1) / 2) * bar
            spots = [p + shift for p in at]
            axes.bar(spots, middle, bar * 0.92, color=color, label=name)
            if any(half):
                axes.errorbar(spots, middle, half, fmt="none", ecolor=_INK, elinewidth=1, capsize=2)
    labels = [str(label) for label in x.labels]
    long = not numeric and sum(map(len, labels)) > 70
    axes.set_xticks(places, labels, rotation=30 if long else 0, ha="right" if long else "center")
    _dress(axes, x.title, str(plot.get("y_title") or ", ".join(c for c, _ in _columns(data, plot))))
    if plot.get("y_range"):
        axes.set_ylim(*plot["y_range"])
    if len(series) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9,
            borderaxespad=0.2,
        )  # fmt: skip
    return _png(figure)


def _dress(axes: Any, x_title: str, y_title: str) -> None:
    axes.set_xlabel(x_title, color=_INK)
    axes.set_ylabel(y_title, color=_INK)
    axes.grid(axis="y", color=_GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)


def _draw_matrices(data: SweepData, plot: Mapping[str, Any]) -> bytes:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    columns = _columns(data, plot)
    by = data.axis(plot["by"]) if plot.get("by") else None
    panels: list[tuple[str, list[list[float]]]] = []
    for column, label in columns:
        for split in by.labels if by else (None,):
            rows = select(data.rows, **({by.name: split} if by else {}))
            matrix = mean_matrix([row.get(column) for row in rows])
            if matrix is not None:
                parts = [label] if len(columns) > 1 or by is None else []
                parts += [f"{by.title}: {split}"] if by else []
                panels.append(("\n".join(parts), matrix))
    if not panels:
        raise UsageError(f"A plot names the column {columns[0][0]!r}, which holds no matrix yet.")
    panels = panels[:_MOST_MATRICES]
    across = min(len(panels), 5)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(0.9 + 2.1 * across, 2.5 * down), dpi=_DPI, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, matrix) in zip(grid.flat, panels, strict=False):
        axes.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
        axes.set_title(title, fontsize=9, color=_INK)
        _number_cells(axes, matrix)
        axes.set_xlabel("prompt", fontsize=8)
        axes.set_ylabel("region", fontsize=8)
    scale = ScalarMappable(Normalize(0, 1), "Blues")
    figure.colorbar(scale, ax=grid, shrink=0.8, label="share")
    return _png(figure)


def _number_cells(axes: Any, matrix: Sequence[Sequence[float]]) -> None:
    axes.set_xticks(range(len(matrix[0])), [str(j + 1) for j in range(len(matrix[0]))], fontsize=8)
    axes.set_yticks(range(len(matrix)), [str(i + 1) for i in range(len(matrix))], fontsize=8)
    size = 9 if len(matrix) <= 4 else 6
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            ink = "white" if value > 0.55 else _INK
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=size)


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()

"""The plots that a sweep file declares, checked before its jobs run; see ``report.plots``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import UsageError

KINDS = ("line", "bar", "matrix")
_KEYS = {"kind", "x", "y", "by", "title", "note", "y_title", "y_range"}
_TEXTS = ("kind", "x", "by", "title", "note", "y_title")


def check_plots(
    plots: Any, axes: Collection[str], columns: Collection[str], where: str
) -> tuple[Mapping[str, Any], ...]:
    """The entries of ``plots``, all of which can be drawn once there are results.

    Args:
        plots: as declared.
        axes: names of the sweep's axes.
        columns: that are collected.
        where: for the messages.

    Raises:
        UsageError: names the plot, what it got and what was expected.
    """
    if not isinstance(plots, list) or not all(isinstance(plot, dict) for plot in plots):
        raise UsageError(f"{where}: 'plots' must be a list of objects.")
    for number, plot in enumerate(plots, start=1):
        _check_plot(plot, axes, columns, f"{where}, plot {number}")
    return tuple(plots)


def _check_plot(
    plot: Mapping[str, Any], axes: Collection[str], columns: Collection[str], where: str
) -> None:
    unknown = sorted(set(plot) - _KEYS)
    if unknown:
        raise UsageError(
            f"{where}: unknown: {', '.join(unknown)}. A plot can have: {', '.join(sorted(_KEYS))}."
        )
    for key in _TEXTS:
        if not isinstance(plot.get(key, ""), str):
            raise UsageError(f"{where}: {key!r} must be a text.")
    kind = plot.get("kind", "line")
    if kind not in KINDS:
        raise UsageError(f"{where}: the kind is {kind!r}; expected one of: {', '.join(KINDS)}.")
    named = {"by": plot.get("by") or None, "x": None if kind == "matrix" else plot.get("x", "")}
    for key, axis in named.items():
        if axis is not None and axis not in axes:
            raise UsageError(
                f"{where}: {key!r} is {axis!r}; expected one of the axes: {', '.join(axes)}."
            )
    for column in _columns(plot.get("y"), where):
        if column not in columns:
            raise UsageError(
                f"{where}: 'y' names the column {column!r}; the sweep collects: "
                f"{', '.join(columns) or 'none'}."
            )
    _check_range(plot.get("y_range"), where)


def _columns(wanted: Any, where: str) -> list[str]:
    entries = wanted if isinstance(wanted, list) else [wanted]
    names = [entry.get("column") if isinstance(entry, dict) else entry for entry in entries]
    labels = [entry.get("label", "") for entry in entries if isinstance(entry, dict)]
    if not names or not all(isinstance(text, str) for text in (*names, *labels)):
        raise UsageError(
            f"{where}: 'y' must name a column, or be a list of columns or of objects with 'column' "
            "and 'label', which are texts."
        )
    return [str(name) for name in names]


def _check_range(limits: Any, where: str) -> None:
    if limits is None:
        return
    numbers = limits if isinstance(limits, list) else []
    finite = [n for n in numbers if isinstance(n, (int, float)) and abs(n) < 1e300]
    if len(numbers) != 2 or len(finite) != 2 or not finite[0] < finite[1]:
        raise UsageError(f"{where}: 'y_range' must be two numbers, the lower one first.")

"""Differences between methods on the same scenes: tighter than intervals of single methods.

Every method meets the same scenes with the same noise, so the difference is taken scene by scene:
share of regions with the right object under the default rule, less that under the other method. Its
95 % interval is mean +- 1.96 standard errors over scenes. The last column is the mean of the
layouts, each counting alike.
"""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from statistics import fmean, variance
from typing import Any

from semantic_methods import LABELS
from semantic_scenes import LAYOUTS

QUANTILE = 1.96
ALL = "all layouts"


def differences(rows: list[dict[str, Any]], default: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Method -> layout -> mean difference, its interval and the scenes that both have.

    Layouts with a single region are left out: there all methods do the same.
    """
    shares: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in rows:
        shares[row["method"], row["layout"]][row["scene"]] = fmean(row["object"])
    layouts = [name for name, layout in LAYOUTS.items() if layout.n > 1]
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for method in dict.fromkeys(row["method"] for row in rows if row["method"] != default):
        parts = []
        for layout in layouts:
            ours, theirs = shares.get((default, layout), {}), shares.get((method, layout), {})
            per_scene = [ours[scene] - theirs[scene] for scene in ours.keys() & theirs.keys()]
            if len(per_scene) < 2:
                continue
            mean, squared_error = fmean(per_scene), variance(per_scene) / len(per_scene)
            parts.append((mean, squared_error))
            found[method][layout] = _interval(mean, squared_error, len(per_scene))
        if len(parts) > 1:
            mean = fmean(m for m, _ in parts)
            spread = sum(v for _, v in parts) / len(parts) ** 2
            total = sum(cell["scenes"] for cell in found[method].values())
            found[method][ALL] = _interval(mean, spread, total)
    return dict(found)


def _interval(mean: float, squared_error: float, scenes: int) -> dict[str, Any]:
    reach = QUANTILE * sqrt(squared_error)
    return {
        "difference": round(mean, 4),
        "interval": [round(mean - reach, 4), round(mean + reach, 4)],
        "scenes": scenes,
    }


def markdown(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Points by which the default leads; a method is behind where the interval is above zero."""
    columns = [name for name in (*LAYOUTS, ALL) if any(name in cells for cells in found.values())]
    lines = [f"| the default leads | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for method in sorted(found, key=list(LABELS).index):
        shown = [_points(found[method].get(column)) for column in columns]
        lines.append(f"| {LABELS[method]} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _points(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    low, high = (100 * edge for edge in cell["interval"])
    return f"{100 * cell['difference']:+.0f} ({low:+.0f} to {high:+.0f})"

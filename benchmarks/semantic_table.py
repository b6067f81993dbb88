"""Summary of the semantic benchmark's results: shares, intervals, cost, and the README's table.

Measures, all with Wilson's 95 % intervals:

object      regions with the right object: colour and shape, its centre and most of its area inside
colour      regions in which the right colour covers more than half of all that is drawn
foreign     regions with another region's or an unasked-for object centred in them
background  pictures whose background is right in every region and, where canvas is left over, that
            leave at least 90 % of it empty
whole       pictures with the right object in every region
leak        mean share of foreign colours among the drawn pixels of a region (no interval)
seam        mean seam score (``evaluation/seam.py``): 1 = borders between regions are not visible
cost        processor time of a picture, as a multiple of the merged prompt's

Regions of one picture are not independent, so the intervals of the first three count them with the
design effect of the clusters (Kish 1965, estimated per cell, at least 1).
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import semantic_paired
from semantic_methods import LABELS, REFERENCES
from semantic_scenes import LAYOUTS

PER_REGION = ("object", "colour", "foreign")


def require_same_settings(path: Path, settings: dict[str, Any]) -> None:
    """Raise if the results beside ``path`` were made with other sampler settings."""
    if not path.is_file():
        return
    before = json.loads(path.read_text(encoding="utf-8"))["settings"]
    if before != settings:
        raise SystemExit(
            f"{path} holds results with {before}, you asked for {settings}. Give another --name."
        )


def clustered_share(clusters: list[list[int]]) -> dict[str, Any]:
    """Share of ones over all clusters (pictures) of equal size, with an interval."""
    from regional_dit.demo_model.score import wilson_interval

    size, count = len(clusters[0]), len(clusters)
    total = size * count
    share = sum(map(sum, clusters)) / total
    effect = 1.0
    if size > 1 and count > 1 and 0 < share < 1:
        between = sum((fmean(c) - share) ** 2 for c in clusters) / (count - 1)
        effect = max(1.0, between / (share * (1 - share) / size))
    n = total / effect
    low, high = wilson_interval(share * n, n)  # type: ignore[arg-type]
    return {"share": round(share, 4), "interval": [round(low, 4), round(high, 4)], "n": total}


def relative_costs(seconds: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Cost of each method by layout, as a multiple of the merged prompt's.

    Args:
        seconds: layout -> method -> processor seconds of several rounds; the least of them counts,
            because other programs can only add to it.
    """
    costs: dict[str, dict[str, float]] = {}
    for layout, methods in seconds.items():
        base = min(methods["merged"])
        costs[layout] = {name: round(min(s) / base, 2) for name, s in methods.items()}
    return costs


def summarise(
    rows: list[dict[str, Any]],
    settings: dict[str, Any],
    costs: dict[str, dict[str, float]] | None = None,
) -> dict[str, Any]:
    """Cells by layout and method; ``costs`` as ``relative_costs`` gives them."""
    costs = costs or {}
    by_cell: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        by_cell[row["layout"], row["method"]][row["scene"]] = row
    cells = []
    for (layout, method), scenes in by_cell.items():
        results = list(scenes.values())
        cell: dict[str, Any] = {"layout": layout, "method": method, "scenes": len(results)}
        for measure in PER_REGION:
            cell[measure] = clustered_share([r[measure] for r in results])
        cell["background"] = clustered_share([[r["background"]] for r in results])
        cell["whole"] = clustered_share([[int(all(r["object"]))] for r in results])
        cell["leak"] = round(fmean(x for r in results for x in r["leak"]), 4)
        seams = [r["seam"] for r in results if "seam" in r]
        cell["seam"] = round(fmean(seams), 3) if seams else None
        cell["cost"] = costs.get(layout, {}).get(method)
        cells.append(cell)
    default = REFERENCES[settings.get("model", "hunyuan_dit")]
    order = {name: i for i, name in enumerate(LABELS)}
    cells.sort(key=lambda c: (list(LAYOUTS).index(c["layout"]), order.get(c["method"], 99)))
    return {
        "settings": settings,
        "default": default,
        "cells": cells,
        "differences": semantic_paired.differences(rows, default),
    }


def markdown(report: dict[str, Any]) -> str:
    """One table for all layouts, methods in the order of their groups."""
    lines = [
        "| layout | method | scenes | right object | right colour | foreign object | colour leak "
        "| background kept | whole picture | seam | cost |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in report["cells"]:
        shown = [_percent(cell[m]) for m in (*PER_REGION, "background", "whole")]
        seam = "" if cell["seam"] is None else f"{cell['seam']:.2f}"
        cost = "" if cell["cost"] is None else f"{cell['cost']:.2f} x"
        lines.append(
            f"| {cell['layout']} | {LABELS.get(cell['method'], cell['method'])} "
            f"| {cell['scenes']} | {shown[0]} | {shown[1]} | {shown[2]} | {cell['leak']:.0%} "
            f"| {shown[3]} | {shown[4]} | {seam} | {cost} |"
        )
    return "\n".join(lines)


def head(report: dict[str, Any]) -> str:
    """Title and settings above the tables in a file."""
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    return (
        "# Semantic benchmark of the demo model\n\n"
        f"{settings}. What the columns mean: `benchmarks/semantic_table.py`. In brackets: Wilson's "
        "95 % intervals in percent; n = scenes. First right objects by layout; then the points by "
        "which the default leads on the same scenes (`benchmarks/semantic_paired.py`), positive "
        "where the other is behind; then everything."
    )


def overview(report: dict[str, Any]) -> str:
    """One line per method: right objects by layout; over all layouts, leakage and cost."""
    by = {(c["method"], c["layout"]): c for c in report["cells"]}
    layouts = [name for name in LAYOUTS if any(key[1] == name for key in by)]
    methods = list(dict.fromkeys(c["method"] for c in report["cells"]))
    methods.sort(key=list(LABELS).index)
    lines = [
        f"| method | {' | '.join(layouts)} | foreign object | leak | cost |",
        f"|---|{'---|' * len(layouts)}---|---|---|",
    ]
    for method in methods:
        cells = [by.get((method, layout)) for layout in layouts]
        shown = ["" if c is None else f"{_percent(c['object'])}, n {c['scenes']}" for c in cells]
        known = [c for c in cells if c is not None and c["layout"] != "whole"]
        foreign = fmean(c["foreign"]["share"] for c in known) if known else 0.0
        leak = fmean(c["leak"] for c in known) if known else 0.0
        costs = [c["cost"] for c in known if c["cost"] is not None]
        cost = f"{min(costs):.2f} to {max(costs):.2f} x" if costs else ""
        cost = "1" if method == "merged" else cost
        lines.append(
            f"| {LABELS[method]} | {' | '.join(shown)} | {foreign:.0%} | {leak:.0%} | {cost} |"
        )
    return "\n".join(lines)


def _percent(value: dict[str, Any]) -> str:
    low, high = value["interval"]
    return f"{100 * value['share']:.0f} % ({100 * low:.0f} to {100 * high:.0f})"

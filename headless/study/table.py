"""The end of a study in a terminal: every rule, and how far it is from the default."""

from __future__ import annotations

from collections.abc import Sequence

from ..report.data import mean
from ..sweep.file import Job
from ..sweep.store import Store


def table(store: Store, jobs: Sequence[Job], against: str) -> str:
    """Markdown: per rule the mean of each number over all scenes and layouts; and in the first
    number the mean difference from the rule ``against`` on the same scenes, with its 95 % interval.
    """
    columns = list(jobs[0].collect)
    values: dict[str, dict[tuple[int, int], list[float]]] = {}
    for job in jobs:
        found = store.result(job)
        rule = values.setdefault(job.labels["rule"], {})
        if found is not None and not found.error:
            scene = (job.labels["regions"], job.labels["scene"])
            rule[scene] = [float(found.values[column]) for column in columns]
    rows = [["rule", *columns, f"{columns[0]}, from {against}", "pictures"]]
    for label, scenes in values.items():
        cells = [_cell([found[i] for found in scenes.values()]) for i in range(len(columns))]
        both = scenes.keys() & values[against].keys()
        lead = [scenes[s][0] - values[against][s][0] for s in both]
        rows.append([label, *cells, "" if label == against else _signed(lead), str(len(scenes))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def _cell(values: Sequence[float]) -> str:
    found = mean(values)
    return "" if found is None else f"{found.value:.3f} ± {found.half_width:.3f}"


def _signed(values: Sequence[float]) -> str:
    found = mean(values)
    return "" if found is None else f"{found.value:+.3f} ± {found.half_width:.3f}"

"""The numbers behind a report: rows of a sweep, grouped, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..errors import UsageError
from ..sweep.store import Store

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AxisInfo:
    """An axis as the sweep declared it."""

    name: str
    title: str
    labels: tuple[Any, ...]

    @property
    def is_repeat(self) -> bool:
        """Whether its points only repeat the measurement, such as seeds."""
        return self.name.lower() in ("seed", "scene", "repeat")


@dataclass(frozen=True, slots=True)
class SweepData:
    """All finished jobs of a sweep.

    Attributes:
        title, about, axes, columns, plots: as declared.
        rows: one per finished job: labels of all axes, collected values, "pictures" (title -> path)
            and "error".
    """

    title: str
    about: str
    axes: tuple[AxisInfo, ...]
    columns: tuple[str, ...]
    plots: tuple[Mapping[str, Any], ...]
    rows: tuple[Row, ...]

    def axis(self, name: str) -> AxisInfo:
        """An axis by its name.

        Raises:
            UsageError: there is none.
        """
        for axis in self.axes:
            if axis.name == name:
                return axis
        known = ", ".join(a.name for a in self.axes)
        raise UsageError(f"A plot names the axis {name!r}; the sweep has: {known}.")

    def varied(self) -> list[AxisInfo]:
        """Axes with more than one point that are no repeats."""
        return [a for a in self.axes if len(a.labels) > 1 and not a.is_repeat]

    def numeric(self) -> list[str]:
        """Collected columns that hold numbers."""
        good = [row for row in self.rows if not row["error"]]
        return [c for c in self.columns if good and all(is_number(r.get(c)) for r in good)]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % interval (normal approximation) over ``n`` jobs."""

    value: float
    half_width: float
    n: int


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def load(folder: Path) -> SweepData:
    """Read a sweep's folder.

    Raises:
        UsageError: it holds no sweep, or no finished job.
    """
    store = Store(folder)
    about = store.about()
    axes = tuple(AxisInfo(a["name"], a["title"], tuple(a["labels"])) for a in about["axes"])
    rows = _read_rows(store, folder / "results.csv", about)
    if not rows:
        raise UsageError(f"{folder} has no finished jobs yet; run the sweep first.")
    return SweepData(
        about["title"], about["about"], axes, tuple(about["collect"]), tuple(about["plots"]), rows
    )


def _read_rows(store: Store, table: Path, about: Mapping[str, Any]) -> tuple[Row, ...]:
    import csv

    if not table.is_file():
        raise UsageError(f"{table} is not there; start the sweep again to have it written.")
    labels = {a["name"]: {_written(x): x for x in a["labels"]} for a in about["axes"]}
    rows = []
    with table.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            result = json.loads((store.jobs / f"{line['job']}.json").read_text(encoding="utf-8"))
            point = {name: known.get(line[name], line[name]) for name, known in labels.items()}
            pictures = {title: store.pictures / n for n, title in result["pictures"].items()}
            rows.append(
                {**point, **result["values"], "pictures": pictures, "error": result["error"]}
            )
    return tuple(rows)


def _written(label: Any) -> str:
    """A label as the table holds it."""
    return "" if label is None else str(label)


def select(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """Rows without an error whose labels are the wanted ones."""
    return [r for r in rows if not r["error"] and all(r[k] == v for k, v in wanted.items())]


def mean(values: Sequence[Any]) -> Mean | None:
    """Mean and interval; None without values. NaN, which stands for not measured, is left out.

    Where one is infinite (the PSNR of equal pictures), so is the mean, without an interval.

    Raises:
        UsageError: a value is no number.
    """
    for value in values:
        if not isinstance(value, (int, float)):  # a boolean counts as 0 or 1
            raise UsageError(
                f"A plot names a column that holds {str(value)[:80]!r}; expected numbers. Name "
                "another one, or plot it with the kind 'matrix' if it holds matrices."
            )
    known = [v for v in values if not math.isnan(v)]
    if not known:
        return None
    finite = all(map(math.isfinite, known))
    spread = stdev(known) / math.sqrt(len(known)) * 1.96 if finite and len(known) > 1 else 0.0
    return Mean(fmean(known) if finite else sum(known), spread, len(known))


def mean_matrix(texts: Sequence[Any]) -> list[list[float]] | None:
    """Mean of matrices given as JSON texts; None without any.

    Raises:
        UsageError: they are no matrices of one size.
    """
    try:
        found = [json.loads(text) for text in texts if isinstance(text, str) and text]
        if not found:
            return None
        rows, cols = len(found[0]), len(found[0][0])
        return [[fmean(float(m[i][j]) for m in found) for j in range(cols)] for i in range(rows)]
    except (ValueError, TypeError, IndexError) as error:
        raise UsageError(
            f"A plot of kind 'matrix' found a value that is no matrix as JSON: {error}"
        ) from error

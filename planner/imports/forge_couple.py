"""forge-couple: one line per region, tiles side by side, or a mapping of its own.

Format of Haoming02/sd-forge-couple, its Basic and Advanced modes. The mapping is its table's rows
(``0:0.5 0:1 1``: x from and to, y from and to, weight) or the JSON of an infotext
(``[[x1, x2, y1, y2, weight], ...]``).
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import PlanError
from ..layout.cells import split_cells
from ..layout.place_words import WHOLE
from ..plan import MAX_WEIGHT, Box, Plan, RegionPlan, check_box
from ..schema import load_json
from .cleaned import require_parts, tidy, without_tags
from .settings import ImportSettings

_ROW = "expected x from:to, y from:to as shares of the picture and a weight, such as 0:0.5 0:1 1.0"
_COMMON = re.compile(r"\{\w+:[^{}]*\}")
_SEPARATED = re.compile(r"[\s,;:]+")


def plan_from_forge_couple(text: str, settings: ImportSettings) -> Plan:
    """Read the lines of a forge-couple prompt.

    A mapped row that covers the whole picture is its global effect: its line joins the global
    prompt, as a region everywhere would only compete with it.

    Raises:
        PlanError: too few or too many lines, a mapping of another length, or a row that is none.
    """
    notes: list[str] = []
    if _COMMON.search(text):
        raise PlanError(
            "The text defines common prompts such as {name:words}, which are not read; write the "
            "words out where {name} stands."
        )
    lines = [tidy(line) for line in without_tags(text, notes).splitlines()]
    lines = [line for line in lines if line]
    whole: list[str] = []
    if settings.sizes.strip():
        rows = _mapping(settings.sizes)
        if len(rows) != len(lines):
            raise PlanError(
                f"The mapping has {len(rows)} rows for {len(lines)} lines; give one row per line."
            )
        placed = list(zip(lines, rows, strict=True))
        whole = [line for line, (box, _) in placed if box == WHOLE]
        placed = [(line, row) for line, row in placed if row[0] != WHOLE]
    else:
        lines, whole, before = _split_whole(lines, settings.parts)
        split = "W" if settings.direction == "columns" else "H"
        require_parts(lines, "lines")
        boxes = split_cells(len(lines), split)
        placed = [
            (f"{before}, {line}" if before else line, (box, 1.0))
            for line, box in zip(lines, boxes, strict=True)
        ]
    require_parts([line for line, _ in placed], "lines")
    regions = tuple(
        RegionPlan(line, box=box, weight=weight, order=index)
        for index, (line, (box, weight)) in enumerate(placed)
    )
    negative = tidy(settings.negative_prompt)
    return Plan(", ".join(whole), negative, regions, notes=tuple(notes))


def _split_whole(lines: list[str], parts: str) -> tuple[list[str], list[str], str]:
    """Lines of regions, of the whole picture, and what goes before each region's."""
    if parts == "first is global":
        return lines[1:], lines[:1], ""
    if parts == "last is global":
        return lines[:-1], lines[-1:], ""
    if parts == "first goes before each":
        return lines[1:], lines[:1], ", ".join(lines[:1])
    return lines, [], ""


def _mapping(text: str) -> list[tuple[Box, float]]:
    """Box and weight of each row."""
    if text.strip().startswith("["):
        rows = load_json(text, what="mapping")
        if not isinstance(rows, list):
            raise PlanError(f"The mapping is no list of rows; {_ROW}.")
    else:
        rows = [_SEPARATED.split(line.strip()) for line in text.splitlines() if line.strip()]
    return [_row(index, row) for index, row in enumerate(rows, 1)]


def _row(index: int, row: Any) -> tuple[Box, float]:
    numbers: list[float] = []
    if isinstance(row, list) and len(row) in (4, 5):
        try:
            numbers = [float(number) for number in row]
        except (TypeError, ValueError, OverflowError):
            numbers = []
    if not numbers:
        raise PlanError(f"Row {index} of the mapping is {str(row)[:60]!r}; {_ROW}.")
    x0, x1, y0, y1, weight = (*numbers, 1.0)[:5]
    try:
        box = check_box((x0, y0, x1, y1))
    except PlanError as error:
        raise PlanError(f"Row {index} of the mapping is wrong: {error}") from None
    if not 0 < weight <= MAX_WEIGHT:
        raise PlanError(
            f"The weight in row {index} of the mapping is {weight:g}; expected above 0 and at most "
            f"{MAX_WEIGHT:g}."
        )
    return box, weight

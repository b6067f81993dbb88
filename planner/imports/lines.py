"""Lines of `prompt @ box`: the shortest way to say what goes where."""

from __future__ import annotations

import re

from ..errors import PlanError
from ..layout.cells import split_cells
from ..layout.place_words import PLACES, box_of_words
from ..plan import Box, Plan, RegionPlan, check_box
from ..schema import MAX_JSON, MAX_REGIONS

_NUMBER = r"\d{0,6}(?:\.\d{0,12})?%?"
_NUMBERS = re.compile(rf"{_NUMBER}(?:[\s,;:]+{_NUMBER}){{3}}")
_HOW = (
    f"expected a prompt, '@' and a place: four numbers x0 y0 x1 y1 as shares of the picture (0 0 "
    f"0.5 1) or in percent (0% 0% 50% 100%), or one of: {PLACES}"
)


def line_place(line: str) -> str:
    """What stands behind the last ``@`` of a line, "" without one."""
    return line.rpartition("@")[2].strip() if "@" in line else ""


def plan_from_lines(text: str, negative_prompt: str = "") -> Plan:
    """One region per line, ``prompt @ place``; a line ``@ prompt`` is for the whole picture.

    Without any ``@`` the lines are columns of equal width, from left to right. Later lines lie in
    front of earlier ones. Blank lines and lines that begin with # do not count.

    Raises:
        PlanError: no line, some lines with a place and some without, a place that is none, or more
            than 64 regions; says which line.
    """
    if len(text) > MAX_JSON:
        raise PlanError(f"The lines have {len(text)} characters; expected at most {MAX_JSON}.")
    placed: list[tuple[int, str, str | None]] = []
    whole: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        prompt, at, place = line.rpartition("@")
        if at and not prompt.strip():
            whole.append(place.strip())
        elif at:
            placed.append((number, prompt.strip(), place.strip()))
        else:
            placed.append((number, line, None))
    if not placed:
        raise PlanError("There are no lines with prompts; write one region per line: a cat @ left.")
    if len(placed) > MAX_REGIONS:
        raise PlanError(f"Got {len(placed)} lines; expected at most {MAX_REGIONS} regions.")
    bare = [number for number, _, place in placed if place is None]
    if bare and len(bare) < len(placed):
        raise PlanError(
            f"Line {bare[0]} names no place, but others do; {_HOW}. Give every line a place, or "
            "none for equal columns."
        )
    if bare:
        boxes = list(split_cells(len(placed), "W"))
    else:
        boxes = [_place(number, place or "") for number, _, place in placed]
    regions = tuple(
        RegionPlan(prompt, box=box, order=index)
        for index, ((_, prompt, _), box) in enumerate(zip(placed, boxes, strict=True))
    )
    return Plan(", ".join(filter(None, whole)), negative_prompt, regions)


def _place(number: int, text: str) -> Box:
    box = box_of_words(text)
    if box is not None:
        return box
    if not _NUMBERS.fullmatch(text):
        raise PlanError(f"The place in line {number} is {text[:60]!r}; {_HOW}.")
    try:
        edges = [
            float(part.removesuffix("%")) / (100.0 if part.endswith("%") else 1.0)
            for part in re.split(r"[\s,;:]+", text)
        ]
        return check_box(edges)
    except PlanError as error:
        raise PlanError(f"The place in line {number} is wrong: {error}") from None
    except ValueError:
        raise PlanError(f"The place in line {number} is {text[:60]!r}; {_HOW}.") from None

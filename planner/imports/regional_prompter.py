"""A1111's Regional Prompter: BREAK, ADDCOL, ADDROW, ADDBASE, ADDCOMM and divide ratios.

Format of hako-mikan/sd-webui-regional-prompter, its matrix mode. With the direction "columns" (its
Columns or Horizontal) rows are cut first, by ADDROW or ``;``, and each into columns, by ADDCOL or
``,``; with "rows" it is the other way round. Of several numbers between ``;`` the first is the
size of the row itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from ..errors import PlanError
from ..plan import Box, Plan, RegionPlan
from ..schema import MAX_REGIONS
from .cleaned import require_parts, tidy, without_breaks, without_tags
from .settings import ImportSettings

_KEYS = re.compile(r"\b(ADDCOL|ADDROW)\b")
_NO_KEYS = {
    "ADDP": "masks from words of the prompt",
    "ADDMASK": "painted masks",
}
_MAX_SIZES = 4 * MAX_REGIONS

Grid = list[list[float]]  # sizes of the cells, line by line
Lines = list[float]  # sizes of the lines


def plan_from_regional_prompter(text: str, settings: ImportSettings) -> Plan:
    """Read a prompt of Regional Prompter.

    The base prompt becomes the global prompt. The common prompt goes before every region's, and
    into the global prompt. Its base ratio is *base_ratio* of the patch. With BREAK alone the
    divide ratio says where parts lie. Ratios that do not fit the parts are left out with a note,
    as there: the parts are then equal.

    Raises:
        PlanError: an empty part, too many, ratios that are no numbers, or keys that ask for masks.
    """
    for key, meant in _NO_KEYS.items():
        if re.search(rf"\b{key}\b", text):
            raise PlanError(
                f"{key} asks for {meant}, which a text cannot hold; draw the regions in the Region "
                f"Editor, or take {key} out."
            )
    notes: list[str] = []
    text = without_tags(text, notes)
    common, text = _cut_first(text, "ADDCOMM", settings.parts == "first goes before each")
    base, text = _cut_first(text, "ADDBASE", settings.parts == "first is global")
    last = ""
    if settings.parts == "last is global":
        text, last = _cut_last(text)
    if _KEYS.search(text):
        cells = _keyed_cells(text, settings.direction, notes)
        shape = [len(line) for line in cells[0]]
        prompts = [tidy(prompt) for line in cells[0] for prompt in line]
        sizes = _sizes_for(shape, settings.sizes, cells[1], notes)
        by_columns = cells[1]
    else:
        prompts = [tidy(part) for part in re.split(r"\bBREAK\b", text)]
        by_columns = settings.direction == "rows"
        sizes = _sizes_of_breaks(len(prompts), settings.sizes, by_columns, notes)
    require_parts(prompts, "regions")
    boxes = _boxes(*sizes, by_columns)
    negatives, negative = _negatives(settings.negative_prompt, len(prompts))
    regions = tuple(
        RegionPlan(
            high_level=", ".join(filter(None, (tidy(common), prompt))), box=box, negative=avoided
        )
        for prompt, box, avoided in zip(prompts, boxes, negatives, strict=True)
    )
    whole = ", ".join(filter(None, (tidy(common), tidy(base), tidy(last))))
    return Plan(whole, negative, regions, notes=tuple(notes))


def _cut_first(text: str, key: str, is_first_break: bool) -> tuple[str, str]:
    """The part before a key, or where the setting says so before the first separator."""
    found = re.search(rf"\b{key}\b", text)
    if not found and is_first_break:
        found = re.search(r"\b(?:BREAK|ADDCOL|ADDROW)\b", text)
    if not found:
        return "", text
    return text[: found.start()], text[found.end() :]


def _cut_last(text: str) -> tuple[str, str]:
    found = list(re.finditer(r"\b(?:BREAK|ADDCOL|ADDROW)\b", text))
    if not found:
        return text, ""
    return text[: found[-1].start()], text[found[-1].end() :]


def _keyed_cells(text: str, direction: str, notes: list[str]) -> tuple[list[list[str]], bool]:
    """Lines of cells, and whether the lines are columns.

    With one key alone the axis is that key's, whatever the direction.
    """
    text = without_breaks(text, notes)
    keys = set(_KEYS.findall(text))
    lines_are_columns = direction == "rows" if len(keys) == 2 else keys == {"ADDROW"}
    outer, inner = ("ADDCOL", "ADDROW") if lines_are_columns else ("ADDROW", "ADDCOL")
    return [
        re.split(rf"\b{inner}\b", line) for line in re.split(rf"\b{outer}\b", text)
    ], lines_are_columns


def _sizes_for(
    shape: Sequence[int], sizes: str, by_columns: bool, notes: list[str]
) -> tuple[Lines, Grid]:
    """Sizes of lines and cells for cells that ADDCOL and ADDROW have laid out."""
    equal = [1.0] * len(shape), [[1.0] * count for count in shape]
    if not sizes.strip():
        return equal
    lines, grid = _read_sizes(sizes, by_columns)
    if len(shape) == 1 and (line := _one_line(shape[0], sizes)):
        return line
    if [len(line) for line in grid] == list(shape):
        return lines, grid
    notes.append(_misfit(sizes, f"{len(shape)} lines of {', '.join(map(str, shape))} regions"))
    return equal


def _sizes_of_breaks(
    count: int, sizes: str, by_columns: bool, notes: list[str]
) -> tuple[Lines, Grid]:
    """Sizes of lines and cells where BREAK parts follow the ratios."""
    if not sizes.strip():
        return [1.0], [[1.0] * count]
    lines, grid = _read_sizes(sizes, by_columns)
    if sum(map(len, grid)) == count:
        return lines, grid
    if line := _one_line(count, sizes):
        return line
    notes.append(_misfit(sizes, f"{count} regions"))
    return [1.0], [[1.0] * count]


def _one_line(count: int, sizes: str) -> tuple[Lines, Grid] | None:
    """All numbers as the sizes of one line's cells, if as many, whatever separates them."""
    numbers = _numbers(re.split("[,;]", sizes), sizes)
    return ([1.0], [numbers]) if len(numbers) == count else None


def _read_sizes(sizes: str, by_columns: bool) -> tuple[Lines, Grid]:
    """Numbers of a divide ratio: one line of cells, or lines with their own size first.

    Regional Prompter separates lines by ``;`` and cells by ``,``, and swaps the two where lines
    are columns; commas alone are one line.
    """
    if len(sizes) > 20 * _MAX_SIZES:
        raise PlanError(f"The ratios have {len(sizes)} characters; expected a few numbers.")
    if ";" not in sizes:
        return [1.0], [_numbers(sizes.split(","), sizes)]
    between, within = (",", ";") if by_columns else (";", ",")
    lines: Lines = []
    grid: Grid = []
    for line in sizes.split(between):
        numbers = _numbers(line.split(within), sizes)
        lines.append(numbers[0])
        grid.append(numbers[1:] or [1.0])
    return lines, grid


def _numbers(parts: Sequence[str], sizes: str) -> list[float]:
    if len(parts) > _MAX_SIZES:
        raise PlanError(f"The ratios hold {len(parts)} numbers; expected at most {_MAX_SIZES}.")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not numbers or not all(1e-6 <= number <= 1e6 for number in numbers):
        raise PlanError(
            f"The ratios are {sizes[:60]!r}; expected numbers above 0 such as '1,2,1', or lines "
            "with their own size first such as '1,2,1,1;2,4,6'."
        )
    return numbers


def _misfit(sizes: str, parts: str) -> str:
    return f"The ratios {sizes[:60]!r} do not fit {parts}; the parts are equal."


def _boxes(lines: Lines, grid: Grid, by_columns: bool) -> list[Box]:
    boxes: list[Box] = []
    for (lo, hi), cells in zip(pairwise(_borders(lines)), grid, strict=True):
        for start, end in pairwise(_borders(cells)):
            boxes.append((lo, start, hi, end) if by_columns else (start, lo, end, hi))
    return boxes


def _borders(sizes: Sequence[float]) -> list[float]:
    total = math.fsum(sizes)
    return [0.0, *(min(edge / total, 1.0) for edge in accumulate(sizes[:-1])), 1.0]


def _negatives(text: str, count: int) -> tuple[list[str], str]:
    """Per region what it must not show, and the same for the whole picture."""
    parts = [tidy(part) for part in re.split(r"\b(?:BREAK|ADDCOL|ADDROW)\b", text)]
    if len(parts) == 1:
        return [""] * count, parts[0]
    if len(parts) != count:
        raise PlanError(
            f"The negative prompt has {len(parts)} parts for {count} regions; give one part per "
            "region, or one for all."
        )
    return parts, ""

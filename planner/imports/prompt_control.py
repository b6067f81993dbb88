"""prompt-control's text: ``base COUPLE MASK(0 0.5, 0 1) a cat COUPLE(0.5 1) a dog``, AND, AREA.

Format of asagi4/comfyui-prompt-control as its documents give it: ``MASK(x1 x2, y1 y2, weight, op)``
and ``AREA(x1 x2, y1 y2, weight)`` in shares of the picture, or all in pixels above 1; pixels of a
mask are those of ``MASK_SIZE`` (512 x 512), pixels of an area those of the picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import PlanError
from ..layout.place_words import WHOLE
from ..plan import MAX_WEIGHT, Box, Plan, RegionPlan, check_box
from ..schema import MAX_JSON, MAX_REGIONS
from .cleaned import tidy, without_breaks, without_tags
from .settings import ImportSettings

MASK_SIZE_PX = 512.0
_CALL = re.compile(r"\b([A-Z][A-Z_]+)\(([^()]{0,200})\)")
_OPEN_CALL = re.compile(r"\b(COUPLE|MASK|IMASK|AREA|FEATHER|FILL|MASKW|MASK_SIZE|[A-Z_]{3,})\(")
_SCHEDULE = re.compile(r"\[[^\[\]\n]{0,300}:\s*\d*\.?\d+(?:\s*,\s*\d*\.?\d+)?\s*\]")
_STRENGTH = re.compile(r":(\d{1,4}(?:\.\d{0,6})?)\s*$")
_NUMBER = re.compile(r"\d{1,7}(?:\.\d{0,12})?|\.\d{1,12}")
_SPLIT = re.compile(r"\bAND\b|\bCOUPLE\b")
_READ = "MASK, AREA, FEATHER, MASKW, MASK_SIZE and FILL"


@dataclass(slots=True)
class _Part:
    """A prompt between AND or COUPLE, with what its calls say."""

    prompt: str = ""
    box: Box | None = None
    weight: float = 1.0
    feather: float = 0.0


def plan_from_prompt_control(text: str, settings: ImportSettings) -> Plan:
    """Read a prompt with COUPLE or AND and masks or areas.

    A part without a mask, or with one of the whole picture, joins the global prompt, which acts
    wherever no region is; so does the base prompt with FILL(). Several masks of one part are
    multiplied, as there: their boxes are cut with each other.

    Raises:
        PlanError: no part with a place, schedules, other calls, masks from outside the text
            (IMASK), other ways to combine masks, or numbers that are no place.
    """
    if len(text) > MAX_JSON:
        raise PlanError(f"The text has {len(text)} characters; expected at most {MAX_JSON}.")
    notes: list[str] = []
    text = without_breaks(without_tags(text, notes), notes)
    if _SCHEDULE.search(text):
        raise PlanError(
            "The text changes over time ([a:b:0.5]); a plan holds one prompt per region. Keep the "
            "words of one time."
        )
    size, text = _mask_size(text)
    # COUPLE(0 0.5) is short for COUPLE MASK(0 0.5).
    text = re.sub(r"\bCOUPLE\s*\(", "COUPLE MASK(", text)
    parts = [_part(part, size, settings) for part in _SPLIT.split(text)]
    whole = [part.prompt for part in parts if part.box in (None, WHOLE) and part.prompt]
    placed = [part for part in parts if part.box not in (None, WHOLE)]
    if not placed:
        raise PlanError(
            "No part of the text has a place; expected MASK(0 0.5, 0 1) or AREA(0 0.5, 0 1) in a "
            "part after COUPLE or AND."
        )
    if len(placed) > MAX_REGIONS:
        raise PlanError(f"The text has {len(placed)} regions; expected at most {MAX_REGIONS}.")
    for index, part in enumerate(placed, 1):
        if not part.prompt:
            raise PlanError(f"Region {index} has a mask and no prompt; say what is there.")
    regions = tuple(
        RegionPlan(part.prompt, box=part.box, weight=part.weight, feather=part.feather, order=index)
        for index, part in enumerate(placed)
    )
    negative = tidy(settings.negative_prompt)
    return Plan(", ".join(whole), negative, regions, notes=tuple(notes))


def _mask_size(text: str) -> tuple[tuple[float, float], str]:
    size = (MASK_SIZE_PX, MASK_SIZE_PX)
    found = re.search(r"\bMASK_SIZE\(([^()]{0,60})\)", text)
    if not found:
        return size, text
    numbers = _numbers(found[1].replace(",", " "), "MASK_SIZE", found[0])
    if len(numbers) != 2 or not all(1 <= side <= 65536 for side in numbers):
        raise PlanError(f"Got {found[0][:60]!r}; expected MASK_SIZE(width, height) in pixels.")
    return (numbers[0], numbers[1]), text[: found.start()] + text[found.end() :]


def _part(text: str, size: tuple[float, float], settings: ImportSettings) -> _Part:
    part = _Part()
    for name, arguments in _CALL.findall(text):
        said = f"{name}({arguments})"
        fields = [field.strip() for field in arguments.split(",")]
        if name == "MASK":
            operation = fields[3] if len(fields) > 3 else "multiply"
            if operation not in ("multiply", "and") and part.box is not None:
                raise PlanError(
                    f"{said[:60]!r} combines masks by {operation!r}; only 'multiply' gives a box. "
                    "Write the parts as regions of their own."
                )
            part.box = _both(part.box, _place(fields, size, said), said)
            part.weight *= _weight(fields, 2, said)
        elif name == "AREA":
            picture = (float(settings.width_px), float(settings.height_px))
            part.box = _both(part.box, _place(fields, picture, said), said)
            part.weight *= _weight(fields, 2, said)
        elif name == "MASKW":
            part.weight *= _weight(fields, 0, said)
        elif name == "FEATHER":
            edges = _numbers(arguments, "FEATHER", said)
            if edges:
                part.feather = min(max(edges) / max(size), 1.0)
        elif name == "IMASK":
            raise PlanError(
                f"{said[:60]!r} names a mask from outside of the text; connect that mask to the "
                "Region Editor or to Regions From Masks."
            )
        elif name != "FILL":
            raise PlanError(
                f"{said[:60]!r} is not read; of the calls only {_READ} say where something is. "
                "Take it out."
            )
    rest = _CALL.sub(" ", text)
    if left := _OPEN_CALL.search(rest):
        raise PlanError(f"The call {left[0]!r} has no end, or others inside; close it with ')'.")
    strength = _STRENGTH.search(rest)
    if strength:
        part.weight *= float(strength[1])
        rest = rest[: strength.start()]
    part.prompt = tidy(rest)
    if part.box is not None and not 0 < part.weight <= MAX_WEIGHT:
        raise PlanError(
            f"The weight of {part.prompt[:40]!r} is {part.weight:g}; expected above 0 and at most "
            f"{MAX_WEIGHT:g}."
        )
    return part


def _place(fields: list[str], size: tuple[float, float], said: str) -> Box:
    """The box of the first two arguments, x from and to, y from and to."""
    edges: list[float] = []
    for axis in (0, 1):
        numbers = _numbers(fields[axis], "place", said) if len(fields) > axis else []
        if len(numbers) > 2:
            raise PlanError(f"Got {said[:60]!r}; expected x from and to, y from and to, weight.")
        edges += (numbers + [0.0, 1.0][len(numbers) :])[:2]
    x0, x1, y0, y1 = edges
    if not all(0 <= edge <= 1 for edge in edges):
        if any(0 < edge <= 1 for edge in edges):
            raise PlanError(
                f"Got {said[:60]!r}; shares of the picture (0 to 1) and pixels (above 1) cannot "
                "be mixed. Give all four numbers in one of them."
            )
        x0, x1, y0, y1 = (
            min(edge / side, 1.0)
            for edge, side in zip(edges, (size[0],) * 2 + (size[1],) * 2, strict=True)
        )
    try:
        return check_box((x0, y0, x1, y1))
    except PlanError as error:
        raise PlanError(f"Got {said[:60]!r}: {error}") from None


def _both(one: Box | None, other: Box, said: str) -> Box:
    """What lies in both boxes."""
    if one is None:
        return other
    box = (
        max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]),
    )  # fmt: skip
    if not (box[0] < box[2] and box[1] < box[3]):
        raise PlanError(f"{said[:60]!r} shares nothing with the mask before it; take one out.")
    return box


def _weight(fields: list[str], index: int, said: str) -> float:
    numbers = _numbers(fields[index], "weight", said) if len(fields) > index else []
    return numbers[0] if numbers else 1.0


def _numbers(text: str, what: str, said: str) -> list[float]:
    parts = text.split()
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise PlanError(
            f"The {what} in {said[:60]!r} is {text[:40]!r}; expected numbers from 0 up."
        )
    return [float(part) for part in parts]

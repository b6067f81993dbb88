"""From an Omost canvas to a plan: boxes, order, and prompts in two levels.

Geometry of lllyasviel/Omost: a canvas of 90 x 90 cells, nine centres, offsets of ten cells, nine
areas; boxes are cut at the border. Nearer components lie in front.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import PlanError
from ..plan import Box, Plan, RegionPlan
from .canvas import GRID, Canvas, Conditions, read_canvas

LOCATIONS = {
    f"{start}{name}": (x, y)
    for start, name, x, y in (
        ("in the ", "center", 45, 45),
        ("on the ", "left", 15, 45),
        ("on the ", "right", 75, 45),
        ("on the ", "top", 45, 15),
        ("on the ", "bottom", 45, 75),
        ("on the ", "top-left", 15, 15),
        ("on the ", "top-right", 75, 15),
        ("on the ", "bottom-left", 15, 75),
        ("on the ", "bottom-right", 75, 75),
    )
}
OFFSETS = {
    "no offset": (0, 0),
    "slightly to the left": (-10, 0),
    "slightly to the right": (10, 0),
    "slightly to the upper": (0, -10),
    "slightly to the lower": (0, 10),
    "slightly to the upper-left": (-10, -10),
    "slightly to the upper-right": (10, -10),
    "slightly to the lower-left": (-10, 10),
    "slightly to the lower-right": (10, 10),
}
AREAS = {  # width, height
    "a small square area": (50, 50),
    "a small vertical area": (40, 60),
    "a small horizontal area": (60, 40),
    "a medium-sized square area": (60, 60),
    "a medium-sized vertical area": (50, 80),
    "a medium-sized horizontal area": (80, 50),
    "a large square area": (70, 70),
    "a large vertical area": (60, 90),
    "a large horizontal area": (90, 60),
}


def plan_from_omost(text: str) -> Plan:
    """Read a canvas in any of its forms (see ``omost_canvas.read_canvas``) as a plan.

    A component's description is the high-level prompt; its details, atmosphere, style, quality and
    tags are the low-level one. Regions stay in the order in which they were written; what is
    nearer to the viewer has the larger ``order``. The colours go to the regions' drawing colours
    (Omost also paints its initial latent with them, which a plan does not do).

    Raises:
        PlanError: the text is no canvas; says where and what was expected.
    """
    canvas = read_canvas(text)
    return _from_conditions(canvas) if isinstance(canvas, list) else _from_calls(canvas)


def _from_calls(canvas: Canvas) -> Plan:
    whole = canvas["set_global_description"]
    components = canvas["add_local_description"]
    notes: list[str] = []
    # Far to near; of equals the later one is drawn over the earlier.
    far_first = sorted(range(len(components)), key=lambda i: -components[i]["distance_to_viewer"])
    regions = []
    for index, component in enumerate(components):
        place = f"component {index + 1}"
        center = _closest(component["location"], LOCATIONS, f"location of {place}", notes)
        offset = _closest(
            component.get("offset", "no offset"), OFFSETS, f"offset of {place}", notes
        )
        size = _closest(component["area"], AREAS, f"area of {place}", notes)
        texts = [component.get(key, "") for key in ("atmosphere", "style", "quality_meta", "tags")]
        regions.append(
            RegionPlan(
                high_level=_described([component["description"]], place),
                low_level=_joined([*component.get("detailed_descriptions", ()), *texts]),
                box=_box(center, offset, size),
                order=far_first.index(index),
                color=_color(component.get("HTML_web_color_name", ""), place, notes),
            )
        )
    details = whole.get("detailed_descriptions", ())
    return Plan(
        global_prompt=_joined([whole["description"], *details, whole.get("tags", "")]),
        regions=tuple(regions),
        notes=tuple(notes),
    )


def _from_conditions(conditions: Conditions) -> Plan:
    """From ComfyUI_omost's list: the global condition, then the others from far to near."""
    whole, *components = conditions
    if whole["rect"] != [0, GRID, 0, GRID]:
        raise PlanError(
            f"The canvas is wrong at [0].rect: got {whole['rect']}, expected [0, {GRID}, 0, "
            f"{GRID}]: the first condition is the global one."
        )
    regions = []
    for index, component in enumerate(components):
        top, bottom, left, right = component["rect"]
        if not (top < bottom and left < right):
            raise PlanError(
                f"The canvas is wrong at [{index + 1}].rect: got {component['rect']}, expected "
                "top < bottom and left < right."
            )
        prefixes = component["prefixes"]
        if len(prefixes) > 1 and prefixes[0] == whole["prefixes"][0]:
            prefixes = prefixes[1:]  # the global description, which acts on its own here
        # By the schema 255.0 is a whole number too.
        red, green, blue = (int(level) for level in component.get("color", (0, 0, 0)))
        regions.append(
            RegionPlan(
                high_level=_described(prefixes, f"component {index + 1}"),
                low_level=_joined(component.get("suffixes", ())),
                box=(left / GRID, top / GRID, right / GRID, bottom / GRID),
                order=index,
                color=f"#{red:02x}{green:02x}{blue:02x}" if "color" in component else "",
            )
        )
    texts = [*whole["prefixes"], *whole.get("suffixes", ())]
    return Plan(global_prompt=_joined(texts), regions=tuple(regions))


def _box(center: tuple[int, int], offset: tuple[int, int], size: tuple[int, int]) -> Box:
    edges = []
    for axis in (0, 1):
        middle = center[axis] + offset[axis]
        half = size[axis] // 2
        edges.append((max(0, middle - half) / GRID, min(GRID, middle + half) / GRID))
    (x0, x1), (y0, y1) = edges
    return x0, y0, x1, y1


def _closest(
    word: str, known: Mapping[str, tuple[int, int]], what: str, notes: list[str]
) -> tuple[int, int]:
    """The value of the known name that is meant; language models misspell them."""
    found = _closest_name(word, known)
    if not found:
        raise PlanError(
            f"The {what} is {word!r}; expected one of: {', '.join(known)}. Correct the canvas."
        )
    if found != word:
        notes.append(f"The {what} is {word!r}; read as {found!r}.")
    return known[found]


def _closest_name(word: str, known: Mapping[str, Any]) -> str:
    matches = difflib.get_close_matches(word.strip().lower(), known, n=1, cutoff=0.5)
    return matches[0] if matches else ""


def _color(name: str, place: str, notes: list[str]) -> str:
    """ "#rrggbb" of an HTML colour name, or "" where there is none like it."""
    from PIL import ImageColor  # brings the table of names

    if not name:
        return ""
    found = _closest_name(name, ImageColor.colormap)
    if not found:
        notes.append(f"The color of {place} is {name!r}, no HTML color; the editor picks one.")
        return ""
    red, green, blue = ImageColor.getrgb(found)[:3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _described(texts: Sequence[str], place: str) -> str:
    text = _joined(texts)
    if not text:
        raise PlanError(f"The description of {place} is empty; say in a few words what is there.")
    return text


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(",. ")


def _joined(texts: Sequence[str]) -> str:
    return ", ".join(part for text in texts if (part := _tidy(text)))

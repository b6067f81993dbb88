"""ComfyUI's own layouts: bounding boxes with descriptions, and the elements of layout prompts.

A BOUNDING_BOX is ``{x, y, width, height}`` in pixels, with ``metadata {type, desc, text, palette}``
in BOUNDING_BOXES and from newer nodes. An element, as Create Bounding Boxes gives it and models
trained on layouts read it, is ``{type, bbox, desc, text, color_palette}`` with ``bbox`` as [ymin,
xmin, ymax, xmax] from 0 to 1000. Both stand from back to front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import PlanError
from ..plan import Plan, RegionPlan
from ..schema import MAX_REGIONS, load_json
from .place_words import words_of_box

GRID = 1000  # of an element's bbox
_KINDS = (
    "expected boxes with x, y, width and height in pixels, elements with bbox [ymin, xmin, ymax, "
    "xmax] from 0 to 1000, or the JSON of either"
)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_MAX_ITEMS = 4096


def regions_from_layout(value: Any, width_px: int, height_px: int) -> list[RegionPlan]:
    """Boxes or elements as regions, with their descriptions as prompts.

    Args:
        value: one item, a list of them, a list of such lists (one per picture, the first is
            taken), or JSON of these.
        width_px, height_px: size of the picture, for boxes in pixels; they are cut at its border.

    Returns:
        One region per item, ``order`` by place in the list. An element of type "text" asks for its
        words: 'the text "SALE"'.

    Raises:
        PlanError: an item is neither, or lies outside of the picture, or over 64 items.
    """
    if isinstance(value, str):
        value = load_json(value, what="layout")
    items = list(_items(value))
    if len(items) > MAX_REGIONS:
        raise PlanError(f"The layout has {len(items)} boxes; expected at most {MAX_REGIONS}.")
    return [_region(item, index, width_px, height_px) for index, item in enumerate(items)]


def boxes_of(plan: Plan, width_px: int, height_px: int) -> list[list[dict[str, Any]]]:
    """The plan's regions as BOUNDING_BOX values of one picture, back to front.

    Raises:
        PlanError: a region has no box.
    """
    boxes = []
    for region, (x0, y0, x1, y1) in _ordered(plan):
        x, y = round(x0 * width_px), round(y0 * height_px)
        boxes.append(
            {
                "x": x,
                "y": y,
                "width": max(round(x1 * width_px) - x, 1),
                "height": max(round(y1 * height_px) - y, 1),
                "metadata": {
                    "type": "obj",
                    "text": "",
                    "desc": region.prompt(),
                    "palette": [region.color] if region.color else [],
                },
            }
        )
    return [boxes]


def elements_of(plan: Plan) -> list[dict[str, Any]]:
    """The plan's regions as elements of a layout prompt, back to front.

    Raises:
        PlanError: a region has no box.
    """
    elements = []
    for region, (x0, y0, x1, y1) in _ordered(plan):
        element: dict[str, Any] = {
            "type": "obj",
            "bbox": [round(edge * GRID) for edge in (y0, x0, y1, x1)],
            "desc": region.prompt(),
        }
        if region.color:
            element["color_palette"] = [region.color.upper()]
        elements.append(element)
    return elements


def position_prompt(plan: Plan) -> str:
    """The plan as one prompt with position words, for models that read neither boxes nor regions.

    "two pets in a room. On the left, a cat. At the top right, a lamp."

    Raises:
        PlanError: a region has no box.
    """
    sentences = [plan.global_prompt.strip().rstrip(".")] if plan.global_prompt.strip() else []
    for region, box in _ordered(plan):
        place = words_of_box(box)
        sentences.append(f"{place[0].upper()}{place[1:]}, {region.prompt().strip().rstrip('.')}")
    return " ".join(f"{sentence}." for sentence in sentences)


def _ordered(plan: Plan) -> list[tuple[RegionPlan, tuple[float, float, float, float]]]:
    """Regions with their boxes, from back to front."""
    placed = []
    for index, region in enumerate(plan.regions, 1):
        if region.box is None:
            raise PlanError(
                f"Region {index} of the plan has no box. Plan without connected regions, or draw "
                "the boxes in the Region Editor."
            )
        placed.append((region, region.box))
    if not placed:
        raise PlanError("The plan has no regions, so there is no layout. Add one.")
    return sorted(placed, key=lambda pair: pair[0].order)


def _items(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        return
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise PlanError(f"The layout is {str(value)[:60]!r}; {_KINDS}.")
    if len(value) > _MAX_ITEMS:
        raise PlanError(f"The layout has {len(value)} items; expected at most {MAX_REGIONS}.")
    if value and isinstance(value[0], Sequence) and not isinstance(value[0], (str, bytes)):
        value = value[0]  # one list per picture
    for item in value:
        if not isinstance(item, Mapping):
            raise PlanError(f"An item of the layout is {str(item)[:60]!r}; {_KINDS}.")
        yield item


def _region(item: Mapping[str, Any], index: int, width_px: int, height_px: int) -> RegionPlan:
    if "bbox" in item:
        edges = _numbers(item["bbox"], item)
        y0, x0, y1, x1 = (edge / GRID for edge in edges)
        said = item
        colors = item.get("color_palette")
    else:
        x, y, width, height = _numbers([item.get(k) for k in ("x", "y", "width", "height")], item)
        x0, x1 = x / width_px, (x + width) / width_px
        y0, y1 = y / height_px, (y + height) / height_px
        metadata = item.get("metadata")
        said = metadata if isinstance(metadata, Mapping) else {}
        colors = said.get("palette")
    # Boxes that were drawn from the other corner have negative sizes.
    (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
    x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in (x0, y0, x1, y1))
    if not (x0 < x1 and y0 < y1):
        raise PlanError(
            f"Box {index + 1} of the layout, {str(dict(item))[:80]}, is empty or lies outside the "
            f"canvas of {width_px} x {height_px} pixels. Give the size of the picture, or connect "
            "the latent that will be sampled."
        )
    first = colors[0] if isinstance(colors, Sequence) and colors else ""
    is_color = isinstance(first, str) and _COLOR.fullmatch(first)
    color = first if is_color else ""
    return RegionPlan(_prompt(said), box=(x0, y0, x1, y1), order=index, color=color)


def _prompt(said: Mapping[str, Any]) -> str:
    desc, text = (said.get(key) for key in ("desc", "text"))
    parts = [desc.strip()] if isinstance(desc, str) else []
    if said.get("type") == "text" and isinstance(text, str) and text.strip():
        parts.append(f"the text {json.dumps(text.strip(), ensure_ascii=False)}")
    return ", ".join(filter(None, parts))


def _numbers(values: Any, item: Mapping[str, Any]) -> list[float]:
    numbers: list[float] = []
    if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == 4:
        try:
            numbers = [float(value) for value in values]
        except (TypeError, ValueError, OverflowError):
            numbers = []
    if not numbers or not all(abs(number) <= 1e9 for number in numbers):  # NaN is never <=
        raise PlanError(f"Got the box {str(dict(item))[:80]}; {_KINDS}.")
    return numbers

"""InvokeAI's regions: the regional guidance layers of its canvas, as JSON.

Read are a picture's metadata (with ``canvas_v2_metadata``), the canvas itself, or the list of
layers. A layer has ``positivePrompt``, ``negativePrompt``, ``position``, ``isEnabled`` and
``objects``: rectangles and strokes of brush and eraser, in pixels.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import PlanError
from ..mask import MAX_MASK_SIDE, RegionMask
from ..plan import Box, Plan, RegionPlan
from ..schema import MAX_REGIONS, load_json
from .cleaned import tidy
from .settings import ImportSettings

_LIST_KEYS = ("regionalGuidance", "regional_guidance", "regions", "layers")
_STROKES = {"brush_line": 2, "brush_line_with_pressure": 3}  # type -> numbers per point
_ERASERS = {"eraser_line": 2, "eraser_line_with_pressure": 3}
_MAX_OBJECTS = 4096
_MAX_POINTS = 200_000
_MAX_PX = 1e6


def plan_from_invoke_ai(text: str, settings: ImportSettings) -> Plan:
    """Read the regions of an InvokeAI canvas.

    Rectangles and strokes become a box, or a mask of at most 128 cells a side. The size of the
    picture is the metadata's or the settings'. Layers that are switched off are left out with a
    note, and so are reference images.

    Raises:
        PlanError: no JSON, no regions, a region without prompt or shape, or pictures as masks.
    """
    value = load_json(text, what="InvokeAI region list")
    layers = _layers(value)
    whole, negative = "", tidy(settings.negative_prompt)
    frame = (0.0, 0.0, float(settings.width_px), float(settings.height_px))
    if isinstance(value, dict):
        whole = _text(value.get("positive_prompt", value.get("positivePrompt")), "positive_prompt")
        avoided = value.get("negative_prompt", value.get("negativePrompt"))
        negative = negative or _text(avoided, "negative_prompt")
        frame = _frame(value, frame)
    notes: list[str] = []
    regions = []
    for index, layer in enumerate(layers, 1):
        region = _region(layer, index, frame, notes)
        if region is not None:
            regions.append(region)
    if not regions:
        raise PlanError("All regions of the list are switched off; switch one on in InvokeAI.")
    return Plan(whole, negative, tuple(regions), notes=tuple(notes))


def _layers(value: Any) -> list[Any]:
    """The list of regional layers, wherever it stands."""
    found = value
    for key in ("canvas_v2_metadata", "canvas"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    for key in _LIST_KEYS:
        if isinstance(found, dict) and key in found:
            found = found[key]
    if isinstance(found, dict) and "entities" in found:  # the canvas keeps lists in an object
        found = found["entities"]
    if not isinstance(found, list) or not found:
        raise PlanError(
            "The JSON holds no regions; expected InvokeAI's metadata of a picture, or the list "
            "regionalGuidance with positivePrompt and objects."
        )
    kinds = ("regional_guidance", "regional_guidance_layer")
    layers = [x for x in found if not isinstance(x, dict) or x.get("type", kinds[0]) in kinds]
    if not layers or len(layers) > MAX_REGIONS:
        raise PlanError(f"The list holds {len(layers)} regions; expected 1 to {MAX_REGIONS}.")
    return layers


def _frame(value: dict[str, Any], frame: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Left, top, width and height of the picture on the canvas, in pixels."""
    left, top, width, height = frame
    if "width" in value and "height" in value:
        width = _number(value["width"], "width", 1.0)
        height = _number(value["height"], "height", 1.0)
    bbox = value.get("bbox")
    rect = bbox.get("rect", bbox) if isinstance(bbox, dict) else None
    if rect is not None:
        left, top, width, height = _rect(rect, "bbox.rect")
    return left, top, width, height


def _region(
    layer: Any, index: int, frame: tuple[float, float, float, float], notes: list[str]
) -> RegionPlan | None:
    where = f"region {index}"
    if not isinstance(layer, dict):
        raise PlanError(f"The {where} is {str(layer)[:60]!r}; expected an object with its prompt.")
    if layer.get("isEnabled") is False:
        notes.append(f"The {where} is switched off in InvokeAI; left out.")
        return None
    if layer.get("referenceImages") or layer.get("ipAdapters"):
        notes.append(f"The {where} has reference images, which a plan does not hold.")
    prompt = tidy(_text(layer.get("positivePrompt"), f"positivePrompt of {where}"))
    if not prompt:
        raise PlanError(f"The {where} has no positive prompt; write one in InvokeAI.")
    box, mask = _shape(layer, where, frame)
    negative = tidy(_text(layer.get("negativePrompt"), f"negativePrompt of {where}"))
    return RegionPlan(prompt, negative=negative, box=box, mask=mask, order=index)


def _shape(
    layer: dict[str, Any], where: str, frame: tuple[float, float, float, float]
) -> tuple[Box, RegionMask | None]:
    """The objects drawn onto cells of the picture."""
    from PIL import Image, ImageDraw  # only where strokes are drawn

    objects = layer.get("objects", layer.get("maskObjects"))
    if not isinstance(objects, list) or not objects or len(objects) > _MAX_OBJECTS:
        raise PlanError(f"The {where} has no objects, or over {_MAX_OBJECTS}; paint its shape.")
    left, top, width, height = frame
    offset = layer.get("position", {"x": layer.get("x", 0), "y": layer.get("y", 0)})
    if not isinstance(offset, dict):
        raise PlanError(f"The position of {where} is {str(offset)[:60]!r}; expected x and y.")
    dx = _number(offset.get("x", 0), f"position.x of {where}") - left
    dy = _number(offset.get("y", 0), f"position.y of {where}") - top
    if len(objects) == 1 and (rect := _rect_of(objects[0], where)):
        x, y, w, h = rect
        return _clipped((x + dx) / width, (y + dy) / height, w / width, h / height, where), None
    scale = MAX_MASK_SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.new("1", size)
    draw = ImageDraw.Draw(picture)
    sx, sy = size[0] / width, size[1] / height
    for drawn in objects:
        if rect := _rect_of(drawn, where):
            x, y, w, h = rect
            corner = (x + dx) * sx, (y + dy) * sy, (x + w + dx) * sx - 1, (y + h + dy) * sy - 1
            if corner[0] <= corner[2] and corner[1] <= corner[3]:
                draw.rectangle(corner, fill=1)
        else:
            _draw_stroke(draw, drawn, where, (dx, dy), (sx, sy))
    rows = [[picture.getpixel((x, y)) != 0 for x in range(size[0])] for y in range(size[1])]
    return _bounded(rows, where)


def _draw_stroke(
    draw: Any, drawn: Any, where: str, offset: tuple[float, float], scale: tuple[float, float]
) -> None:
    kind = drawn.get("type") if isinstance(drawn, dict) else None
    old = kind == "vector_mask_line"
    step = 2 if old else _STROKES.get(str(kind), _ERASERS.get(str(kind), 0))
    if not step:
        raise PlanError(
            f"An object of {where} is {str(kind)[:40]!r}; read are rect, brush_line and "
            "eraser_line. For pictures connect the mask to the Region Editor."
        )
    erases = kind in _ERASERS or (old and drawn.get("tool") == "eraser")
    points = drawn.get("points")
    if not isinstance(points, list) or len(points) < step or len(points) > _MAX_POINTS:
        raise PlanError(f"A stroke of {where} has no points, or over {_MAX_POINTS}.")
    numbers = [_number(point, f"points of {where}") for point in points]
    width = _number(drawn.get("strokeWidth", 1), f"strokeWidth of {where}", 0.0) * scale[0]
    at = [
        ((numbers[i] + offset[0]) * scale[0], (numbers[i + 1] + offset[1]) * scale[1])
        for i in range(0, len(numbers) - step + 1, step)
    ]
    fill = 0 if erases else 1
    if len(at) > 1:
        draw.line(at, fill=fill, width=max(1, round(width)), joint="curve")
    radius = max(width / 2, 0.5)
    for x, y in (at[0], at[-1]):  # round ends, as a brush has
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _bounded(rows: list[list[bool]], where: str) -> tuple[Box, RegionMask | None]:
    height, width = len(rows), len(rows[0])
    ys = [y for y in range(height) if any(rows[y])]
    xs = [x for x in range(width) if any(row[x] for row in rows)]
    if not ys:
        raise PlanError(f"Nothing of {where} lies on the picture; check width and height.")
    inner = [row[xs[0] : xs[-1] + 1] for row in rows[ys[0] : ys[-1] + 1]]
    box = xs[0] / width, ys[0] / height, (xs[-1] + 1) / width, (ys[-1] + 1) / height
    return box, None if all(map(all, inner)) else RegionMask.from_rows(inner)


def _clipped(x: float, y: float, w: float, h: float, where: str) -> Box:
    x0, x1 = (min(max(edge, 0.0), 1.0) for edge in (x, x + w))
    y0, y1 = (min(max(edge, 0.0), 1.0) for edge in (y, y + h))
    if not (x0 < x1 and y0 < y1):
        raise PlanError(f"The {where} lies outside of the picture; check width and height.")
    return x0, y0, x1, y1


def _rect_of(drawn: Any, where: str) -> tuple[float, float, float, float] | None:
    if not isinstance(drawn, dict) or drawn.get("type") not in ("rect", "vector_mask_rect"):
        return None
    return _rect(drawn.get("rect", drawn), f"rect of {where}")


def _rect(value: Any, where: str) -> tuple[float, float, float, float]:
    if not isinstance(value, dict):
        raise PlanError(f"The {where} is {str(value)[:60]!r}; expected x, y, width and height.")
    x, y = (_number(value.get(key), f"{key} of {where}") for key in ("x", "y"))
    w, h = (_number(value.get(key), f"{key} of {where}", 1e-3) for key in ("width", "height"))
    return x, y, w, h


def _number(value: Any, where: str, least: float = -_MAX_PX) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= _MAX_PX or not math.isfinite(value):
        raise PlanError(f"The {where} is {str(value)[:40]!r}; expected a number of pixels.")
    return float(value)


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PlanError(f"The {where} is {str(value)[:60]!r}; expected a text.")
    return value

"""Planning with a language model: the question, and what is made of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import PlanError
from ..layout.arrange import propose_cells
from ..layout.cells import split_cells
from ..plan import Box, Plan, RegionPlan
from ..schema import MAX_REGIONS, MAX_TEXT, check_schema
from .cache import DiskStore
from .chat import ChatClient, ChatQuestion, ChatUsage
from .endpoints import Endpoint
from .prompts import prompt_version, read_prompt

_TEXT = {"type": "string"}
_MAX_ANSWER_TEXT = 4000
_MIN_SIDE = 0.02  # of the canvas; a thinner box is a mistake


def answer_schema(*, with_boxes: bool) -> dict[str, Any]:
    """JSON Schema of the answer, within the subset that strict structured output accepts."""
    region: dict[str, Any] = {
        "instance": _TEXT,
        "attributes": {"type": "array", "items": _TEXT},
        "high_level": _TEXT,
        "low_level": _TEXT,
    }
    if with_boxes:
        region["box"] = {"type": "array", "items": {"type": "number"}}
    fields: dict[str, Any] = {
        "global_prompt": _TEXT,
        "background": _TEXT,
        "negative_prompt": _TEXT,
        "regions": {"type": "array", "items": _strict_object(region)},
    }
    return _strict_object(fields)


def plan_with_llm(
    text: str,
    n_regions: int | None,
    cells: Sequence[Box] | None,
    endpoint: Endpoint,
    seed: int = 0,
    temperature: float = 0.2,
    *,
    negative_prompt: str = "",
    aspect: float | None = None,
    language: str = "",
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda text: None,
    store: DiskStore | None = None,
    used: Callable[[ChatUsage], None] = lambda usage: None,
) -> Plan:
    """Plan a sentence with a language model.

    Args:
        text: the description, in any language.
        n_regions: how many regions, 1..64, or None: as many as the description asks for.
        cells: boxes of regions that exist already, in their order; `n_regions` is then ignored.
        endpoint: see `endpoints.get_endpoint`.
        seed: passed to the endpoint, and part of the cache key: another seed asks again.
        temperature: 0..2.
        negative_prompt: goes before the one that the model writes.
        aspect: width / height of the canvas.
        language: to write the prompts in ("English"); "": the description's own.
        should_stop: polled ten times a second; True stops the call with ChatStopped. It may also
            raise the host's own exception for an interrupted job.
        progress: gets a line of text whenever something happens, at least once a second.
        store: replies that were kept; None: the user's cache folder.
        used: gets requests, retries, tokens and time at the end, also where it fails.

    Raises:
        PlanError: the text or a number is out of range.
        ChatError, EndpointError: no usable answer.
    """
    boxes = None if cells is None else tuple(cells)
    wanted = n_regions if boxes is None else len(boxes)
    _check_arguments(text, wanted, temperature)
    client = ChatClient(endpoint, store=store, should_stop=should_stop, progress=progress)
    schema = answer_schema(with_boxes=boxes is None)
    question = ChatQuestion(
        system=read_prompt("plan"),
        user=_user_message(text, wanted, boxes, aspect, _clean(language)[:40]),
        schema=schema,
        schema_name=f"picture_plan_v{prompt_version('plan')}",
        seed=seed,
        temperature=temperature,
    )
    attempts = 0

    def check(answer: dict[str, Any]) -> Plan:
        nonlocal attempts
        attempts += 1
        answer = _known_keys(answer, schema)
        check_schema(answer, _loose(schema), what="language model's plan")
        # A wrong number of regions is worth one correction; after that it is repaired.
        plan = _to_plan(answer, wanted, boxes, repair=attempts > 1)
        joined = ", ".join(part for part in (negative_prompt, plan.negative_prompt) if part)
        return replace(plan, negative_prompt=joined[:MAX_TEXT], aspect=aspect)

    try:
        return client.ask(question, check)
    finally:
        used(client.usage)


def _check_arguments(text: str, wanted: int | None, temperature: float) -> None:
    if not text.strip():
        raise PlanError("The text to plan is empty; expected a description of a picture.")
    if len(text) > MAX_TEXT:
        raise PlanError(
            f"The text to plan has {len(text)} characters; expected at most {MAX_TEXT}."
        )
    if wanted is not None and not 1 <= wanted <= MAX_REGIONS:
        raise PlanError(f"{wanted} regions were asked for; expected 1 to {MAX_REGIONS}.")
    if not 0 <= temperature <= 2:
        raise PlanError(f"The temperature is {temperature}; expected 0 to 2.")


def _user_message(
    text: str,
    wanted: int | None,
    boxes: tuple[Box, ...] | None,
    aspect: float | None,
    language: str,
) -> str:
    lines = [f"Description:\n{text.strip()}", ""]
    if aspect is not None:
        lines.append(f"Canvas: width / height = {aspect:.3g}.")
    if boxes is not None:
        lines.append(f"Regions: exactly {len(boxes)}, in this order:")
        lines += [f"{k}. {_describe_box(box)}" for k, box in enumerate(boxes, start=1)]
    elif wanted is not None:
        lines.append(f"Regions: exactly {wanted}, each with a box; they may overlap a little.")
    else:
        lines.append("Regions: one per main object, at most 9, each with a box.")
    if language:
        lines.append(f"Write all texts in {language}.")
    return "\n".join(lines)


def _describe_box(box: Box) -> str:
    x0, y0, x1, y1 = box
    across = "left" if x1 <= 0.55 else "right" if x0 >= 0.45 else "center"
    down = "top" if y1 <= 0.55 else "bottom" if y0 >= 0.45 else "middle"
    if x1 - x0 > 0.9:
        across = "whole width"
    if y1 - y0 > 0.9:
        down = "whole height"
    return f"x {x0:.2f} to {x1:.2f}, y {y0:.2f} to {y1:.2f} ({down}, {across})"


def _to_plan(
    answer: dict[str, Any], wanted: int | None, boxes: tuple[Box, ...] | None, *, repair: bool
) -> Plan:
    notes: list[str] = []
    found = answer["regions"]
    if not found:
        raise PlanError("The plan has no region; expected at least one.")
    if wanted is not None and len(found) != wanted and not repair:
        raise PlanError(f"The plan has {len(found)} regions; expected exactly {wanted}.")
    limit = wanted or MAX_REGIONS
    if len(found) > limit:
        names = ", ".join(region["instance"][:40] for region in found[limit:][:8])
        notes.append(
            f"The model planned {len(found) - limit} region(s) too many; left out: {names}."
        )
        found = found[:limit]
    missing = 0 if wanted is None else wanted - len(found)
    if missing:
        notes.append(f"The model planned {missing} region(s) too few; they get the background.")
    regions = [_to_region(region) for region in found]
    filler = answer["background"] or answer["global_prompt"]
    regions += [RegionPlan(high_level=_clean(filler))] * missing
    if boxes is not None:
        regions = [replace(region, box=box) for region, box in zip(regions, boxes, strict=True)]
    else:
        regions = _with_boxes(regions, [region.get("box") for region in found], notes)
    return Plan(
        global_prompt=_clean(answer["global_prompt"]),
        negative_prompt=_clean(answer["negative_prompt"]),
        regions=tuple(regions),
        background=_clean(answer["background"]),
        notes=tuple(notes),
    )


def _to_region(fields: dict[str, Any]) -> RegionPlan:
    high = _clean(fields["high_level"]) or _clean(fields["instance"])
    if not high:
        raise PlanError(
            "A region of the plan is empty; expected its high_level to say what is there."
        )
    attributes = tuple(_clean(word)[:200] for word in fields["attributes"][:16] if _clean(word))
    low = _clean(fields["low_level"])
    absent = [word for word in attributes if word.lower() not in low.lower()]
    return RegionPlan(
        high_level=high,
        low_level=", ".join([*absent, low] if low else absent),
        instance=_clean(fields["instance"]),
        attributes=attributes,
    )


def _with_boxes(
    regions: list[RegionPlan], raw: list[list[float] | None], notes: list[str]
) -> list[RegionPlan]:
    boxes = [_to_box(box) for box in raw] + [None] * (len(regions) - len(raw))
    if any(box is None for box in boxes):
        notes.append("The model gave no usable boxes; the canvas was divided evenly.")
        n = len(regions)
        boxes = list(split_cells(n, "W") if n <= 3 else propose_cells((), n))
    return [replace(region, box=box) for region, box in zip(regions, boxes, strict=True)]


def _to_box(values: list[float] | None) -> Box | None:
    """Four numbers as a box; models also count in percent or in thousandths."""
    if values is None or len(values) != 4 or not all(math.isfinite(value) for value in values):
        return None
    largest = max(abs(value) for value in values)
    scale = 1 if largest <= 1.5 else 100 if largest <= 100 else 1000 if largest <= 1000 else 0
    if not scale:
        return None
    x0, y0, x1, y1 = (min(max(float(value) / scale, 0.0), 1.0) for value in values)
    if abs(x1 - x0) < _MIN_SIDE or abs(y1 - y0) < _MIN_SIDE:
        return None
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _known_keys(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Without keys nobody asked for, and with empty texts for optional ones that are missing."""
    fields = {key: answer[key] for key in schema["properties"] if key in answer}
    for key in ("background", "negative_prompt"):
        if fields.get(key) is None:
            fields[key] = ""
    known = schema["properties"]["regions"]["items"]["properties"]
    regions = fields.get("regions")
    if isinstance(regions, list):
        fields["regions"] = [
            {
                **{"instance": "", "attributes": [], "low_level": ""},
                **{key: region[key] for key in known if region.get(key) is not None},
            }
            if isinstance(region, dict)
            else region
            for region in regions
        ]
    return fields


def _loose(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that answers are checked by: bounded; boxes may be missing and are repaired."""
    region = schema["properties"]["regions"]["items"]
    text = {"type": "string", "maxLength": _MAX_ANSWER_TEXT}
    fields = {key: text for key in ("instance", "high_level", "low_level")}
    return {
        **schema,
        "properties": {
            **{key: text for key in ("global_prompt", "background", "negative_prompt")},
            "regions": {
                "type": "array",
                "maxItems": 4 * MAX_REGIONS,
                "items": {
                    **region,
                    "properties": {**region["properties"], **fields},
                    "required": ["high_level"],
                },
            },
        },
    }


def _strict_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _clean(text: str) -> str:
    """One line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

"""ComfyUI's boxes and elements: in, out, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from regional_dit.planner.errors import PlanError
from regional_dit.planner.layout.elements import (
    boxes_of,
    elements_of,
    position_prompt,
    regions_from_layout,
)
from regional_dit.planner.plan import Plan, RegionPlan

PETS = Plan(
    "two pets in a room",
    regions=(
        RegionPlan("a lamp", box=(0.6, 0.0, 1.0, 0.25), order=2, color="#ff8800"),
        RegionPlan("a cat", box=(0.0, 0.0, 0.5, 1.0), order=1),
    ),
)


def test_elements_stand_from_back_to_front_with_y_first() -> None:
    assert elements_of(PETS) == [
        {"type": "obj", "bbox": [0, 0, 1000, 500], "desc": "a cat"},
        {
            "type": "obj", "bbox": [0, 600, 250, 1000], "desc": "a lamp",
            "color_palette": ["#FF8800"],
        },
    ]  # fmt: skip


def test_boxes_are_one_list_in_pixels() -> None:
    (frame,) = boxes_of(PETS, 1000, 400)
    assert [(b["x"], b["y"], b["width"], b["height"]) for b in frame] == [
        (0, 0, 500, 400), (600, 0, 400, 100),
    ]  # fmt: skip
    assert frame[1]["metadata"] == {
        "type": "obj", "text": "", "desc": "a lamp", "palette": ["#ff8800"],
    }  # fmt: skip


def test_words_say_what_is_where() -> None:
    assert position_prompt(PETS) == (
        "two pets in a room. On the left, a cat. At the top right, a lamp."
    )


@pytest.mark.parametrize("form", ["boxes", "frame", "elements", "json"])
def test_what_goes_out_comes_back(form: str) -> None:
    out: Any = {
        "boxes": boxes_of(PETS, 1000, 400),
        "frame": boxes_of(PETS, 1000, 400)[0],
        "elements": elements_of(PETS),
        "json": json.dumps(elements_of(PETS)),
    }[form]
    cat, lamp = regions_from_layout(out, 1000, 400)
    assert (cat.prompt(), cat.box, cat.order) == ("a cat", (0, 0, 0.5, 1), 0)
    assert (lamp.prompt(), lamp.box, lamp.color.lower()) == ("a lamp", (0.6, 0, 1, 0.25), "#ff8800")


def test_elements_of_the_core() -> None:
    """As Create Bounding Boxes builds them: also words to write, and boxes drawn backwards."""
    (sign,) = regions_from_layout(
        {"type": "text", "bbox": [500, 900, 100, 200], "text": "SALE", "desc": "red letters"}, 8, 8
    )
    assert sign.box == (0.2, 0.1, 0.9, 0.5)
    assert sign.prompt() == 'red letters, the text "SALE"'
    detected = [[{"x": -20, "y": 10, "width": 60, "height": 500, "label": "cat", "score": 0.9}]]
    (region,) = regions_from_layout(detected, 100, 200)
    assert (region.box, region.prompt()) == ((0, 0.05, 0.4, 1), "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "The layout is '3'; expected boxes"),
        ([3], "An item of the layout is '3'"),
        ("{", "not valid JSON"),
        ([{"x": 1}], "Got the box"),
        ([{"bbox": [0, 0, float("nan"), 9]}], "Got the box"),
        ([{"bbox": [0, 0, 9]}], "Got the box"),
        ([{"x": 900, "y": 0, "width": 5, "height": 5}], "Box 1 .* outside the canvas of 64 x 64"),
        ([{"x": 0, "y": 0, "width": 5, "height": 5}] * 65, "has 65 boxes; expected at most 64"),
    ],
)
def test_errors_in_words(value: Any, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        regions_from_layout(value, 64, 64)


def test_a_plan_without_boxes_has_no_layout() -> None:
    for give in (elements_of, position_prompt):
        with pytest.raises(PlanError, match="Region 1 of the plan has no box"):
            give(Plan("x", regions=(RegionPlan("a cat"),)))
        with pytest.raises(PlanError, match="The plan has no regions"):
            give(Plan("x"))

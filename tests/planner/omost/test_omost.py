"""Omost canvases: geometry, prompts and order."""

from __future__ import annotations

import json

import pytest
from omost_texts import CANVAS, calls
from regional_dit.planner.errors import PlanError
from regional_dit.planner.omost.plan import AREAS, LOCATIONS, OFFSETS, plan_from_omost
from regional_dit.planner.plan import Plan


def test_python_form():
    plan = plan_from_omost(CANVAS)
    assert plan.global_prompt == (
        "A quiet room by the sea, Morning light falls through the window, "
        "The walls are painted white, room, sea, morning"
    )
    window, cat = plan.regions
    assert window.high_level == "An open window"
    assert window.low_level == (
        "A white curtain moves in the wind, Calm, Realistic, High detail, window, curtain"
    )
    assert window.prompt() == (  # what stands there already is not said twice
        "An open window, A white curtain moves in the wind, Calm, Realistic, High detail, curtain"
    )
    # Centre (15, 45) moved by (-10, -10), 50 x 80, cut at the border.
    assert window.box == (0.0, 0.0, 30 / 90, 75 / 90)
    assert cat.box == (20 / 90, 20 / 90, 70 / 90, 70 / 90)
    assert cat.order > window.order  # the nearer one lies in front
    assert (window.color, cat.color) == ("#f5f5f5", "#ff8c00")
    assert plan.notes == ()
    assert Plan.from_json(plan.to_json()) == plan


def test_a_whole_chat_reply_is_fine():
    reply = f"Sure, here is the canvas.\n\n```python{CANVAS}```\nAnything else?"
    assert plan_from_omost(reply) == plan_from_omost(CANVAS)
    indented = "\n".join("    " + line for line in CANVAS.splitlines())
    assert plan_from_omost(indented) == plan_from_omost(CANVAS)


def test_json_of_the_calls():
    plan = plan_from_omost(json.dumps(calls(tags="oak, old")))
    (tree,) = plan.regions
    assert (tree.high_level, tree.low_level) == ("a tree", "oak, old")
    assert tree.box == (45 / 90, 0.0, 1.0, 1.0)


def test_json_of_the_conditions():
    """What ComfyUI_omost saves: rect is top, bottom, left, right; far components come first."""
    conditions = [
        {
            "rect": [0, 90, 0, 90],
            "prefixes": ["A room."],
            "suffixes": ["Sunny."],
            "color": [1, 2, 3],
        },
        {
            "rect": [0, 45, 30, 90],
            "prefixes": ["A room.", "A window."],
            "suffixes": ["Open.", "White."],
            "color": [255, 0, 16],
        },
        {"rect": [40, 90, 0, 50], "prefixes": ["A room.", "A cat."]},
    ]
    plan = plan_from_omost(json.dumps(conditions))
    assert plan.global_prompt == "A room, Sunny"
    window, cat = plan.regions
    assert window.box == (30 / 90, 0.0, 1.0, 45 / 90)
    assert (window.high_level, window.low_level, window.color) == (
        "A window",
        "Open, White",
        "#ff0010",
    )
    assert (cat.prompt(), cat.color) == ("A cat", "")
    assert cat.order > window.order


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("area", AREAS)
def test_every_box_lies_on_the_canvas(location, area):
    for offset in OFFSETS:
        canvas = calls(location=location, area=area, offset=offset)
        (region,) = plan_from_omost(json.dumps(canvas)).regions
        width, height = AREAS[area]
        x, y = (a + b for a, b in zip(LOCATIONS[location], OFFSETS[offset], strict=True))
        wanted = (x - width // 2, y - height // 2, x + width // 2, y + height // 2)
        assert region.box == tuple(min(90, max(0, edge)) / 90 for edge in wanted)


def test_misspelt_names_are_read_with_a_note():
    plan = plan_from_omost(
        json.dumps(calls(location="on left", area="a small square", HTML_web_color_name="redd"))
    )
    assert plan.regions[0].box == (0.0, 20 / 90, 40 / 90, 70 / 90)
    assert plan.regions[0].color == "#ff0000"
    assert plan.notes == (
        "The location of component 1 is 'on left'; read as 'on the left'.",
        "The area of component 1 is 'a small square'; read as 'a small square area'.",
    )
    plan = plan_from_omost(json.dumps(calls(HTML_web_color_name="qqqqqqqq")))
    assert plan.regions[0].color == "" and "no HTML color" in plan.notes[0]
    with pytest.raises(PlanError, match="location of component 1 is 'xyz'; expected one of: in"):
        plan_from_omost(json.dumps(calls(location="xyz")))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distance_to_viewer": 0}, r"add_local_description\[0\].distance_to_viewer: got 0"),
        ({"distance_to_viewer": "near"}, "distance_to_viewer"),
        ({"distance_to_viewer": 10**400}, "a very large number"),
        ({"description": 7}, r"description: got 7, expected string"),
        ({"description": " ., "}, "description of component 1 is empty"),
        ({"tags": ["a"]}, "tags: got a list"),
        ({"detailed_descriptions": "one"}, "detailed_descriptions"),
        ({"detailed_descriptions": ["x"] * 65}, "at most 64 items"),
        ({"description": "x" * 8001}, "at most 8000 characters"),
        ({"weight": 1}, "expected only the keys"),
    ],
)
def test_wrong_values_are_named(changes, said):
    with pytest.raises(PlanError, match=said):
        plan_from_omost(json.dumps(calls(**changes)))


def test_node_gives_plan_regions_and_json():
    from regional_dit.nodes.prompts.omost import ImportOmostCanvas

    plan, regions, masks, preview, plan_json = ImportOmostCanvas.execute(
        CANVAS, " blurry ", "front"
    ).args
    assert plan.negative_prompt == "blurry"
    assert Plan.from_json(plan_json) == plan
    assert len(regions) == 2 and regions.overlap == "front"
    assert tuple(masks.shape) == (2, 512, 512) and tuple(preview.shape) == (1, 512, 512, 3)
    assert masks[1, 256, 256] == 1 and masks[0, 256, 160] == 0  # the cat lies before the window

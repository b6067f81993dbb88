"""Region Editor on the server: plans, masks, boxes, and values from anyone's hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from regional_dit.attention.errors import RegionError
from regional_dit.nodes.regions.editor import RegionEditor
from regional_dit.planner.errors import PlanError
from regional_dit.planner.plan import Plan, RegionPlan

TWO = json.dumps(
    {
        "version": 1,
        "global_prompt": "two things",
        "regions": [
            {"high_level": "a red circle", "box": [0, 0, 0.5, 1], "weight": 1.5},
            {"high_level": "a blue square", "box": [0.25, 0, 1, 1], "order": 1, "color": "#0000ff"},
        ],
    }
)


def run(plan_json: str = TWO, **inputs: Any) -> tuple[Any, dict[str, Any]]:
    """The outputs, and the message for the browser."""
    settings = {"overlap": "front", "use_plan": "new plans", "long_side_px": 512, "token_px": 16}
    done = RegionEditor.execute(**{**settings, **inputs}, plan_json=plan_json)
    assert isinstance(done.ui, dict)
    return done.args, json.loads(done.ui["regional_dit_editor"][0])


def test_drawing_becomes_regions() -> None:
    (regions, plan, text, masks, weights, boxes, elements), message = run()
    assert [region.weight for region in regions.regions] == [1.5, 1.0]
    assert Plan.from_json(text) == plan == Plan.from_json(TWO)
    assert masks.shape == (2, 512, 512)
    assert masks[:, 256, 200].tolist() == [0.0, 1.0], "the second one lies in front"
    assert [box["metadata"]["desc"] for box in boxes[0]] == ["a red circle", "a blue square"]
    assert elements[1]["bbox"] == [0, 250, 1000, 1000]
    assert message["taken"] is False and message["canvas_px"] == [512, 512]
    assert weights.shape[-1] == 3 and weights.shape[1] == weights.shape[2]
    blue = weights[0, 10, -10]
    assert blue[2] > 0.9 and blue[0] < 0.05, "in the colour of the region"


def test_weights_show_the_token_grid() -> None:
    (_, _, _, _, weights, *_), message = run(
        token_px=64, latent={"samples": torch.zeros(1, 4, 32, 96)}
    )
    assert message["canvas_px"] == [768, 256]
    assert weights.shape[1:3] == (256, 768), "4 x 12 tokens of 64 pixels"


def test_painted_mask_and_feather() -> None:
    region: dict[str, Any] = {
        "high_level": "a cat", "box": [0.5, 0, 1, 1],
        "mask": {"width": 2, "height": 1, "runs": "1 1"},
    }  # fmt: skip
    text = json.dumps({"version": 1, "global_prompt": "", "regions": [region]})
    (regions, *_), _ = run(text)
    mask = regions.masks(64, 64)[0]
    assert mask[:, :48].max() == 0 and mask[:, 48:].min() == 1
    region["feather"] = 0.1
    text = json.dumps({"version": 1, "global_prompt": "", "regions": [region]})
    (regions, *_), _ = run(text)
    soft = regions.masks(64, 64)[0]
    assert 0.05 < float(soft[32, 47]) < 0.95


def test_a_plan_is_taken_once() -> None:
    planned = Plan("p", regions=(RegionPlan("planned", box=(0.0, 0.0, 1.0, 0.5)),))
    (_, plan, text, *_), message = run(plan=planned)
    assert message["taken"] and plan.regions[0].high_level == "planned"
    edited = text.replace('"planned"', '"edited"')
    (_, plan, *_), message = run(edited, plan=planned)
    assert not message["taken"] and plan.regions[0].high_level == "edited"
    other = Plan("p", regions=(RegionPlan("new", box=(0.0, 0.0, 1.0, 0.5)),))
    (_, plan, *_), message = run(edited, plan=other)
    assert message["taken"] and plan.regions[0].high_level == "new"
    (_, plan, *_), message = run(edited, plan=other, use_plan="never")
    assert not message["taken"] and plan.regions[0].high_level == "edited"


def test_a_plan_without_boxes_takes_those_of_the_drawing() -> None:
    planned = Plan("p", regions=(RegionPlan("one"), RegionPlan("two")))
    (_, plan, *_), _ = run(plan=planned)
    assert [r.box for r in plan.regions] == [(0, 0, 0.5, 1), (0.25, 0, 1, 1)]
    with pytest.raises(RegionError, match=r"Region 1 of the connected plan has no box"):
        run("", plan=planned)


def test_masks_and_boxes_give_the_shapes() -> None:
    masks = torch.zeros(1, 40, 40)
    masks[0, 20:, :] = 0.7
    boxes = [
        {"x": 256, "y": 0, "width": 256, "height": 512},
        {"x": 0, "y": 0, "width": 9, "height": 9},
    ]
    (regions, plan, *_), message = run(masks=masks, boxes=boxes)
    assert message["shapes"] == 3
    assert [r.high_level for r in plan.regions] == ["a red circle", "a blue square", ""]
    assert plan.regions[0].box == (0, 0.5, 1, 1) and plan.regions[1].box == (0.5, 0, 1, 1)
    assert regions.regions[0].shape.max() == pytest.approx(0.7), "the mask itself, not its cells"


def test_descriptions_are_prompts_where_there_are_none() -> None:
    elements = [{"type": "obj", "bbox": [0, 0, 500, 1000], "desc": "a tree"}] * 3
    (_, plan, *_), _ = run(boxes=elements)
    assert [r.prompt() for r in plan.regions] == ["a red circle", "a blue square", "a tree"]
    assert plan.regions[0].box == (0, 0, 1, 0.5)
    (_, plan, *_), _ = run("", boxes=elements)
    assert [r.prompt() for r in plan.regions] == ["a tree"] * 3


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ("x", "not valid JSON"),
        ([{"x": 1}], "expected boxes with x, y, width and height"),
        ({"x": 900, "y": 0, "width": 5, "height": 5}, "lies outside the canvas of 512 x 512"),
        ({"x": 0, "y": 0, "width": -5, "height": 5}, "is empty or lies outside"),
        ([[{"x": 0, "y": 0, "width": float("nan"), "height": 5}]], "expected boxes with x"),
    ],
)
def test_bad_boxes(boxes: Any, said: str) -> None:
    with pytest.raises(RegionError, match=said):
        run(boxes=boxes)


def plan_of(regions: list[dict[str, Any]]) -> str:
    return json.dumps({"version": 1, "global_prompt": "", "regions": regions})


BAD = {
    "{": "not valid JSON",
    plan_of([{"high_level": "a", "box": [float("nan"), 0, 1, 1]}]): "NaN",
    TWO.replace("0.25", "-3"): r"regions\[1\].box",
    TWO.replace("1.5", "-1"): r"regions\[0\].weight",
    plan_of([{"high_level": "a"}] * 10_000): "64",
    "x" * 2_000_001: "2000001 characters",
}


@pytest.mark.parametrize("text", BAD, ids=[f"{said[:12]}" for said in BAD.values()])
def test_bad_values_are_refused_before_and_while_running(text: str) -> None:
    said = RegionEditor.validate_inputs(plan_json=text)
    assert isinstance(said, str) and len(said) < 400
    with pytest.raises(PlanError, match=BAD[text]):
        run(text)


def test_good_and_linked_values_are_valid() -> None:
    assert RegionEditor.validate_inputs(plan_json=TWO) is True
    assert RegionEditor.validate_inputs(plan_json="") is True
    assert RegionEditor.validate_inputs() is True


def test_nothing_drawn_says_what_to_do() -> None:
    with pytest.raises(RegionError, match="Drag over its canvas"):
        run("")


def test_a_grid_too_large_to_show_is_refused() -> None:
    many = [{"high_level": "a", "box": [0, 0, 1, 1]}] * 9
    with pytest.raises(RegionError, match=r"4096 x 4096 tokens of 4 pixels, too many to show"):
        run(plan_of(many), long_side_px=16384, token_px=4)


def test_markup_in_prompts_is_text() -> None:
    script = "<img src=x onerror=alert(1)>"
    text = TWO.replace("a red circle", script)
    (_, plan, *_), message = run(text)
    assert plan.regions[0].prompt() == script
    assert Plan.from_json(message["plan"]).regions[0].high_level == script

"""forge-couple, prompt-control, InvokeAI, lines with boxes, and telling them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from regional_dit.planner.errors import PlanError
from regional_dit.planner.imports import AUTO, ImportSettings, plan_from_text
from regional_dit.planner.imports.read import format_of
from regional_dit.planner.plan import Plan


def read(text: str, **settings: Any) -> Plan:
    return plan_from_text(text, AUTO, ImportSettings(**settings))


def shown(plan: Plan) -> list[tuple[str, Any]]:
    return [(region.prompt(), region.box) for region in plan.regions]


# forge-couple


def test_tiles_of_lines() -> None:
    text = "2girls, blonde twintails\n\n2girls, white long hair, \n"
    assert shown(read(text)) == [
        ("2girls, blonde twintails", (0, 0, 0.5, 1)),
        ("2girls, white long hair", (0.5, 0, 1, 1)),
    ]
    assert [r.box for r in read(text, direction="rows").regions] == [(0, 0, 1, 0.5), (0, 0.5, 1, 1)]


def test_global_effect() -> None:
    plan = read("a pencil drawing\nmountains\nriver", parts="first is global")
    assert plan.global_prompt == "a pencil drawing" and len(plan.regions) == 2
    plan = read("mountains\nriver\na pencil drawing", parts="last is global")
    assert plan.global_prompt == "a pencil drawing" and len(plan.regions) == 2


@pytest.mark.parametrize(
    "mapping",
    [
        "0.0:1.0 0.0:1.0 1.0\n0:0.5, 0:1, 0.8\n0.5:1 0.25:1",
        "[[0, 1, 0, 1, 1], [0, 0.5, 0, 1, 0.8], [0.5, 1, 0.25, 1]]",
    ],
)
def test_mapping(mapping: str) -> None:
    plan = read("a photo of a couple\na man\na woman", sizes=mapping)
    assert plan.global_prompt == "a photo of a couple"
    assert shown(plan) == [("a man", (0, 0, 0.5, 1)), ("a woman", (0.5, 0.25, 1, 1))]
    assert [region.weight for region in plan.regions] == [0.8, 1.0]


# prompt-control


def test_couple() -> None:
    plan = read("two pets COUPLE MASK(0 0.5, 0 1) a cat COUPLE(0.5 1, 0.25, 0.8) a dog :1.5")
    assert plan.global_prompt == "two pets"
    assert shown(plan) == [("a cat", (0, 0, 0.5, 1)), ("a dog", (0.5, 0.25, 1, 1))]
    assert plan.regions[1].weight == pytest.approx(1.2)
    assert read("dog FILL() COUPLE(0.5 1) cat").global_prompt == "dog"


def test_and_with_masks_and_areas() -> None:
    plan = read("cat MASK(0 256, 0 512) AND dog AREA(512 1024, 0 512) AND a room")
    assert plan.global_prompt == "a room"
    assert shown(plan) == [("cat", (0, 0, 0.5, 1)), ("dog", (0.5, 0, 1, 0.5))]
    plan = read("MASK_SIZE(1000, 500) cat MASK(0 250, 0 250) MASKW(0.5) FEATHER(100) AND dog")
    assert plan.regions[0].box == (0, 0, 0.25, 0.5)
    assert (plan.regions[0].weight, plan.regions[0].feather) == (0.5, 0.1)


def test_masks_of_one_part_are_cut() -> None:
    plan = read("x COUPLE MASK(0 0.6) MASK(0.4 1, 0 0.5) cat")
    assert plan.regions[0].box == (0.4, 0, 0.6, 0.5)


# InvokeAI


def layer(*objects: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "regional_guidance:1", "type": "regional_guidance", "isEnabled": True,
        "position": {"x": 0, "y": 0}, "positivePrompt": "a cat", "negativePrompt": None,
        "objects": list(objects), "referenceImages": [], "autoNegative": True, **changes,
    }  # fmt: skip


def rect(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    return {"type": "rect", "rect": {"x": x, "y": y, "width": width, "height": height}}


def line(kind: str, points: list[float], width: float) -> dict[str, Any]:
    return {"type": kind, "points": points, "strokeWidth": width}


def test_metadata_of_a_picture() -> None:
    layers = [
        layer(rect(0, 0, 256, 512), position={"x": 128, "y": 0}, negativePrompt="old"),
        layer(rect(0, 0, 9, 9), isEnabled=False),
        layer(rect(512, 0, 600, 512), positivePrompt="a dog", referenceImages=[{"id": "x"}]),
    ]
    plan = read(
        json.dumps(
            {
                "positive_prompt": "two pets", "negative_prompt": "blurry",
                "width": 1024, "height": 512,
                "canvas_v2_metadata": {"rasterLayers": [], "regionalGuidance": layers},
            }
        )
    )  # fmt: skip
    assert (plan.global_prompt, plan.negative_prompt) == ("two pets", "blurry")
    assert shown(plan) == [("a cat", (0.125, 0, 0.375, 1)), ("a dog", (0.5, 0, 1, 1))]
    assert plan.regions[0].negative == "old"
    assert ["switched off" in plan.notes[0], "reference images" in plan.notes[1]] == [True, True]


def test_a_list_with_strokes() -> None:
    strokes = layer(
        line("brush_line", [100, 512, 900, 512], 256),
        line("eraser_line", [512, 512, 900, 512], 900),
    )
    plan = read(json.dumps([strokes]))
    (region,) = plan.regions
    assert region.box is not None and region.mask is not None
    x0, y0, x1, y1 = region.box
    assert x0 < 0.01 and 0.36 < y0 < 0.39 and 0.61 < y1 < 0.64 and x1 < 0.2, region.box
    covered = sum(map(sum, region.mask.rows())) / (region.mask.width * region.mask.height)
    assert 0.3 < covered < 1


def test_old_vector_masks_and_pressure() -> None:
    old = {
        "type": "regional_guidance_layer", "positivePrompt": "a cat", "x": 0, "y": 0,
        "maskObjects": [{"type": "vector_mask_rect", "x": 0, "y": 512, "width": 512,
                         "height": 512}],
    }  # fmt: skip
    pressed = layer(line("brush_line_with_pressure", [512, 512, 0.5, 600, 512, 0.9], 64))
    plan = read(json.dumps({"layers": [old, pressed]}))
    assert plan.regions[0].box == (0, 0.5, 0.5, 1)
    assert plan.regions[1].box is not None and plan.regions[1].box[0] > 0.4


# Lines with boxes


def test_lines_with_places() -> None:
    plan = read(
        "# two pets\na cat @ left\na (red:1.2) dog @ 0.5, 0, 1, 50%\na bird @ top right\n"
        "@ two pets in a room"
    )
    assert plan.global_prompt == "two pets in a room"
    assert shown(plan) == [
        ("a cat", (0, 0, 0.5, 1)), ("a (red:1.2) dog", (0.5, 0, 1, 0.5)),
        ("a bird", (0.5, 0, 1, 0.5)),
    ]  # fmt: skip
    assert [region.order for region in plan.regions] == [0, 1, 2]


def test_lines_without_places_are_columns() -> None:
    plan = plan_from_text("a\nb\nc\nd", "prompt @ box", ImportSettings())
    assert [r.box for r in plan.regions] == [(k / 4, 0, (k + 1) / 4, 1) for k in range(4)]


# All of them

TELLING = {
    "a ADDCOL b": "Regional Prompter",
    "a BREAK b": "Regional Prompter",
    "a COUPLE b": "prompt-control",
    "cat MASK(0 1) AND dog": "prompt-control",
    ' {"regionalGuidance": []}': "InvokeAI",
    "a cat @ left": "prompt @ box",
    "a\nb": "forge-couple",
}


@pytest.mark.parametrize("text", TELLING)
def test_formats_are_told_apart(text: str) -> None:
    assert format_of(text) == TELLING[text]


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("", {}, "The text is empty"),
        ("a cat", {}, "The text tells no format"),
        ("a\nb", {"sizes": "0:1 0:1"}, "1 rows for 2 lines"),
        ("a\nb", {"sizes": "0:1\n0:1"}, "Row 1 of the mapping is"),
        ("a\nb", {"sizes": "0.5:0.2 0:1\n0:1 0:1"}, "Row 1 of the mapping is wrong"),
        ("a\nb", {"sizes": "0:0.5 0:1 11\n0:1 0:1"}, "The weight in row 1"),
        ("a\nb", {"sizes": "[1, 2"}, "not valid JSON"),
        ("a\nb", {"sizes": "0:1 0:1\n0:1 0:1"}, "holds no lines"),
        ("a\nb", {"sizes": "0:1 0:1\n0:1 0:1", "direction": "rows"}, "direction is 'rows'"),
        ("{x:words} a\nb", {}, "defines common prompts"),
        ("a COUPLE b", {}, "No part of the text has a place"),
        ("a COUPLE(0 0.5) b", {"sizes": "1,1"}, "sizes is '1,1', which prompt-control has no use"),
        ("a COUPLE(0 0.5)", {}, "has a mask and no prompt"),
        ("a COUPLE(0 200) b", {}, "x0 < x1|mixed"),
        ("a COUPLE(0.5 200) b", {}, "cannot be mixed"),
        ("a COUPLE(0 x) b", {}, "expected numbers from 0 up"),
        ("a COUPLE IMASK(0) b", {}, "names a mask from outside"),
        ("a COUPLE(0 0.5) TE(l=cat) b", {}, r"'TE\(l=cat\)' is not read"),
        ("a COUPLE(0 0.5 [cat:dog:0.5] b", {}, "changes over time"),
        ("a COUPLE(0 0.5 b", {}, "has no end"),
        ("a COUPLE(0 0.5) MASK(0.6 1) b", {}, "shares nothing"),
        ("a COUPLE(0 0.5) MASK(0 1, 0 1, 1, add) b", {}, "combines masks by 'add'"),
        ("a COUPLE(0 0.5, 0 1, 0) b", {}, "The weight of 'b' is 0"),
        ("a cat @ left\na dog", {}, "Line 2 names no place"),
        ("a cat @ nowhere", {}, "The place in line 1 is 'nowhere'"),
        ("a cat @ 0 0 2 1", {}, "The place in line 1 is wrong"),
        ("a cat @ 0 0 . 1", {}, "The place in line 1"),
        ("[]", {}, "holds no regions"),
        ("{}", {}, "holds no regions"),
        (json.dumps([layer(isEnabled=False)]), {}, "switched off"),
        (json.dumps([layer()]), {}, "has no objects"),
        (json.dumps([layer({"type": "image"})]), {}, "connect the mask"),
        (json.dumps([layer(rect(0, 0, 9, 9), positivePrompt="")]), {}, "no positive prompt"),
        (json.dumps([layer(rect(2000, 0, 9, 9))]), {}, "outside of the picture"),
        (json.dumps([layer(rect(0, 0, 1e9, 9))]), {}, "expected a number of pixels"),
    ],
)  # fmt: skip
def test_errors_in_words(text: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read(text, **settings)

"""Texts of other programs from anyone's hand: a plan that fits its own schema, or a sentence."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from random_cases import RAN
from random_files import is_a_sentence, spoiled, texts
from regional_dit.planner.errors import PlanError
from regional_dit.planner.imports import AUTO, DIRECTIONS, FORMATS, PARTS, ImportSettings
from regional_dit.planner.imports import plan_from_text as read
from regional_dit.planner.layout.place_words import box_of_words, words_of_box
from regional_dit.planner.plan import Plan

WORDS = (
    "a cat", "BREAK", "ADDCOL", "ADDROW", "ADDBASE", "ADDCOMM", "COUPLE", "AND", "MASK(0 0.5)",
    "MASK(0 256, 0 512, 0.7)", "COUPLE(0.5 1, 0 1)", "AREA(0 0.5, 0.5 1)", "FEATHER(9)", "FILL()",
    "IMASK(0)", "@ left", "@ 0 0 .5 1", "@", "<lora:x:1>", ":1.2", "[a:b:0.5]", "\n", "\n", ",",
    "(", "MASK_SIZE(64, 64)", "#", "MASK(", ")",
)  # fmt: skip
prompts = st.lists(st.one_of(st.sampled_from(WORDS), texts), max_size=12).map(" ".join)
sizes = st.one_of(
    st.just(""),
    st.lists(st.sampled_from([*"12,;:x", "0.5", "-1"]), max_size=12).map(" ".join),
    st.lists(st.sampled_from([*"12,;:", "0.5"]), max_size=12).map("".join),
    st.sampled_from(["1,1", "1,2,1,1;2,4,6", "0:0.5 0:1 1\n0.5:1 0:1", "[[0,0.5,0,1,1]]"]),
)  # fmt: skip
LAYERS = {
    "positive_prompt": "two pets", "width": 512, "height": 256,
    "canvas_v2_metadata": {
        "regionalGuidance": [
            {
                "type": "regional_guidance", "isEnabled": True, "position": {"x": 8, "y": 0},
                "positivePrompt": "a cat", "negativePrompt": "old",
                "objects": [
                    {"type": "rect", "rect": {"x": 0, "y": 0, "width": 100, "height": 200}},
                    {"type": "brush_line", "points": [10, 10, 200, 99], "strokeWidth": 40},
                    {"type": "eraser_line", "points": [10, 10], "strokeWidth": 20},
                ],
            }
        ]
    },
}  # fmt: skip


def read_or_refused(text: str, format_name: str, settings: ImportSettings) -> None:
    RAN["examples"] += 1
    try:
        plan = read(text, format_name, settings)
    except PlanError as error:
        assert is_a_sentence(error)
        return
    assert 1 <= len(plan.regions) <= 64
    assert all(region.box is not None and region.prompt() for region in plan.regions)
    try:
        assert Plan.from_json(plan.to_json()) == plan
    except PlanError as error:  # a broken character, which only JSON finds
        assert "surrogate" in str(error)


@example("a BREAK b", AUTO, "columns", "1,2,1,1;2,4,6", PARTS[0], "x BREAK y")
@example("a COUPLE(0 0.5) b", AUTO, "columns", "", PARTS[0], "")
@example("(" * 30_000 + "MASK(" * 30_000, "prompt-control", "columns", "", PARTS[0], "")
@example("[" * 60_000 + ":", "prompt-control", "columns", "", PARTS[0], "")
@example("a @ " + "0 " * 30_000, "prompt @ box", "columns", "", PARTS[0], "")
@example("<lora:" * 30_000, "Regional Prompter", "columns", "", PARTS[0], "")
@example(" , BREAK" * 20_000, "prompt-control", "columns", "", PARTS[0], "")
@given(
    prompts,
    st.sampled_from(FORMATS),
    st.sampled_from(DIRECTIONS),
    sizes,
    st.sampled_from(PARTS),
    st.one_of(st.just(""), prompts),
)
def test_any_text_is_read_or_refused(
    text: str, format_name: str, direction: str, sizes: str, parts: str, negative: str
) -> None:
    settings = ImportSettings(direction, sizes, parts, negative_prompt=negative)
    read_or_refused(text, format_name, settings)


@given(spoiled(LAYERS))
def test_any_canvas_is_read_or_refused(value: object) -> None:
    read_or_refused(json.dumps(value), "InvokeAI", ImportSettings())


edges = st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted)


@given(edges, edges)
def test_words_of_a_box_lead_back_near_it(xs: list[int], ys: list[int]) -> None:
    RAN["examples"] += 1
    box = (xs[0] / 1000, ys[0] / 1000, xs[1] / 1000, ys[1] / 1000)
    words = words_of_box(box)
    plain = words.removeprefix("at the ").removeprefix("on the ").removeprefix("in the ")
    named = box_of_words("whole" if words == "across the picture" else plain)
    assert named is not None, words
    for axis in (0, 1):
        middle = (box[axis] + box[axis + 2]) / 2
        if box[axis + 2] - box[axis] < 0.75 and (named[axis], named[axis + 2]) != (0.0, 1.0):
            assert named[axis] - 0.15 <= middle <= named[axis + 2] + 0.15, words

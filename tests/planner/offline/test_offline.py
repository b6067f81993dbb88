"""What the offline planner writes: the exact prompts, the notes, and that no text breaks it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.planner.errors import PlanError
from regional_dit.planner.layout.cells import reading_order, split_cells
from regional_dit.planner.layout.placement import Item, Place, assign
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.plan import Plan

HALVES = split_cells(2, "W")
DEMO = "a red circle on the left and a blue square on the right, black background"


def prompts(plan: Plan) -> list[str]:
    return [region.prompt() for region in plan.regions]


def test_demo_sentence():
    plan = plan_offline(DEMO, None, HALVES)
    assert prompts(plan) == [
        "a red circle on black background",
        "a blue square on black background",
    ]
    assert plan.global_prompt == "a red circle and a blue square on black background"
    assert plan.background == "on black background"
    assert plan.notes == ()
    first = plan.regions[0]
    assert (first.high_level, first.low_level) == ("a circle on black background", "red")
    assert (first.instance, first.attributes, first.box) == ("circle", ("red",), HALVES[0])


def test_demo_lists():
    four = "a red circle, a blue square, a green triangle and a yellow circle on gray background"
    plan = plan_offline(four, None, split_cells(4, "grid"))
    assert prompts(plan) == [
        "a red circle on gray background",
        "a blue square on gray background",
        "a green triangle on gray background",
        "a yellow circle on gray background",
    ]
    assert plan.global_prompt == four
    colours = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white", "red")
    shapes = ("circle", "square", "triangle") * 3
    things = [
        f"{'an' if c == 'orange' else 'a'} {c} {s}" for c, s in zip(colours, shapes, strict=True)
    ]
    nine = ", ".join(things) + ", pink background"
    plan = plan_offline(nine, None, split_cells(9, "grid"))
    assert prompts(plan) == [f"{thing} on pink background" for thing in things]


def test_interior_of_the_paper():
    text = (
        "a room with green walls, an orange tree outside the window, a blue chair on the left and "
        "a red chair on the right"
    )
    plan = plan_offline(text, None, split_cells(4, "grid"))
    assert prompts(plan) == [
        "green walls in a room",
        "an orange tree outside the window in a room",
        "a blue chair in a room",
        "a red chair in a room",
    ]
    assert plan.global_prompt == (
        "a room with green walls, an orange tree outside the window, a blue chair and a red chair"
    )


@pytest.mark.parametrize(
    ("text", "background", "region"),
    [
        ("a cat and a dog on a black background", "on a black background",
         "a cat on a black background"),
        ("a cat and a dog, in a kitchen", "in a kitchen", "a cat in a kitchen"),
        ("a cat and a dog in a kitchen", "in a kitchen", "a cat in a kitchen"),
        ("in a kitchen, a cat and a dog", "in a kitchen", "a cat in a kitchen"),
        ("a cat and a dog. The background is blue.", "with blue background",
         "a cat with blue background"),
        ("a cat and a dog, background: a starry sky", "with a starry sky",
         "a cat with a starry sky"),
        ("a kitchen with a cat and a dog", "in a kitchen", "a cat in a kitchen"),
        ("a cat in a hat and a dog", "", "a cat in a hat"),
        ("a cat and a dog against a plain white backdrop", "against a plain white backdrop",
         "a cat against a plain white backdrop"),
        ("一只猫和一只狗，背景是蓝色", "蓝色背景", "一只猫，蓝色背景"),
        ("在厨房里，一只猫和一只狗", "在厨房里", "一只猫，在厨房里"),
    ],
)  # fmt: skip
def test_background_goes_to_every_region(text, background, region):
    plan = plan_offline(text, None, HALVES)
    assert plan.background == background
    assert plan.regions[0].prompt() == region


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("a cat on the left, a dog on the right, watercolor style", "watercolor style"),
        ("a cat and a dog, in the style of Monet", "the style of Monet"),
        ("a cat and a dog in watercolor style", "watercolor style"),
        ("a watercolor painting of a cat and a dog", "watercolor painting"),
        ("a cat and a dog, oil painting", "oil painting"),
        ("一只猫和一只狗，水彩风格", "水彩风格"),
    ],
)
def test_style_goes_to_the_global_prompt_and_every_low_level(text, style):
    plan = plan_offline(text, None, HALVES)
    assert plan.global_prompt.endswith(style)
    assert all(region.low_level.endswith(style) for region in plan.regions)
    assert all(region.prompt().endswith(style) for region in plan.regions)
    assert not any(style in region.high_level for region in plan.regions)


def test_too_few_things():
    plan = plan_offline("a red circle on black background", None, split_cells(4, "grid"))
    assert prompts(plan)[1:] == ["black background"] * 3
    assert "other 3 get the background" in plan.notes[0]
    plan = plan_offline("a red circle", 2)
    assert prompts(plan) == ["a red circle"] * 2
    assert "get the whole prompt" in plan.notes[0]


def test_too_many_things_share_and_say_so():
    plan = plan_offline("a cat, a dog and a bird", 2)
    assert prompts(plan) == ["a cat", "a dog and a bird"]
    assert any("names 3 things for 2 region(s)" in note for note in plan.notes)


def test_says_what_it_could_not_place():
    plan = plan_offline("a cat at the top and a dog at the bottom", None, HALVES)
    assert len(plan.notes) == 2 and '"a cat" should lie "at the top"' in plan.notes[0]
    plan = plan_offline("a cat on the left and a dog on the left", None, HALVES)
    assert len(plan.notes) == 1 and "dog" in plan.notes[0]
    plan = plan_offline("on the left.", 2)
    assert "No object was found" in " ".join(plan.notes)


def test_order_follows_depth():
    plan = plan_offline("a castle in the background and a knight in the foreground")
    assert [(r.instance, r.order) for r in plan.regions] == [("castle", -1), ("knight", 1)]
    plan = plan_offline("a man in front of a car")
    assert {r.instance: r.order for r in plan.regions} == {"man": 1, "car": 0}


def test_cells_in_any_order_keep_their_index():
    cells = (HALVES[1], HALVES[0])
    assert prompts(plan_offline(DEMO, None, cells))[0].startswith("a blue square")


def test_split_without_cells():
    for split, cells in (("W", split_cells(3, "W")), ("H", split_cells(3, "H"))):
        plan = plan_offline("a cat, a dog, a bird", 3, split=split)
        assert tuple(region.box for region in plan.regions) == cells


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "empty"),
        (("   \n",), "empty"),
        (("x" * 8001,), "8001 characters"),
        (("a cat", 0), "0 regions"),
        (("a cat", 65), "65 regions"),
        (("a cat", None, ()), "0 regions"),
        (("a cat", None, ((0, 0, 2, 1),)), "box"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(PlanError, match=message):
        plan_offline(*arguments)


VOCABULARY = (
    "a the red blue cat dogs on in to left right top corner of and , ; . : with between behind "
    "three 7 the background black style watercolor is it there kitchen under two made row 1 "
    "左 右 边 的 和 在 一只 猫 红色 背景 之间 ， 。 有 \n \t - 左上角 三只 风格"
)
words = st.sampled_from(VOCABULARY.split(" "))


@given(
    st.lists(words, min_size=1, max_size=25).map(" ".join) | st.text(min_size=1, max_size=120),
    st.none() | st.integers(1, 12),
    st.sampled_from([None, "W", "H", "grid"]),
)
def test_any_text_gives_a_valid_plan(text, n, split):
    if not text.strip():
        return
    plan = plan_offline(text, n, split=split)
    assert n is None or len(plan.regions) == n
    assert all(region.prompt() and region.box for region in plan.regions)
    if not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "text",
    [
        "a " * 4000, "and " * 2000, "between a and b " * 500, "on the left " * 660,
        "a cat, " * 1100, "x" * 8000, "a very " * 1000 + "cat", "左边" * 4000, "一只猫和" * 2000,
        "在" * 8000, "的" * 8000, "a-" * 4000,
        "in a " * 1500 + "kitchen", "left of " * 990 + "a cat",
        "a cat left of a dog, " * 380, "the cat is on the left. " * 330, "(" * 8000,
        "one on the left, " * 460,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_long_texts_take_no_long_time(text):
    started = time.process_time()  # of this process: other work on the machine does not count
    plan_offline(text, 4)
    assert time.process_time() - started < 3


def test_assignment_is_optimal_and_stable():
    cells = split_cells(64, "grid")
    assert reading_order(cells) == list(range(64))
    items = [Item(Place(row=i // 8, column=i % 8)) for i in reversed(range(64))]
    assert assign(items, cells) == list(reversed(range(64)))
    assert assign([Item()] * 64, cells) == list(range(64))

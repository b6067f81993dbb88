"""A1111's Regional Prompter, by the examples of its own guide."""

from __future__ import annotations

from typing import Any

import pytest
from regional_dit.planner.errors import PlanError
from regional_dit.planner.imports import ImportSettings, plan_from_text
from regional_dit.planner.plan import Box, Plan


def read(text: str, **settings: Any) -> Plan:
    return plan_from_text(text, "Regional Prompter", ImportSettings(**settings))


def boxes(plan: Plan) -> list[Box]:
    return [
        tuple(pytest.approx(edge) for edge in region.box or ())  # type: ignore[misc]
        for region in plan.regions
    ]


def prompts(plan: Plan) -> list[str]:
    return [region.prompt() for region in plan.regions]


def test_three_rows_from_top_to_bottom() -> None:
    plan = read(
        "green hair twintail BREAK\nred blouse BREAK\nblue skirt", direction="rows", sizes="1,1,1"
    )
    assert prompts(plan) == ["green hair twintail", "red blouse", "blue skirt"]
    third = 1 / 3
    assert boxes(plan) == [(0, 0, 1, third), (0, third, 1, 2 * third), (0, 2 * third, 1, 1)]
    assert plan.notes == () and plan.global_prompt == ""


def test_unequal_columns() -> None:
    plan = read("a BREAK b BREAK c", sizes="3,1,1")
    assert boxes(plan) == [(0, 0, 0.6, 1), (0.6, 0, 0.8, 1), (0.8, 0, 1, 1)]


GUIDE = """(blue sky:1.2) ADDCOL
green hair twintail ADDCOL
(aquarium:1.3) ADDROW
(messy desk:1.2) ADDCOL
orange dress and sofa"""
GUIDE_BOXES = [
    (0, 0, 0.5, 1 / 3), (0.5, 0, 0.75, 1 / 3), (0.75, 0, 1, 1 / 3),
    (0, 1 / 3, 0.4, 1), (0.4, 1 / 3, 1, 1),
]  # fmt: skip


def test_rows_of_columns_as_in_the_guide() -> None:
    plan = read(GUIDE, sizes="1,2,1,1;2,4,6")
    assert prompts(plan)[0] == "(blue sky:1.2)" and prompts(plan)[4] == "orange dress and sofa"
    assert boxes(plan) == GUIDE_BOXES


def test_the_ratio_alone_lays_out_break() -> None:
    text = GUIDE.replace("ADDCOL", "BREAK").replace("ADDROW", "BREAK")
    assert boxes(read(text, sizes="1,2,1,1;2,4,6")) == GUIDE_BOXES


def test_columns_of_rows() -> None:
    plan = read("a ADDROW b ADDCOL c", direction="rows", sizes="1;3;1,2;1")
    assert boxes(plan) == [(0, 0, 1 / 3, 0.75), (0, 0.75, 1 / 3, 1), (1 / 3, 0, 1, 1)]


def test_rows_with_one_row_of_columns() -> None:
    text = (
        "fantasy ADDCOMM\nsky ADDROW\ncastle ADDROW\nstreet stalls ADDCOL\n"
        "2girls eating ADDCOL\nstreet stalls"
    )
    plan = read(text)
    assert prompts(plan)[0] == "fantasy, sky" and prompts(plan)[3] == "fantasy, 2girls eating"
    assert plan.global_prompt == "fantasy"
    assert boxes(plan)[:2] == [(0, 0, 1, 1 / 3), (0, 1 / 3, 1, 2 / 3)]
    assert boxes(plan)[2] == (0, 2 / 3, 1 / 3, 1)


@pytest.mark.parametrize("direction", ["columns", "rows"])
def test_one_key_alone_goes_its_own_way(direction: str) -> None:
    down = read("a ADDROW b", direction=direction, sizes="1,3")
    assert boxes(down) == [(0, 0, 1, 0.25), (0, 0.25, 1, 1)]
    across = read("a ADDCOL b", direction=direction, sizes="1,3")
    assert boxes(across) == [(0, 0, 0.25, 1), (0.25, 0, 1, 1)]


def test_rows_by_semicolons() -> None:
    assert boxes(read("a BREAK b", sizes="1;3")) == [(0, 0, 1, 0.25), (0, 0.25, 1, 1)]


def test_base_and_common() -> None:
    plan = read("masterpiece ADDCOMM\na room ADDBASE\na cat ADDCOL a dog")
    assert plan.global_prompt == "masterpiece, a room"
    assert prompts(plan) == ["masterpiece, a cat", "masterpiece, a dog"]
    plan = read("a room BREAK a cat BREAK a dog", parts="first is global")
    assert (plan.global_prompt, prompts(plan)) == ("a room", ["a cat", "a dog"])
    plan = read("best BREAK a cat BREAK a dog", parts="first goes before each")
    assert (plan.global_prompt, prompts(plan)) == ("best", ["best, a cat", "best, a dog"])
    plan = read("a cat BREAK a dog BREAK a room", parts="last is global")
    assert (plan.global_prompt, prompts(plan)) == ("a room", ["a cat", "a dog"])


def test_what_is_left_out_is_said() -> None:
    plan = read("a cat <lora:cats:0.8> BREAK fur ADDCOL a dog", sizes="1,2,3")
    assert prompts(plan) == ["a cat, fur", "a dog"]
    assert len(plan.notes) == 3
    assert "LoRA" in plan.notes[0] and "BREAK" in plan.notes[1] and "do not fit" in plan.notes[2]
    assert boxes(plan) == [(0, 0, 0.5, 1), (0.5, 0, 1, 1)], "equal where the ratios do not fit"


def test_negative_prompts_per_region() -> None:
    plan = read("a cat BREAK a dog", negative_prompt="old BREAK wet")
    assert [region.negative for region in plan.regions] == ["old", "wet"]
    assert read("a BREAK b", negative_prompt="blurry").negative_prompt == "blurry"


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("a BREAK BREAK b", {}, "Part 2 of 3 regions is empty"),
        (" BREAK ".join("a" * 65), {}, "has 65 regions; expected at most 64"),
        ("a BREAK b", {"sizes": "1,x"}, "The ratios are '1,x'; expected numbers"),
        ("a BREAK b", {"sizes": "1,0"}, "expected numbers above 0"),
        ("a BREAK b", {"sizes": "1,nan"}, "expected numbers above 0"),
        ("a BREAK b", {"sizes": "1," * 3000}, "expected a few numbers"),
        ("a ADDP b", {}, "ADDP asks for masks from words"),
        ("a BREAK b", {"negative_prompt": "x BREAK y BREAK z"}, "3 parts for 2 regions"),
    ],
)
def test_errors_in_words(text: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read(text, **settings)

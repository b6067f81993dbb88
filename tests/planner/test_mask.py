"""Painted masks in a plan: round trips, limits, and plans without them stay as they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.planner.errors import PlanError
from regional_dit.planner.mask import MAX_RUNS_TEXT, RegionMask
from regional_dit.planner.plan import Plan, RegionPlan


@st.composite
def cells(draw):
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    bits[draw(st.integers(0, len(bits) - 1))] = True
    return [bits[i : i + width] for i in range(0, len(bits), width)]


@given(cells())
def test_round_trip(rows):
    mask = RegionMask.from_rows(rows)
    assert mask.rows() == rows
    region = RegionPlan("a cat", box=(0, 0, 0.5, 1), mask=mask, color="#a0B1c2", locked=True)
    plan = Plan("cats", regions=(region,), source="abc")
    assert Plan.from_json(plan.to_json()) == plan


def test_written_by_hand():
    assert RegionMask(4, 2, "2 2 2 2").rows() == [[False, False, True, True]] * 2
    assert RegionMask(2, 1, "0 1 1").rows() == [[True, False]]


def test_a_plan_without_a_drawing_has_no_keys_of_it():
    plan = Plan("cats", regions=(RegionPlan("a cat", box=(0, 0, 0.5, 1)),))
    text = plan.to_json()
    assert not {"mask", "color", "locked", "feather", "source"} & set(json.loads(text))
    assert not {"mask", "color", "locked", "feather"} & set(json.loads(text)["regions"][0])


def test_largest_mask_fits_the_limit():
    rows = [[(x + y) % 2 == 0 for x in range(128)] for y in range(128)]
    mask = RegionMask.from_rows(rows)
    assert len(mask.runs) <= MAX_RUNS_TEXT
    assert RegionMask(128, 128, mask.runs).rows() == rows


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ({"width": 129, "height": 1, "runs": "0 129"}, "129, expected at most 128"),
        ({"width": 0, "height": 1, "runs": "0"}, "0, expected at least 1"),
        ({"width": 2, "height": 2, "runs": "0 5"}, "add up to 5; expected 2 x 2 = 4"),
        ({"width": 2, "height": 2, "runs": "4"}, "A mask is empty"),
        ({"width": 2, "height": 2, "runs": "-1 5"}, "run lengths separated by single blanks"),
        ({"width": 2, "height": 2, "runs": "<b>"}, "run lengths separated by single blanks"),
        ({"width": 2, "height": 2, "runs": "4 " * 20000}, "expected at most 32832 characters"),
        ({"width": 2, "height": 2}, "the key 'runs' too"),
        ({"width": True, "height": 2, "runs": "0 2"}, "true, expected integer"),
    ],
)
def test_bad_masks(mask, said):
    region = {"high_level": "", "box": [0, 0, 1, 1], "mask": mask}
    text = json.dumps({"version": 1, "global_prompt": "", "regions": [region]})
    with pytest.raises(PlanError, match=said):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"color": "red"}, "color is 'red'; expected #rrggbb"),
        ({"color": "#12345g"}, "expected #rrggbb"),
        ({"feather": 2}, "expected at most 1"),
        ({"locked": 1}, "expected boolean"),
        ({"box": None, "mask": {"width": 1, "height": 1, "runs": "0 1"}}, "a mask but no box"),
    ],
)
def test_bad_drawings(change, said):
    region = {"high_level": "", "box": [0, 0, 1, 1], **change}
    text = json.dumps({"version": 1, "global_prompt": "", "regions": [region]})
    with pytest.raises(PlanError, match=said):
        Plan.from_json(text)

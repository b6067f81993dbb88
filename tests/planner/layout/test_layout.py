"""Boxes with sense: sizes, wide things, depth, copies, the canvas, and why."""

from __future__ import annotations

import pytest
from regional_dit.planner.layout.boxes import divided
from regional_dit.planner.layout.cells import grid_counts, split_cells
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.plan import Plan


def boxes(text: str, **options):
    return {r.prompt(): r.box for r in plan_offline(text, **options).regions}


def area(box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def test_wide_things_reach_across():
    found = boxes("a blue sky, a cat and a dog")
    assert found["a blue sky"] == (0, 0, 1, 0.5)
    assert found["a cat"] == (0, 0.5, 0.5, 1) and found["a dog"] == (0.5, 0.5, 1, 1)
    many = boxes("four cups, two plates and a blue sky", aspect=1.6)
    assert many["a blue sky"][:3:2] == (0, 1)


@pytest.mark.parametrize(
    ("text", "small", "large"),
    [
        ("a small dog and a huge elephant", "a small dog", "a huge elephant"),
        ("a tiny bird above a castle", "a tiny bird", "a castle"),
        ("ein kleiner Hund und ein riesiger Elefant", "ein kleiner Hund", "ein riesiger Elefant"),
        ("一只小狗和一头巨大的大象", "一只小狗", "一头巨大的大象"),
    ],
)
def test_sizes_follow_the_words(text, small, large):
    found = boxes(text)
    assert area(found[large]) > 1.5 * area(found[small])
    assert sum(map(area, found.values())) == pytest.approx(1.0, abs=1e-5)


def test_depth_overlaps():
    plan = plan_offline("a man in front of a car")
    man, car = (next(r for r in plan.regions if r.instance == n) for n in ("man", "car"))
    assert man.order > car.order
    assert car.box == (0, 0, 1, 1) and area(man.box) < 0.7
    assert man.box[3] == 1 and man.why == 'in front of "a car"' and "behind" in car.why


def test_things_without_relation_get_even_cells():
    assert tuple(boxes("a cat, a dog and a bird").values()) == split_cells(3, "W")
    assert tuple(boxes("a cat, a dog and a bird", aspect=0.5).values()) == split_cells(3, "H")
    assert (
        grid_counts(4) == (2, 2)
        and grid_counts(4, 4.0) == (4,)
        and grid_counts(4, 0.25) == (1,) * 4
    )


def test_members_of_a_group_share_its_cell():
    plan = plan_offline("three cats on top of a wall")
    cats = [r.box for r in plan.regions if r.instance == "cat"]
    wall = next(r.box for r in plan.regions if r.instance == "wall")
    assert len(cats) == 3 and all(box[3] <= wall[1] + 1e-6 for box in cats)
    assert len({round(area(box), 4) for box in cats}) == 1


def test_divided_boxes_fill_the_box():
    for copies in range(1, 13):
        parts = divided((0.2, 0.1, 0.8, 0.6), copies, 1.5)
        assert len(parts) == copies
        assert sum(map(area, parts)) == pytest.approx(0.3, abs=1e-4)


def test_given_cells_are_never_touched():
    cells = split_cells(2, "W")
    plan = plan_offline("a tiny man in front of a huge car", None, cells)
    assert tuple(r.box for r in plan.regions) == cells and not any(r.why for r in plan.regions)
    plan = plan_offline("a tiny man in front of a huge car", split="H")
    assert tuple(r.box for r in plan.regions) == split_cells(2, "H")


def test_reasons_are_part_of_the_plan():
    plan = plan_offline("a tall lamp on the left, two cats, a sky")
    why = {region.instance: region.why for region in plan.regions}
    assert why["tall lamp" if "tall lamp" in why else "lamp"] == 'said to be "on the left"; tall'
    assert why["sky"] == "usually at the top"
    assert Plan.from_json(plan.to_json()) == plan

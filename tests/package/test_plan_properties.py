"""Plan JSON and Omost canvases, right and spoiled at any place: a plan, or a sentence."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_cases import RAN
from random_files import is_a_sentence, json_values, numbers, spoiled, texts
from random_plans import drawings, words
from random_regions import check_regions
from regional_dit.attention.errors import RegionalError
from regional_dit.nodes.regions.plan_regions import regions_of
from regional_dit.planner.errors import PlanError
from regional_dit.planner.omost.plan import AREAS, LOCATIONS, OFFSETS, plan_from_omost
from regional_dit.planner.plan import Plan

MANY = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def check_plan(plan: Plan) -> None:
    """What every plan must be, whatever made it."""
    assert Plan.from_json(plan.to_json()) == plan
    assert len(plan.fingerprint()) == 16
    for region in plan.regions:
        assert all(isinstance(region.prompt(level), str) for level in ("both", "high", "low"))
    try:
        regions = regions_of(plan)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    check_regions(regions)


@MANY
@given(drawings().flatmap(lambda drawing: spoiled(drawing, most=3)))
def test_any_plan_is_read_or_refused(content: Any) -> None:
    RAN["examples"] += 1
    try:
        plan = Plan.from_json(json.dumps(content))
    except PlanError as error:
        assert is_a_sentence(error) and len(str(error)) < 700
        return
    check_plan(plan)


names = st.one_of(
    st.sampled_from([*LOCATIONS, *OFFSETS, *AREAS, "on the lefft", "red", "skyblue"]), texts
)
components = st.fixed_dictionaries(
    {
        "location": st.sampled_from([*LOCATIONS]),
        "area": st.sampled_from([*AREAS]),
        "distance_to_viewer": st.integers(1, 10) | st.floats(1e-9, 1e9),
        "description": words,
    },
    optional={
        "offset": st.sampled_from([*OFFSETS]),
        "detailed_descriptions": st.lists(words, max_size=3),
        "tags": words,
        "atmosphere": words,
        "style": words,
        "quality_meta": words,
        "HTML_web_color_name": st.sampled_from(["red", "skyblu", "no color"]) | words,
    },
)
calls = st.fixed_dictionaries(
    {
        "set_global_description": st.fixed_dictionaries(
            {"description": words},
            optional={"detailed_descriptions": st.lists(words, max_size=3), "tags": words},
        ),
        "add_local_description": st.lists(components, min_size=1, max_size=4),
    }
)
whole = st.sampled_from([int, float])
cells = st.tuples(whole, st.integers(0, 90)).map(lambda pair: pair[0](pair[1]))
levels = st.tuples(whole, st.integers(0, 255)).map(lambda pair: pair[0](pair[1]))
conditions = st.lists(
    st.fixed_dictionaries(
        {
            "rect": st.lists(cells, min_size=4, max_size=4),
            "prefixes": st.lists(words, min_size=1, max_size=3),
        },
        optional={
            "suffixes": st.lists(words, max_size=3),
            "color": st.lists(levels, min_size=3, max_size=3),
        },
    ),
    min_size=1,
    max_size=4,
).map(lambda found: [{**found[0], "rect": [0, 90, 0, 90]}, *found])


def as_python(canvas: dict[str, Any]) -> str:
    """The canvas as Omost's model writes it."""

    def arguments(values: dict[str, Any]) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in values.items())

    lines = ["canvas = Canvas()"]
    lines.append(f"canvas.set_global_description({arguments(canvas['set_global_description'])})")
    lines += [
        f"canvas.add_local_description({arguments(component)})"
        for component in canvas["add_local_description"]
    ]
    return "\n".join(lines)


def read(text: str) -> Plan | None:
    try:
        return plan_from_omost(text)
    except PlanError as error:
        assert is_a_sentence(error) and len(str(error)) < 1500
        return None


@MANY
@given(calls)
def test_a_canvas_means_the_same_in_both_of_its_forms(canvas: dict[str, Any]) -> None:
    RAN["examples"] += 1
    plan = read(json.dumps(canvas))
    assert read(as_python(canvas)) == plan
    fenced = f"Here you are:\n```python\n{as_python(canvas)}\n```\nEnjoy!"
    assert "```" in as_python(canvas) or read(fenced) == plan
    if plan is not None:
        check_plan(plan)
        assert len(plan.regions) == len(canvas["add_local_description"])
        assert sorted(region.order for region in plan.regions) == list(range(len(plan.regions)))


@MANY
@example(
    [
        {"rect": [0, 90, 0, 90], "prefixes": ["a"]},
        {"rect": [0.0, 90.0, 0.0, 45.0], "prefixes": ["b"], "color": [1.0, 2.0, 255.0]},
    ]
)
@given(st.one_of(calls, conditions).flatmap(lambda canvas: spoiled(canvas, most=2)))
def test_any_canvas_is_read_or_refused(canvas: Any) -> None:
    RAN["examples"] += 1
    plan = read(json.dumps(canvas))
    if plan is not None:
        assert plan.regions
        check_plan(plan)


python_values = st.one_of(json_values, names, numbers).map(repr)


@MANY
@given(calls, st.lists(python_values, min_size=1, max_size=8), st.booleans())
def test_any_literals_in_a_canvas_are_read_or_refused(
    canvas: dict[str, Any], values: list[str], positional: bool
) -> None:
    RAN["examples"] += 1
    called = ["set_global_description", "add_local_description"][len(values) % 2]
    odd = f"canvas.{called}({', '.join(values)}{'' if positional else ', tags=' + values[0]})"
    plan = read(f"{as_python(canvas)}\n{odd}")
    if plan is not None:
        check_plan(plan)

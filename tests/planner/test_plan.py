"""The plan's JSON form: round trips, and nothing that a person or a model writes can break it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regional_dit.planner.compose import compose_prompt
from regional_dit.planner.errors import PlanError
from regional_dit.planner.plan import Plan, RegionPlan
from regional_dit.planner.schema import MAX_JSON, MAX_REGIONS, MAX_TEXT, plan_schema

# Text as files and tokenizers can hold it: no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
fractions = st.floats(0, 1, width=32)


@st.composite
def boxes(draw):
    x0, x1 = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
    y0, y1 = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
    return (x0, y0, x1, y1)


regions = st.builds(
    RegionPlan,
    high_level=texts,
    low_level=texts,
    box=st.none() | boxes(),
    weight=st.floats(0.001, 10),
    order=st.integers(-1000, 1000),
    instance=texts,
    attributes=st.lists(texts, max_size=4).map(tuple),
    negative=texts,
    phrase=texts,
)
plans = st.builds(
    Plan,
    global_prompt=texts,
    negative_prompt=texts,
    regions=st.lists(regions, max_size=6).map(tuple),
    aspect=st.none() | st.floats(0.0625, 16),
    background=texts,
    notes=st.lists(texts, max_size=3).map(tuple),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)
GOOD = {
    "version": 1,
    "global_prompt": "a red circle and a blue square",
    "regions": [
        {"high_level": "a circle", "low_level": "red", "box": [0, 0, 0.5, 1]},
        {"high_level": "a square", "low_level": "blue"},
    ],
}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_round_trip(plan):
    assert Plan.from_json(plan.to_json()) == plan


@given(plans)
def test_prompts_are_text_at_every_level(plan):
    for region in plan.regions:
        for level in ("both", "high", "low"):
            assert isinstance(region.prompt(level), str)


@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")))
def test_garbage_text_is_a_plan_error(text):
    with pytest.raises(PlanError):
        Plan.from_json(text)


@given(json_values, st.sampled_from(["regions", "global_prompt", "aspect", "notes", "extra"]))
def test_garbage_values_never_crash(value, key):
    text = json.dumps({**GOOD, key: value})
    try:
        plan = Plan.from_json(text)
    except PlanError as error:
        assert len(str(error)) < 2000
    else:
        assert Plan.from_json(plan.to_json()) == plan


@given(json_values, st.sampled_from([*plan_schema()["$defs"]["region"]["properties"], "extra"]))
def test_garbage_regions_never_crash(value, key):
    text = json.dumps({**GOOD, "regions": [{"high_level": "a", key: value}]})
    try:
        Plan.from_json(text)
    except PlanError as error:
        assert len(str(error)) < 2000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"version": 1, "regions": ' + "[" * 500 + "]" * 500 + "}",
        " " * (MAX_JSON + 1),
        json.dumps({**GOOD, "aspect": float("nan")}),
        json.dumps({**GOOD, "aspect": float("inf")}),
        json.dumps({**GOOD, "aspect": 1}).replace('"aspect": 1', '"aspect": 1e999'),
        json.dumps({**GOOD, "aspect": 1}).replace('"aspect": 1', '"aspect": ' + "9" * 5000),
        json.dumps({**GOOD, "aspect": 1}).replace('"aspect": 1', '"aspect": ' + "9" * 400),
        '{"version": 1, "version": 1, "global_prompt": "", "regions": []}',
        '{"version": 1, "global_prompt": "\\ud800", "regions": []}',
        json.dumps({**GOOD, "regions": [{"high_level": "a"}] * (MAX_REGIONS + 1)}),
        json.dumps({**GOOD, "global_prompt": "x" * (MAX_TEXT + 1)}),
    ],
    ids=lambda text: text[:30].strip() or "blank",
)
def test_hostile_json_is_a_short_plan_error(text):
    with pytest.raises(PlanError) as caught:
        Plan.from_json(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "wrong at version: got 2, expected 1"),
        ({"regions": "none"}, 'wrong at regions: got "none", expected array'),
        ({"regions": [{}]}, r"wrong at regions\[0\]: .*expected the key 'high_level' too"),
        (
            {"regions": [{"high_level": "a", "weight": 0}]},
            r"wrong at regions\[0\]\.weight: got 0, expected more than 0",
        ),
        (
            {"regions": [{"high_level": "a", "box": [0, 0, 2, 1]}]},
            r"wrong at regions\[0\]\.box\[2\]: got 2, expected at most 1",
        ),
        ({"regions": [{"high_level": "a", "box": [0.5, 0, 0.5, 1]}]}, r"regions\[0\]: A box is"),
        ({"regions": [{"high_level": "a", "box": [0, 1]}]}, "expected at least 4 items"),
        (
            {"regions": [{"high_level": "a", "colour": "red"}]},
            r"regions\[0\]: .*expected only the keys attributes, box, color",
        ),
        ({"regions": [{"high_level": "a", "order": 1.5}]}, "got 1.5, expected integer"),
        ({"regions": [{"high_level": "a", "weight": True}]}, "got true, expected number"),
    ],
)
def test_errors_name_path_got_and_expected(change, message):
    with pytest.raises(PlanError, match=message):
        Plan.from_json(json.dumps({**GOOD, **change}))


def test_missing_keys_have_defaults():
    plan = Plan.from_json(json.dumps(GOOD))
    assert plan.regions[0].box == (0.0, 0.0, 0.5, 1.0)
    assert plan.regions[1] == RegionPlan(high_level="a square", low_level="blue")
    assert plan.negative_prompt == "" and plan.aspect is None


def test_schema_is_valid_and_complete():
    from jsonschema import Draft202012Validator

    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    fields = set(Plan.__dataclass_fields__) | {"version"}
    assert set(schema["properties"]) == fields
    region = schema["$defs"]["region"]["properties"]
    assert set(region) == set(RegionPlan.__dataclass_fields__)
    assert schema["properties"]["regions"]["maxItems"] == MAX_REGIONS
    assert region["high_level"]["maxLength"] == MAX_TEXT


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight": 0}, "weight is 0"),
        ({"weight": float("nan")}, "weight is nan"),
        ({"weight": 10.1}, "weight is 10.1"),
        ({"weight": "1"}, "weight is '1'"),
        ({"order": 1.0}, "whole number"),
        ({"order": 10**9}, "expected -1000 to 1000"),
        ({"box": (0, 0, 1)}, "four numbers"),
        ({"box": (0, 0, 1, float("nan"))}, "four numbers"),
        ({"box": (0.6, 0, 0.5, 1)}, "x0 < x1"),
        ({"attributes": ["red"]}, "tuple"),
        ({"low_level": None}, "expected a text"),
        ({"high_level": "x" * (MAX_TEXT + 1)}, "at most 8000"),
    ],
)
def test_regions_check_their_fields(fields, message):
    with pytest.raises(PlanError, match=message):
        RegionPlan(**{"high_level": "a", **fields})


@pytest.mark.parametrize(
    ("high", "low", "instance", "attributes", "expected"),
    [
        ("a circle", "red", "circle", ("red",), "a red circle"),
        ("a circle", "orange", "circle", ("orange",), "an orange circle"),
        ("an apple", "red", "apple", ("red",), "a red apple"),
        ("An apple", "red", "apple", ("red",), "A red apple"),
        ("a unicorn", "", "unicorn", (), "a unicorn"),
        (
            "a chair by a wall",
            "blue, soft light",
            "chair",
            ("blue",),
            "a blue chair by a wall, soft light",
        ),
        ("a blue chair", "blue velvet", "chair", ("blue",), "a blue chair, blue velvet"),
        ("a chair", "velvet, glossy", "", (), "a chair, velvet, glossy"),
        ("", "red", "", (), "red"),
        ("a vase", "made of glass", "vase", ("made of glass",), "a vase, made of glass"),
        ("一个圆", "红色", "圆", ("红色",), "一个红色的圆"),
        ("一个圆，黑色背景", "红色，水彩风格", "圆", ("红色",), "一个红色的圆，黑色背景，水彩风格"),
    ],
)
def test_composition(high, low, instance, attributes, expected):
    assert compose_prompt(high, low, instance, attributes) == expected


def test_levels():
    region = RegionPlan("a circle", "red", instance="circle", attributes=("red",))
    assert [region.prompt(level) for level in ("both", "high", "low")] == [
        "a red circle",
        "a circle",
        "red",
    ]
    assert RegionPlan("a circle").prompt("low") == "a circle"
    assert RegionPlan("a b", "c", phrase="c a b").prompt() == "c a b"
    with pytest.raises(PlanError, match="'both', 'high' or 'low'"):
        region.prompt("middle")

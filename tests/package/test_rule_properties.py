"""Rules as their nodes make them: every value of every widget, and values that no widget gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from comfy_api.latest import io
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_cases import RAN, bindings, check, grids, region_sets, steps
from random_files import is_a_sentence, numbers
from regional_dit.attention.calls.schedule import PercentRange, layer_range
from regional_dit.attention.engine.groups import boosted, groups_to
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import BlockKinds, Rule, SpecialtyTuning
from regional_dit.nodes.rules.cross import RULE_NODES
from regional_dit.nodes.rules.joint import JOINT_RULE_NODES
from regional_dit.nodes.rules.specialty import SpecialtyTuningRule

FEWER = settings(suppress_health_check=[HealthCheck.too_slow])
NODES = {node.__name__: node for node in (*RULE_NODES, *JOINT_RULE_NODES, SpecialtyTuningRule)}


def values_of(widget: io.Input) -> st.SearchStrategy[Any]:
    """What the widget can be set to; a float widget takes its ends and anything between."""
    told = widget.as_dict()
    if isinstance(widget, io.Float.Input):
        low, high = float(told["min"]), float(told["max"])
        ends = st.sampled_from([low, high, float(told["default"])])
        return ends | st.floats(low, high)
    if isinstance(widget, io.Int.Input):
        least, most = int(told["min"]), min(int(told["max"]), 40)
        return st.integers(least, most)
    if isinstance(widget, io.Boolean.Input):
        return st.booleans()
    assert isinstance(widget, io.Combo.Input)
    return st.sampled_from(list(told["options"]))


@pytest.mark.parametrize("name", NODES)
@settings(FEWER, max_examples=FEWER.max_examples // 4)  # test_properties.py has the rules too
@given(data=st.data())
def test_every_value_of_a_rule_node_acts_as_the_oracle_says(name: str, data: st.DataObject) -> None:
    RAN["examples"] += 1
    node = NODES[name]
    regions, grid, step = data.draw(region_sets()), data.draw(grids()), data.draw(steps())
    chosen: dict[str, Any] = {}
    for widget in node.define_schema().inputs:
        chosen[widget.id] = data.draw(
            bindings(len(regions)) if widget.id == "phrases" else values_of(widget), widget.id
        )
    layers, doubles = data.draw(st.integers(1, 20)), data.draw(st.integers(0, 20))
    blocks = BlockKinds(layers, min(doubles, layers), takes_stream=data.draw(st.booleans()))
    try:
        rule: Rule[Any] = node.execute(**chosen).args[0]
        assert rule.describe()
        rule = rule.fitted(blocks)
        assert -1 <= rule.default_last_layer(layers) < layers
        phase = rule.phase(data.draw(st.integers(0, layers - 1)), layers, step)
        if phase is None:
            RAN["not active"] += 1
            return
        groups = rule.groups(regions, grid, phase)
    except RegionalError as error:
        assert is_a_sentence(error)
        RAN["refused"] += 1
        return
    groups = boosted(
        groups_to(groups, torch.device("cpu"), torch.float32), rule.boost_factor(step) or 0.0
    )
    tokens = rule.binding.n_tokens if isinstance(rule, SpecialtyTuning) else None
    seed = data.draw(st.integers(0, 99_999))
    check(groups, regions, grid, seed, data.draw(st.integers(1, 2)), tokens)


odd_numbers = numbers.filter(lambda n: abs(n) < 10**300 or n != n or abs(n) == float("inf"))
odd_values = st.one_of(odd_numbers, st.sampled_from(["", "leaking", "other"]))


@pytest.mark.parametrize("name", NODES)
@given(data=st.data())
def test_a_value_that_no_widget_gives_is_refused(name: str, data: st.DataObject) -> None:
    """The API of ComfyUI lets NaN through, and other nodes may send anything of the type."""
    RAN["examples"] += 1
    node = NODES[name]
    inputs = [widget for widget in node.define_schema().inputs if widget.id != "phrases"]
    chosen = {widget.id: data.draw(values_of(widget), widget.id) for widget in inputs}
    if "preset" in chosen:
        chosen["preset"] = "custom"  # the others leave the numbers aside
    if node is SpecialtyTuningRule:
        chosen["phrases"] = data.draw(bindings(1))
    if not inputs:
        return
    spoiled = data.draw(st.sampled_from(inputs))
    told = spoiled.as_dict()
    if isinstance(spoiled, io.Combo.Input):
        value = data.draw(st.text(max_size=5).filter(lambda text: text not in told["options"]))
    elif isinstance(spoiled, io.Float.Input):
        value = data.draw(odd_numbers.map(float), "odd")
    else:
        value = data.draw(st.booleans() if isinstance(spoiled, io.Boolean.Input) else st.integers())
    chosen[spoiled.id] = value
    try:
        rule: Rule[Any] = node.execute(**chosen).args[0]
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    if not isinstance(spoiled, io.Float.Input):
        return
    # What is taken lies in the range that the widget tells, but for a margin in one rule.
    assert told["min"] <= value <= told["max"] + 0.01, (spoiled.id, value)
    assert all(v == v for v in dataclasses.asdict(rule).values())
    assert rule.describe()


@example(float("nan"), 1.0)
@given(odd_numbers, odd_numbers)
def test_any_percent_range_is_in_range_or_refused(start: float, end: float) -> None:
    RAN["examples"] += 1
    try:
        percent = PercentRange(start, end)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert 0 <= percent.start <= 1 and 0 <= percent.end <= 1
    now = [s for s in range(101) if percent.start <= s / 100 < percent.end]
    assert not (percent.is_empty and now)
    assert not percent.is_full or len(now) == 100


@given(st.integers(-3, 1000), st.integers(-3, 1000), st.integers(1, 60), st.data())
def test_any_layers_exist_or_are_refused(
    first: int, last: int, n_layers: int, data: st.DataObject
) -> None:
    RAN["examples"] += 1
    default = data.draw(st.integers(0, n_layers - 1))
    try:
        layers = layer_range(first, last, n_layers, default)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert all(0 <= layer < n_layers for layer in layers)
    assert set(layers) == {
        layer for layer in range(n_layers) if first <= layer <= (default if last == -1 else last)
    }

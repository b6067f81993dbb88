"""What only newer ComfyUI has, by what this host says of itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from comfy_api.latest import io
from regional_dit.attention.canvas.regions import MAX_REGIONS
from regional_dit.nodes import NODES
from regional_dit.nodes.prompts.conditioning import AppendRegionConditioning

FIELDS = {field.name for field in dataclasses.fields(io.Schema)}


def info(node: Any) -> dict[str, Any]:
    return node.GET_NODE_INFO_V1()


# Their display names are what one searches for.
PLAIN_NAMES = {
    "DemoDiTLoader",
    "ScoreDemoScene",
    "DemoConfusion",
    "CompareImages",
    "CompareFolders",
}


def test_aliases_are_told_where_the_host_takes_them() -> None:
    told = {node.GET_SCHEMA().node_id: info(node).get("search_aliases") for node in NODES}
    for node_id, aliases in told.items():
        wanted = node_id.removeprefix("RegionalDiT_") not in PLAIN_NAMES
        assert bool(aliases) == (wanted and "search_aliases" in FIELDS), node_id


def test_no_node_is_filed_among_those_of_core() -> None:
    assert not [node for node in NODES if info(node).get("essentials_category")]


def test_only_what_is_there_for_comparison_is_experimental() -> None:
    marked = {node.GET_SCHEMA().node_id for node in NODES if info(node).get("experimental")}
    assert marked == {"RegionalDiT_RuleRCACLiteral"}


def test_folded_inputs_stay_inputs() -> None:
    (planner,) = (n for n in NODES if n.__name__ == "LLMProgressivePrompt")
    inputs = info(planner)["input"]
    assert inputs["required"]["temperature"][1]["advanced"] is True
    assert "advanced" not in inputs["required"]["prompt"][1]


def test_conditionings_in_one_node() -> None:
    more = {"region1": [3], "region0": [2], "region2": None}
    assert AppendRegionConditioning.execute([1], None, more).args[0] == ([1], [2], [3])
    assert AppendRegionConditioning.execute([1], ([0],)).args[0] == ([0], [1])


@pytest.mark.skipif(not hasattr(io, "Autogrow"), reason="this host grows no sockets")
def test_the_host_takes_sockets_that_grow() -> None:
    template = info(AppendRegionConditioning)["input"]["optional"]["more"][1]["template"]
    assert (template["prefix"], template["min"], template["max"]) == ("region", 0, MAX_REGIONS - 1)
    live = {"conditioning": ["1", 0], "more.region0": ["2", 0], "more.region1": ["3", 0]}
    from comfy_api.latest import _io

    inputs, *_, told = _io.get_finalized_class_inputs(AppendRegionConditioning.INPUT_TYPES(), live)
    assert {"more.region0", "more.region1"} <= set(inputs["optional"])
    given = _io.build_nested_inputs({name: [name] for name in live}, told)
    made = AppendRegionConditioning.execute(**given).args[0]
    assert made == (["conditioning"], ["more.region0"], ["more.region1"])

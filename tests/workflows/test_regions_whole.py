"""What the workflows promise in which a region has more than a prompt."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "workflows" / "api"
PREFIX = "RegionalDiT_"


def api_of(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def of_class(api: dict[str, Any], class_type: str) -> dict[str, dict[str, Any]]:
    """Node id -> inputs, in the order of the workflow."""
    return {i: node["inputs"] for i, node in api.items() if node["class_type"] == class_type}


@pytest.mark.parametrize("workflow", ["region_negative", "region_schedule"])
def test_both_samplers_differ_in_what_is_shown_alone(workflow: str) -> None:
    api = api_of(workflow)
    shown, plain = of_class(api, "KSampler").values()
    links = {"model", "positive", "negative"}
    assert {key for key in shown if shown[key] != plain[key]} == links
    for sampler in (shown, plain):
        conditioning = sampler["positive"][0]
        assert sampler["positive"] == [conditioning, 1] and sampler["negative"] == [conditioning, 2]
        assert api[sampler["model"][0]]["inputs"]["regional"] == [conditioning, 0]
    first, second = of_class(api, f"{PREFIX}RegionalConditioning").values()
    other = {"negative_prompts"} if workflow == "region_negative" else {"regions"}
    assert {key for key in first if first[key] != second[key]} == other


def test_the_negative_is_the_left_regions() -> None:
    first, second = of_class(api_of("region_negative"), f"{PREFIX}RegionalConditioning").values()
    assert first["negative_prompts"].splitlines() == ["red"]
    assert second["negative_prompts"] == ""
    left, right = first["prompts"].splitlines()
    assert left == right and "red" in left


def test_schedules_follow_each_other() -> None:
    api = api_of("region_schedule")
    schedules = of_class(api, f"{PREFIX}RegionSchedule")
    (one, first), (two, second) = schedules.items()
    assert (first["which"], second["which"]) == ("1", "2")
    assert second["regions"] == [one, 0]
    conditioning = next(iter(of_class(api, f"{PREFIX}RegionalConditioning").values()))
    assert conditioning["regions"] == [two, 0]


def test_each_region_has_its_controlnet() -> None:
    api = api_of("flux_region_controlnets")
    (conditioning,) = of_class(api, f"{PREFIX}RegionalConditioning")
    before = [conditioning, 1]
    pictures = set()
    kept = of_class(api, f"{PREFIX}RegionControlNet")
    for region, (node, inputs) in enumerate(kept.items(), start=1):
        applied = api[inputs["positive"][0]]
        assert applied["class_type"] == "ControlNetApplyAdvanced"
        assert inputs["negative"] == [inputs["positive"][0], 1] and inputs["which"] == str(region)
        assert applied["inputs"]["positive"] == before
        pictures.add(api[applied["inputs"]["image"][0]]["inputs"]["image"][0])
        before = [node, 0]
    assert len(kept) == len(pictures) == 2
    (guided,) = of_class(api, "FluxGuidance").values()
    assert guided["conditioning"] == before


def test_each_region_has_its_reference() -> None:
    api = api_of("flux_kontext_region_references")
    (conditioning,) = of_class(api, f"{PREFIX}RegionalConditioning")
    before = [conditioning, 1]
    references = of_class(api, f"{PREFIX}RegionReference")
    for region, (node, inputs) in enumerate(references.items(), start=1):
        assert inputs["region"] == region and inputs["conditioning"] == before
        assert api[inputs["latent"][0]]["class_type"] == "VAEEncode"
        before = [node, 0]
    assert len(references) == 2
    (guided,) = of_class(api, "FluxGuidance").values()
    assert guided["conditioning"] == before


def test_the_demo_model_understands_the_prompts(generate: ModuleType) -> None:
    from regional_dit.demo_model.score import parse_prompt

    for demo in generate.REGION_DEMOS.values():
        for prompt in demo.prompts:
            wanted = parse_prompt(prompt)
            assert wanted.kinds and wanted.background == "black"


@pytest.mark.usefixtures("registered")
def test_workflows_from_before_regional_negatives_are_still_valid() -> None:
    import execution

    old = api_of("demo_2_regions")
    for node in old.values():
        node["inputs"].pop("negative_prompts", None)
    valid, error, _, node_errors = asyncio.run(execution.validate_prompt("id", old, None))
    assert valid, (error, node_errors)

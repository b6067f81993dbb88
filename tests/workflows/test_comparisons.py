"""What the comparison workflows promise: levels in their layers, one seed, the stated settings."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "workflows" / "api"
PATCH, SAMPLER = "RegionalDiT_PatchCrossAttention", "KSampler"


def of_class(name: str, class_type: str) -> dict[str, dict[str, Any]]:
    """Node id -> inputs, in the order of the workflow."""
    api = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {i: node["inputs"] for i, node in api.items() if node["class_type"] == class_type}


@pytest.mark.parametrize(
    ("workflow", "wanted"),
    [
        ("hunyuan_dit_progressive_depth", (30, 6.0, "euler", "sgm_uniform", 1.0)),
        ("hunyuan_dit_merged_prompt", (30, 6.0, "euler", "sgm_uniform", 1.0)),
        ("sdxl_couple", (30, 6.5, "dpm_2", "ddim_uniform", 0.98)),
    ],
)
def test_settings_of_the_paper(workflow: str, wanted: tuple[Any, ...]) -> None:
    keys = ("steps", "cfg", "sampler_name", "scheduler", "denoise")
    samplers = of_class(workflow, SAMPLER).values()
    assert {tuple(sampler[key] for key in keys) for sampler in samplers} == {wanted}
    (latent,) = of_class(workflow, "EmptyLatentImage").values()
    assert (latent["width"], latent["height"], latent["batch_size"]) == (1024, 1024, 1)


def test_each_level_has_its_own_layers() -> None:
    name = "hunyuan_dit_progressive_depth"
    conditionings = of_class(name, "RegionalDiT_RegionalConditioning")
    (high_id, high), (low_id, low) = conditionings.items()
    assert (high["level"], low["level"]) == ("high", "low")
    assert low["positive"] == [high_id, 1] and "positive" not in high
    layers = {
        patch["regional"][0]: (patch["first_layer"], patch["last_layer"])
        for patch in of_class(name, PATCH).values()
    }
    assert layers == {low_id: (0, 20), high_id: (21, 39)}
    shallow, deep = of_class(name, PATCH)
    assert of_class(name, PATCH)[deep]["model"] == [shallow, 0]
    (sampler,) = of_class(name, SAMPLER).values()
    assert sampler["model"] == [deep, 0] and sampler["positive"] == [high_id, 1]


def test_both_levels_of_the_plan_say_something(generate: ModuleType) -> None:
    from regional_dit.planner.offline.planner import plan_offline

    sentence = generate.COMPARISONS["hunyuan_dit_progressive_depth"].sentence
    plan = plan_offline(sentence, None, [(0, 0, 0.5, 1), (0.5, 0, 1, 1)])
    prompts = {region.prompt(level) for region in plan.regions for level in ("high", "low")}
    assert plan.notes == () and len(prompts) == 4


def test_the_baseline_differs_by_the_patch_alone() -> None:
    (patch,) = of_class("hunyuan_dit_merged_prompt", PATCH)
    regional, merged = of_class("hunyuan_dit_merged_prompt", SAMPLER).values()
    assert regional["model"] == [patch, 0]
    assert merged["model"] == of_class("hunyuan_dit_merged_prompt", PATCH)[patch]["model"]
    assert {**regional, "model": 0} == {**merged, "model": 0}


def test_couple_is_the_default_rule() -> None:
    (patch,) = of_class("sdxl_couple", PATCH).values()
    assert "rule" not in patch and (patch["first_layer"], patch["last_layer"]) == (0, -1)

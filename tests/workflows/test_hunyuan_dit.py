"""What the HunyuanDiT workflows promise: one prompt per region, and the paper's settings."""

from __future__ import annotations

from types import ModuleType
from typing import Any

KIND = ("hunyuan_dit_2", "hunyuan_dit_4", "hunyuan_dit_9")


def by_class(api: dict[str, Any], class_type: str) -> dict[str, Any]:
    (node,) = (node for node in api.values() if node["class_type"] == class_type)
    return node["inputs"]


def test_one_prompt_per_region(name: str, generate: ModuleType) -> None:
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.planner.offline.planner import plan_offline

    setting = generate.HUNYUANS[name]
    regions = split_canvas(setting.rows, setting.columns).regions
    prompts = setting.prompts
    if setting.sentence:
        plan = plan_offline(setting.sentence, None, [region.bounds for region in regions])
        assert plan.notes == ()
        prompts = tuple(region.prompt() for region in plan.regions)
    assert len(set(prompts)) == len(regions)


def test_settings_of_the_paper(api: dict[str, Any]) -> None:
    sampler = by_class(api, "KSampler")
    wanted = {
        "steps": 30,
        "sampler_name": "euler",
        "scheduler": "sgm_uniform",
        "cfg": 6.0,
        "denoise": 1.0,
    }
    assert {key: sampler[key] for key in wanted} == wanted
    latent = by_class(api, "EmptyLatentImage")
    assert (latent["width"], latent["height"], latent["batch_size"]) == (1024, 1024, 1)
    patch = by_class(api, "RegionalDiT_PatchCrossAttention")
    assert (patch["first_layer"], patch["last_layer"]) == (0, -1)


def test_rule_is_the_one_that_the_note_names(name: str, ui: dict[str, Any]) -> None:
    classes = {node["type"] for node in ui["nodes"]}
    (note,) = (node for node in ui["nodes"] if node["type"] == "MarkdownNote")
    has_rcac = "RegionalDiT_RuleRCAC" in classes
    assert has_rcac == (name != "hunyuan_dit_2_regions")
    assert ("**RCAC**" in note["widgets_values"][0]) == has_rcac
    assert ("**couple**" in note["widgets_values"][0]) != has_rcac

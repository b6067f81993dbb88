"""What the demo workflows promise: planned prompts fit the regions, and the comparison is fair."""

from __future__ import annotations

from types import ModuleType
from typing import Any

KIND = ("demo_2", "demo_4", "demo_9", "demo_flux_2", "demo_flux_4", "demo_flux_9")


def by_title(api: dict[str, Any], title: str) -> dict[str, Any]:
    (node,) = (node for node in api.values() if node["_meta"]["title"] == title)
    return node


def test_offline_plan_asks_for_one_object_per_region(name: str, generate: ModuleType) -> None:
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.demo_model.score import parse_prompt
    from regional_dit.planner.offline.planner import plan_offline

    demo = generate.DEMOS[name]
    regions = split_canvas(demo.rows, demo.columns, overlap=demo.overlap).regions
    plan = plan_offline(demo.sentence, None, [region.bounds for region in regions])
    wanted = [parse_prompt(region.prompt()) for region in plan.regions]
    assert plan.notes == ()
    assert [len(want.kinds) for want in wanted] == [1] * len(regions)
    assert len({want.kinds for want in wanted}) == len(regions)
    assert None not in {want.background for want in wanted}
    assert set(parse_prompt(plan.global_prompt).kinds) == {want.kinds[0] for want in wanted}


def test_the_samplers_differ_in_the_model_alone(api: dict[str, Any]) -> None:
    regional = by_title(api, "KSampler, regional")["inputs"]
    merged = by_title(api, "KSampler, merged prompt")["inputs"]
    assert {key for key in regional if regional[key] != merged[key]} == {"model"}
    patch = api[regional["model"][0]]
    assert patch["class_type"] == "RegionalDiT_PatchCrossAttention"
    assert patch["inputs"]["model"] == merged["model"]


def test_model_and_its_sampling(name: str, api: dict[str, Any]) -> None:
    (loader,) = (n for n in api.values() if n["class_type"] == "RegionalDiT_DemoDiTLoader")
    sampler = by_title(api, "KSampler, regional")["inputs"]
    wanted = ("flux", "simple") if "flux" in name else ("hunyuan_dit", "sgm_uniform")
    assert (loader["inputs"]["model"], sampler["scheduler"]) == wanted


def test_pictures_are_saved_under_their_names(name: str, api: dict[str, Any]) -> None:
    prefixes = {
        node["_meta"]["title"]: node["inputs"]["filename_prefix"]
        for node in api.values()
        if node["class_type"] == "SaveImage"
    }
    folder = "demo_flux" if "flux" in name else "demo"
    assert prefixes == {
        "Save, regional": f"{folder}/regional",
        "Save, merged prompt": f"{folder}/merged",
    }
    score = by_title(api, "Score Demo Scene")
    assert set(score["inputs"]) == {"regional", "regions", "plan", "merged"}

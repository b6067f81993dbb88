"""LoRAs that the Region Editor's regions name: from the drawing to the patch."""

from __future__ import annotations

import json
from typing import Any

import comfy.utils
import folder_paths
import pytest
import torch
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.lora.spec import MAX_STRENGTH
from regional_dit.attention.sampling.host import patches_of
from regional_dit.nodes.measure.demo import DemoDiTLoader
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import RegionalConditioning
from regional_dit.nodes.regional.lora import RegionLoraNode
from regional_dit.nodes.regions.editor import RegionEditor
from regional_dit.nodes.regions.plan_regions import regions_of
from regional_dit.planner.plan import MAX_LORA_STRENGTH, Plan
from tiny_flux_clip import tiny_flux_clip

LEFT, RIGHT = [0, 0, 0.5, 1], [0.5, 0, 1, 1]


def drawing(*regions: dict[str, Any]) -> str:
    boxes = [LEFT, RIGHT, [0, 0, 1, 0.5]]
    placed = [
        {"high_level": f"thing {i}", "box": box, **region}
        for i, (box, region) in enumerate(zip(boxes, regions, strict=False))
    ]
    return json.dumps({"version": 1, "global_prompt": "a picture", "regions": placed})


def edited(text: str) -> tuple[Any, Any]:
    """Regions and plan of a drawing."""
    return RegionEditor.execute("front", "new plans", 512, 16, text).args[:2]


def conditioned(clip: Any, regions: Any, plan: Any = None, prompts: str = "", **kw: Any) -> Any:
    level = kw.pop("level", "both")
    whole = "" if "positive" in kw else "a picture"
    return RegionalConditioning.execute(
        clip, regions, prompts, whole, "", level, "", plan=plan, **kw
    ).args


@pytest.fixture(scope="module")
def clip() -> Any:
    return tiny_flux_clip()


def test_a_named_lora_is_that_of_region_lora(clip):
    striped = {"lora": "demo striped", "lora_strength": 0.7}
    regions, plan = edited(drawing(striped, {}, striped))
    (drawn,) = conditioned(clip, regions, plan)[0].loras
    (node,) = RegionLoraNode.execute("demo striped", "1, 3", 0.7, 0.0, 1.0, True)[0]
    for name in ("name", "regions", "strength", "percent", "negative"):
        assert getattr(drawn, name) == getattr(node, name)
    assert drawn.tensors.keys() == node.tensors.keys()
    assert all(torch.equal(drawn.tensors[key], node.tensors[key]) for key in node.tensors)
    assert MAX_LORA_STRENGTH == MAX_STRENGTH


def test_it_acts_beside_region_lora_and_is_reported_by_the_patch():
    model, clip, _ = DemoDiTLoader.execute("hunyuan_dit").args
    other = RegionLoraNode.execute("demo outlined", "2", 0.5, 0.0, 1.0, True)[0]
    regions, plan = edited(drawing({"lora": "demo striped"}, {}))
    regional, _, _ = conditioned(clip, regions, plan, loras=other)
    patched, report = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.1).args
    assert "LoRA demo striped in region 1, strength 1." in report
    assert "LoRA demo outlined in region 2, strength 0.5." in report
    assert len(patches_of(patched)[0].loras) == 2


def test_regions_carry_it_where_no_plan_is_connected(clip):
    regions, plan = edited(drawing({}, {"lora": "demo striped"}))
    (drawn,) = conditioned(clip, regions, prompts="a fox\na boat")[0].loras
    assert (drawn.name, drawn.regions) == ("demo striped", "2")
    (planned,) = conditioned(clip, split_canvas(1, 2), plan)[0].loras
    assert (planned.name, planned.regions) == ("demo striped", "2")


def test_both_levels_of_one_plan_name_one_lora(clip):
    regions, plan = edited(drawing({"lora": "demo striped"}, {}))
    high, positive, _ = conditioned(clip, regions, plan, level="high")
    low, _, _ = conditioned(clip, regions, plan, level="low", positive=positive)
    assert high.loras[0].same == low.loras[0].same is not None


def test_older_drawings_have_none(clip):
    regions, plan = edited(drawing({}, {}))
    assert conditioned(clip, regions, plan)[0].loras == ()
    assert RegionEditor.validate_inputs(drawing({}, {})) is True
    assert RegionEditor.fingerprint_inputs(drawing({}, {})) == ""
    assert "lora" not in plan.to_json()


@pytest.mark.parametrize(
    "name", ["gone.safetensors", "../../etc/passwd", "/etc/passwd", "x" * 1000]
)
def test_a_file_that_the_host_does_not_list_is_refused_in_words_when_queued(clip, name):
    text = drawing({}, {"lora": name})
    said = RegionEditor.validate_inputs(text)
    assert isinstance(said, str) and "Region 2 names the LoRA" in said
    assert "loras folder" in said and "Region Editor" in said and len(said) < 400
    with pytest.raises(RegionalError, match="Region 2 names the LoRA"):
        edited(text)
    plan = Plan.from_json(text)  # of another node
    for given in (plan, None):
        with pytest.raises(RegionalError, match="Region 2 names the LoRA"):
            conditioned(clip, regions_of(plan), given, "" if given else "a fox\na boat")


def test_values_out_of_range_are_refused_when_queued():
    for region, said in (
        ({"lora": "x" * 1025}, "1024 characters"),
        ({"lora": 3}, "lora"),
        ({"lora_strength": 101}, "at most 100"),
    ):
        assert said in str(RegionEditor.validate_inputs(drawing(region)))


def test_a_file_of_the_hosts_folder_and_its_change(clip, tmp_path, monkeypatch):
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"})
    )
    folder_paths.filename_list_cache.pop("loras", None)
    tensors = {"lora_unet_x.lora_up.weight": torch.ones(2, 1)}
    comfy.utils.save_torch_file(tensors, str(tmp_path / "mine.safetensors"))
    text = drawing({"lora": "mine.safetensors"})
    assert RegionEditor.validate_inputs(text) is True
    before = RegionEditor.fingerprint_inputs(plan_json=text)
    regions, plan = edited(text)
    (drawn,) = conditioned(clip, regions, plan)[0].loras
    assert torch.equal(drawn.tensors["lora_unet_x.lora_up.weight"], torch.ones(2, 1))
    tensors["lora_unet_x.lora_down.weight"] = torch.ones(1, 2)
    comfy.utils.save_torch_file(tensors, str(tmp_path / "mine.safetensors"))
    assert RegionEditor.fingerprint_inputs(plan_json=text) != before
    folder_paths.filename_list_cache.pop("loras", None)

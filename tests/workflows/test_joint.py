"""What the joint workflows promise: the makers' settings, a prompt per region, the sketch's way."""

from __future__ import annotations

from types import ModuleType
from typing import Any

KIND = ("flux", "sd35", "qwen_image", "z_image", "krea2")
PREFIX = "RegionalDiT_"


def only(api: dict[str, Any], class_type: str) -> tuple[str, dict[str, Any]]:
    """Id and inputs of the one node of a class."""
    (found,) = ((i, n["inputs"]) for i, n in api.items() if n["class_type"] == class_type)
    return found


def classes(api: dict[str, Any]) -> set[str]:
    return {node["class_type"] for node in api.values()}


def note(ui: dict[str, Any]) -> str:
    (node,) = (node for node in ui["nodes"] if node["type"] == "MarkdownNote")
    return node["widgets_values"][0]


def test_settings_of_flux2(name: str, api: dict[str, Any]) -> None:
    """Its own sigmas, which depend on the size of the picture; no guidance, no shift."""
    assert ("Flux2Scheduler" in classes(api)) == name.startswith("flux2")
    if not name.startswith("flux2"):
        return
    _, latent = only(api, "EmptyFlux2LatentImage")
    sigmas, scheduler = only(api, "Flux2Scheduler")
    size = {"width": 1024, "height": 1024}
    assert scheduler == {"steps": 4, **size}
    assert latent == {"batch_size": 1, **size}
    guider, guided = only(api, "CFGGuider")
    assert guided["cfg"] == 1.0
    assert guided["model"] == [only(api, f"{PREFIX}PatchCrossAttention")[0], 0]
    sampler, chosen = only(api, "KSamplerSelect")
    assert chosen["sampler_name"] == "euler"
    _, sampled = only(api, "SamplerCustomAdvanced")
    assert [sampled[key] for key in ("guider", "sampler", "sigmas")] == [
        [guider, 0], [sampler, 0], [sigmas, 0],
    ]  # fmt: skip
    assert not classes(api) & {"FluxGuidance", "KSampler"}


SAMPLERS = {"z": ("res_multistep", "simple"), "krea2": ("euler", "simple")}


def test_settings_of_the_model(name: str, api: dict[str, Any]) -> None:
    if name.startswith("flux2"):
        return  # above
    _, sampler = only(api, "KSampler")
    wanted = SAMPLERS.get(name.split("_")[0], ("euler", "sgm_uniform"))
    assert (sampler["sampler_name"], sampler["scheduler"]) == wanted
    _, latent = only(api, "EmptySD3LatentImage")
    steps, cfg, size = {
        "flux": (24, 1.0, 1024), "sd35": (28, 4.5, 1024), "qwen": (20, 2.5, 1328),
        "z": (8, 1.0, 1024), "krea2": (8, 1.0, 1024),
    }[name.split("_")[0]]  # fmt: skip
    if name.endswith("sketch"):
        steps = 32
    if "kontext" in name:
        steps = 20
    assert (sampler["steps"], sampler["cfg"], sampler["denoise"]) == (steps, cfg, 1.0)
    assert (latent["width"], latent["height"], latent["batch_size"]) == (size, size, 1)
    guided = "FluxGuidance" in classes(api)
    assert guided == name.startswith("flux")
    if guided:
        node, guidance = only(api, "FluxGuidance")
        assert guidance["guidance"] == (2.5 if "kontext" in name else 3.5)
        assert sampler["positive"] == [node, 0]


SHIFTS = {
    "sd35": ("ModelSamplingSD3", 3.0),
    "qwen_image": ("ModelSamplingAuraFlow", 3.1),
    "z_image": ("ModelSamplingAuraFlow", 3.0),
}


def test_shift_of_the_model(name: str, api: dict[str, Any]) -> None:
    node, shift = next((SHIFTS[kind] for kind in SHIFTS if name.startswith(kind)), ("", 0.0))
    shifting = {node for node, _ in SHIFTS.values()}
    assert classes(api) & shifting == ({node} if node else set())
    if node:
        shifted, inputs = only(api, node)
        assert inputs["shift"] == shift
        taker = "LoraLoaderModelOnly" if name.endswith("eligen") else f"{PREFIX}PatchCrossAttention"
        assert only(api, taker)[1]["model"] == [shifted, 0]


def test_note_names_every_file_and_the_rule(
    name: str, api: dict[str, Any], ui: dict[str, Any]
) -> None:
    text = note(ui)
    loaders = (
        "ckpt_name", "unet_name", "clip_name", "clip_name1", "clip_name2", "vae_name", "lora_name",
        "control_net_name",
    )  # fmt: skip
    files = [n["inputs"][key] for n in api.values() for key in loaders if key in n["inputs"]]
    assert files and all(f"**{file}**" in text for file in files)
    assert text.count("https://huggingface.co/") == len(files)
    sketched = name.endswith("sketch")
    assert ("**Attention Specialty Tuning**" in text) == sketched
    eligen = name.endswith("eligen")
    assert ("**Rule: EliGen**" in text) == eligen
    assert ("**bind**" in text) == (not sketched and not eligen)
    assert ("rule" in only(api, f"{PREFIX}PatchCrossAttention")[1]) == (sketched or eligen)


def test_one_prompt_per_region(name: str, generate: ModuleType) -> None:
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.planner.offline.planner import plan_offline

    if name in generate.SKETCHES:
        setting = generate.SKETCHES[name]
        phrases = [line.split(" -> ")[1] for line in setting.legend.splitlines()]
        assert len(phrases) == 3
        assert all(setting.prompt.count(phrase) == 1 for phrase in phrases)
        return
    setting = {**generate.JOINT, **generate.REGION_JOINT}[name]
    regions = split_canvas(setting.rows, setting.columns).regions
    plan = plan_offline(setting.sentence, None, [region.bounds for region in regions])
    assert plan.notes == ()
    assert len({region.prompt() for region in plan.regions}) == len(regions)


def test_lora_and_controlnet_lie_on_the_way(name: str, api: dict[str, Any]) -> None:
    assert ("LoraLoader" in classes(api)) == (name == "flux_lora_controlnet")
    if name != "flux_lora_controlnet":
        return
    lora, _ = only(api, "LoraLoader")
    conditioning, encoded = only(api, f"{PREFIX}RegionalConditioning")
    assert only(api, f"{PREFIX}PatchCrossAttention")[1]["model"] == [lora, 0]
    assert encoded["clip"] == [lora, 1]
    net, applied = only(api, "ControlNetApplyAdvanced")
    assert (applied["positive"], applied["negative"]) == ([conditioning, 1], [conditioning, 2])
    assert only(api, "FluxGuidance")[1]["conditioning"] == [net, 0]
    assert only(api, "KSampler")[1]["negative"] == [net, 1]


def test_eligen_has_its_lora_and_its_rule(name: str, api: dict[str, Any]) -> None:
    assert ("LoraLoaderModelOnly" in classes(api)) == (name == "qwen_image_eligen")
    if name == "qwen_image_eligen":
        lora, inputs = only(api, "LoraLoaderModelOnly")
        assert inputs["model"] == [only(api, "ModelSamplingAuraFlow")[0], 0]
        rule, _ = only(api, f"{PREFIX}RuleEliGen")
        patch = only(api, f"{PREFIX}PatchCrossAttention")[1]
        assert (patch["model"], patch["rule"]) == ([lora, 0], [rule, 0])


def test_a_sketch_leads_to_the_rule(name: str, api: dict[str, Any]) -> None:
    assert (f"{PREFIX}RegionsFromSketch" in classes(api)) == name.endswith("sketch")
    if not name.endswith("sketch"):
        return
    sketch, _ = only(api, f"{PREFIX}RegionsFromSketch")
    prompt, _ = only(api, "PrimitiveStringMultiline")
    conditioning, encoded = only(api, f"{PREFIX}RegionalConditioning")
    assert (encoded["regions"], encoded["prompts"]) == ([sketch, 0], [sketch, 1])
    assert encoded["global_prompt"] == [prompt, 0]
    phrases, bound = only(api, f"{PREFIX}BindPhrases")
    assert (bound["regions"], bound["phrases"]) == ([sketch, 0], [sketch, 1])
    assert (bound["positive"], bound["prompt"]) == ([conditioning, 1], [prompt, 0])
    rule, tuning = only(api, f"{PREFIX}RuleSpecialtyTuning")
    assert tuning["phrases"] == [phrases, 0]
    assert only(api, f"{PREFIX}PatchCrossAttention")[1]["rule"] == [rule, 0]
    sampled = (
        only(api, "FluxGuidance")[1]["conditioning"]
        if name.startswith("flux")
        else (only(api, "KSampler")[1]["positive"])
    )
    assert sampled == [phrases, 1], "the sampler sees the prompt with the phrases in their places"

"""What the video workflows promise: places and times, each with a prompt of its own."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import workflow_runner

KIND = ("wan", "ltx2")
PREFIX = "RegionalDiT_"


def only(api: dict[str, Any], class_type: str) -> tuple[str, dict[str, Any]]:
    """Id and inputs of the one node of a class."""
    found = workflow_runner.only(api, class_type)
    return found, api[found]["inputs"]


def test_settings_of_wan(name: str, api: dict[str, Any]) -> None:
    if not name.startswith("wan"):
        return
    _, sampler = only(api, "KSampler")
    names = ("sampler_name", "scheduler", "steps", "cfg")
    assert [sampler[name] for name in names] == ["uni_pc", "simple", 30, 6.0]
    shift, inputs = only(api, "ModelSamplingSD3")
    assert inputs["shift"] == 8.0
    assert only(api, f"{PREFIX}PatchCrossAttention")[1]["model"] == [shift, 0]
    assert only(api, "CLIPLoader")[1]["type"] == "wan"
    _, latent = only(api, "EmptyHunyuanLatentVideo")
    assert (latent["length"] - 1) % 4 == 0 and latent["width"] % 16 == latent["height"] % 16 == 0


def test_settings_of_ltx2(name: str, api: dict[str, Any]) -> None:
    """The distilled model's sigmas; video and sound of one length and pace."""
    if not name.startswith("ltx2"):
        return
    _, latent = only(api, "EmptyLTXVLatentVideo")
    assert (latent["length"] - 1) % 8 == 0 and latent["width"] % 32 == latent["height"] % 32 == 0
    _, sound = only(api, "LTXVEmptyLatentAudio")
    assert sound["frames_number"] == latent["length"]
    paced, conditioning = only(api, "LTXVConditioning")
    assert sound["frame_rate"] == conditioning["frame_rate"] == 25.0
    regional, _ = only(api, f"{PREFIX}RegionalConditioning")
    assert [conditioning[key] for key in ("positive", "negative")] == [[regional, 1], [regional, 2]]
    _, guider = only(api, "CFGGuider")
    assert [guider[key] for key in ("positive", "negative")] == [[paced, 0], [paced, 1]]
    assert guider["model"] == [only(api, f"{PREFIX}PatchCrossAttention")[0], 0]
    sigmas = [float(sigma) for sigma in only(api, "ManualSigmas")[1]["sigmas"].split(",")]
    assert len(sigmas) == 9 and sigmas == sorted(sigmas, reverse=True) and sigmas[-1] == 0.0
    heard, _ = only(api, "LTXVAudioVAEDecode")
    assert only(api, "CreateVideo")[1]["audio"] == [heard, 0]


def test_times_of_the_places(api: dict[str, Any]) -> None:
    editor, drawn = only(api, f"{PREFIX}RegionEditor")
    frames, timed = only(api, f"{PREFIX}RegionFrames")
    _, encoded = only(api, f"{PREFIX}RegionalConditioning")
    assert timed["regions"] == [editor, 0] and encoded["regions"] == [frames, 0]
    assert encoded["plan"] == [editor, 1]
    assert 0.0 < timed["softness"] < 0.2 and timed["inset"] == -1.0
    plan = json.loads(drawn["plan_json"])
    prompts = {region["high_level"] for region in plan["regions"]}
    assert len(prompts) == len(plan["regions"]) == len(timed["frames"].split(","))


def test_two_places_at_two_times(name: str, api: dict[str, Any]) -> None:
    if not name.startswith("wan"):
        return
    from regional_dit.attention.canvas.frames import with_frames
    from regional_dit.attention.canvas.regions import Box, Region, RegionSet
    from regional_dit.attention.canvas.tokens import TokenGrid, token_ownership

    _, drawn = only(api, f"{PREFIX}RegionEditor")
    _, timed = only(api, f"{PREFIX}RegionFrames")
    plan = json.loads(drawn["plan_json"])
    assert len(plan["regions"]) == 4
    boxes = RegionSet(tuple(Region(Box(*region["box"])) for region in plan["regions"]))
    assert drawn["overlap"] == boxes.overlap == "blend"
    grid = TokenGrid(30, 52, 2, 60, 104, 0, 0, 60, 104, frames=21, full_frames=21)
    owned = token_ownership(with_frames(boxes, timed["frames"]), grid).view(5, 21, 30, 52)
    for frame, first in ((0, 1), (20, 3)):  # at either end, two of the four own a half each
        assert bool((owned[first, frame, :, :26] == 1).all())
        assert bool((owned[first + 1, frame, :, 26:] == 1).all())


def test_the_note_names_every_file(ui: dict[str, Any], api: dict[str, Any]) -> None:
    (note,) = (n["widgets_values"][0] for n in ui["nodes"] if n["type"] == "MarkdownNote")
    keys = ("unet_name", "clip_name", "vae_name", "ckpt_name", "text_encoder")
    files = {n["inputs"][key] for n in api.values() for key in keys if key in n["inputs"]}
    assert len(files) in (2, 3) and all(f"**{file}**" in note for file in files)
    assert "2604.10030" in note


def test_pace_of_the_video(name: str, api: dict[str, Any], generate: ModuleType) -> None:
    fps = only(api, "CreateVideo")[1]["fps"]
    assert fps == generate.VIDEOS[name].fps == (25.0 if name.startswith("ltx2") else 16.0)

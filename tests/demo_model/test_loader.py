"""The demo model inside ComfyUI's own nodes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import comfy.model_base
import pytest
import torch
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.phrases.streams import read_streams
from regional_dit.demo_model import text, world
from regional_dit.demo_model.detector import detect
from regional_dit.demo_model.loader import (
    MODEL_WEIGHTS,
    DemoTextEncoder,
    DemoVAE,
    load_demo,
    load_model,
)
from regional_dit.nodes.measure.demo import DemoDiTLoader

comfy_nodes: Any = importlib.import_module("nodes")
SCHEDULERS = {"hunyuan_dit": "sgm_uniform", "flux": "simple"}


@pytest.fixture(scope="module")
def demo():
    return load_demo()


def test_model_is_the_hosts_own_hunyuan_dit(demo):
    model, _, _ = demo
    assert isinstance(model.model, comfy.model_base.HunyuanDiT)
    assert model.model.diffusion_model.text_len == text.TEXT_LEN
    assert sum(p.numel() for p in model.model.diffusion_model.parameters()) < 5_000_000


def test_model_is_the_hosts_own_flux():
    model, _, _ = DemoDiTLoader.execute("flux").args
    assert isinstance(model.model, comfy.model_base.Flux)
    blocks = model.model.diffusion_model
    assert (len(blocks.double_blocks), len(blocks.single_blocks)) == (3, 6)
    assert all(p.isfinite().all() for p in blocks.parameters())


def test_node_takes_hunyuan_dit_where_an_old_workflow_names_none():
    model, clip, _ = DemoDiTLoader.execute().args
    assert isinstance(model.model, comfy.model_base.HunyuanDiT) and clip.model == "hunyuan_dit"
    assert DemoDiTLoader.GET_NODE_INFO_V1()["input"]["required"] == {}
    with pytest.raises(RegionalError, match="hunyuan_dit, flux"):
        DemoDiTLoader.execute("sdxl")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODEL_WEIGHTS)
def test_weights_are_small_enough_for_a_repository(name):
    assert MODEL_WEIGHTS[name].stat().st_size <= 16 * 2**20


@pytest.mark.parametrize("name", MODEL_WEIGHTS)
def test_stock_nodes_draw_what_the_prompt_names(name):
    model, clip, vae = load_demo(name)
    positive = comfy_nodes.CLIPTextEncode().encode(clip, "a red circle on black background")[0]
    negative = comfy_nodes.CLIPTextEncode().encode(clip, "")[0]
    latent = comfy_nodes.EmptyLatentImage().generate(256, 256, 1)[0]
    sampled = comfy_nodes.KSampler().sample(
        model, 3, 12, 4.0, "euler", SCHEDULERS[name], positive, negative, latent
    )[0]
    image = comfy_nodes.VAEDecode().decode(vae, sampled)[0]
    assert image.shape == (1, 256, 256, 3)
    assert image.min() >= 0 and image.max() <= 1
    assert sampled["samples"].isfinite().all()
    found = detect(image[0].numpy())
    assert found.background == "black"
    assert found.objects and {o.color for o in found.objects} == {"red"}


@pytest.mark.parametrize("name", MODEL_WEIGHTS)
def test_text_encoder_forms_agree(name):
    clip = DemoTextEncoder(name)
    assert clip.clone().model == name
    tokens = clip.tokenize("a red circle")
    assert [t[0] for t in tokens["demo"][0]] == text.tokenize("a red circle")
    cond, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
    as_dict = clip.encode_from_tokens(tokens, return_dict=True)
    [[scheduled, options]] = clip.encode_from_tokens_scheduled(tokens, add_dict={"mark": 1})
    assert torch.equal(cond, scheduled) and torch.equal(cond, as_dict["cond"])
    assert torch.equal(pooled, options["pooled_output"]) and options["mark"] == 1
    assert torch.equal(cond, clip.encode("a red circle"))


def test_encode_then_decode_returns_the_picture(demo):
    vae: DemoVAE = demo[2]
    scene = world.Scene(
        32,
        32,
        (world.Area("pink", 0, 0, 32, 32),),
        (world.SceneObject("blue", "square", 12, 14, 6),),
    )
    picture = (torch.from_numpy(world.render(scene, 8))[None] + 1) / 2
    latent = vae.encode(picture)
    assert latent.shape == (1, 4, 32, 32)
    assert (vae.decode(latent) - picture).abs().mean() < 0.02
    assert torch.equal(vae.decode(latent), vae.decode_tiled(latent, tile_x=32, tile_y=32))
    assert torch.equal(latent, vae.encode_tiled(picture))


def test_missing_weights_are_explained():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        load_model(path=Path("nowhere.safetensors"))


def test_phrases_are_found_in_the_tokens():
    prompt = "red circle, blue square, red square, black background"
    (stream,) = read_streams(DemoTextEncoder("flux"), prompt).values()
    ids = text.tokenize(prompt)
    spelt = [None if r is None else stream.text.folded[slice(*r)] for r in stream.ranges]
    assert len(spelt) == 16 and spelt[0] is None and set(spelt[len(ids) :]) == {None}
    assert spelt[1:4] == ["red", "circle", ","] and spelt[len(ids) - 1] == "background"


@pytest.mark.parametrize("name", MODEL_WEIGHTS)
def test_tokens_with_word_ids_are_as_many_as_the_conditioning_has(name):
    clip = DemoTextEncoder(name)
    tokens = clip.tokenize("red circle, blue square, gray background", return_word_ids=True)
    cond = clip.encode_from_tokens(tokens)
    assert len(tokens["demo"][0]) == cond.shape[1]
    assert torch.equal(cond, clip.encode("red circle, blue square, gray background"))

"""Prompts through HunyuanDiT's real tokenizers and encoder classes, and on to the picture."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from regional_dit.attention.errors import PromptError, UnsupportedModelError
from regional_dit.attention.text.encode import encode_prompts
from regional_dit.demo_model.loader import DemoTextEncoder
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import AppendRegionConditioning, RegionalConditioning
from regional_dit.nodes.prompts.length import token_limits
from regional_dit.nodes.prompts.planner import LLMProgressivePrompt
from regional_dit.nodes.regions.split import RegionSplit
from tiny_hunyuan import run_ksampler, tiny_hunyuan

PROMPTS = ["a room with green walls", "a blue chair", "a red chair on the right", "两只小猫"]
LONG = ", ".join(["a wooden table under a painting of the sea"] * 40)
KEYS = {"conditioning_mt5xl", "attention_mask", "attention_mask_mt5xl"}


def one_by_one(clip, prompts):
    return [clip.encode_from_tokens_scheduled(clip.tokenize(p)) for p in prompts]


def assert_same(left, right):
    for (a, extra_a), (b, extra_b) in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        assert extra_a.keys() == extra_b.keys()
        for key in KEYS:
            torch.testing.assert_close(extra_a[key], extra_b[key], atol=1e-5, rtol=1e-5)


def test_all_prompts_are_encoded_in_one_call(clip):
    encode = clip.cond_stage_model.encode_token_weights
    with patch.object(clip.cond_stage_model, "encode_token_weights", side_effect=encode) as spy:
        batch = encode_prompts(clip, PROMPTS)
    assert spy.call_count == 1
    for together, alone in zip(batch, one_by_one(clip, PROMPTS), strict=True):
        assert together[0][0].shape == (1, 77, 32)
        assert_same(together, alone)
    assert (batch[0][0][0] - batch[1][0][0]).abs().max() > 0.1


@pytest.mark.parametrize("odd_one", [LONG, "a (blue:1.4) chair"])
def test_unequal_lengths_and_token_weights_are_encoded_one_by_one(clip, odd_one):
    prompts = [PROMPTS[0], odd_one, PROMPTS[0]]
    for together, alone in zip(
        encode_prompts(clip, prompts), one_by_one(clip, prompts), strict=True
    ):
        assert_same(together, alone)


def test_demo_text_encoder_gives_the_same_keys(clip):
    real = clip.encode_from_tokens_scheduled(clip.tokenize("a red circle"))[0][1]
    demo = DemoTextEncoder()
    fake = demo.encode_from_tokens_scheduled(demo.tokenize("a red circle"))[0][1]
    assert real.keys() == fake.keys()
    assert {k: v.ndim for k, v in real.items() if k in KEYS} == {
        k: v.ndim for k, v in fake.items() if k in KEYS
    }


def test_token_limits_are_found_with_the_tokenizer(clip):
    limits = {limit.name: limit.limit for limit in token_limits(clip)}
    assert limits == {"hydit_clip": 77, "mt5xl": 256}
    assert token_limits(DemoTextEncoder()) == ()


def test_a_long_plan_is_shortened_with_a_note(clip):
    out = LLMProgressivePrompt.execute(
        f"a blue chair and {LONG}", 2, "offline", 0, 0.0, "", "", regions=None, clip=clip
    )
    plan = out[0]
    assert any("left out" in note for note in plan.notes)
    for limit in token_limits(clip):
        assert limit.count_tokens(plan.global_prompt) <= limit.limit
        assert all(limit.count_tokens(r.prompt()) <= limit.limit for r in plan.regions)


def whole_model():
    return tiny_hunyuan(clip_len=77, t5_len=256)


def conditioned(clip, n, **changes):
    inputs = {
        "prompts": "\n".join(PROMPTS[:n]),
        "global_prompt": "",
        "negative_prompt": "blurry",
        "level": "both",
        "weights": "",
        **changes,
    }
    regions = RegionSplit.execute("W (columns)", n, 1, 1, "", "", 0.0, 0.0)[0]
    return RegionalConditioning.execute(clip, regions, **inputs)


@pytest.mark.parametrize("prompts", [PROMPTS[:3], [PROMPTS[0], LONG, PROMPTS[1]]])
def test_nodes_from_text_to_picture(clip, prompts):
    model = whole_model()
    regional, positive, negative = conditioned(clip, 3, prompts="\n".join(prompts)).args
    out = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.3)
    patched, report = out[0], out[1]
    assert "HunyuanDiT, 6 layers" in report and "3, covering 100%" in report
    picture = run_ksampler(patched, positive, negative)
    assert picture.isfinite().all()
    stock = run_ksampler(model, positive, negative)
    assert (picture - stock).abs().max() > 1e-3


def test_conditionings_instead_of_texts(clip):
    texts = PROMPTS[:2]
    chain = None
    for encoded in one_by_one(clip, texts):
        chain = AppendRegionConditioning.execute(encoded, chain)[0]
    by_text = conditioned(clip, 2).args[0]
    by_conditioning = conditioned(
        clip, 2, prompts="", global_prompt="a room", conditionings=chain
    ).args[0]
    for a, b in zip(by_text.texts, by_conditioning.texts, strict=True):
        torch.testing.assert_close(a["cross_attn"], b["cross_attn"], atol=1e-5, rtol=1e-5)


def test_wrong_text_encoder_and_wrong_model_are_named(clip):
    model = whole_model()
    plain = [[torch.zeros(1, 77, 32), {"pooled_output": None}]]
    chain = AppendRegionConditioning.execute(plain)[0]
    chain = AppendRegionConditioning.execute(plain, chain)[0]
    regional = conditioned(clip, 2, prompts="", global_prompt="x", conditionings=chain).args[0]
    with pytest.raises(PromptError, match="another model's text encoder"):
        PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.3)
    fine = conditioned(clip, 2).args[0]

    class Unknown:
        class model:
            diffusion_model = None

    with pytest.raises(UnsupportedModelError, match="HunyuanDiT"):
        PatchCrossAttention.execute(Unknown, fine, 0, -1, 0.0, 1.0, 0.3)


def test_weights_reach_the_regions(clip):
    regional = conditioned(clip, 2, weights="0.5, 1.5").args[0]
    assert [r.weight for r in regional.regions.regions] == [0.5, 1.5]


def test_a_plan_without_regions_proposes_them(clip):
    out = LLMProgressivePrompt.execute(
        "a red chair on the left and a blue chair on the right", 0, "offline", 0, 0.0, "", ""
    )
    plan, regions = out[0], out[5]
    assert [r.prompt() for r in plan.regions] == ["a red chair", "a blue chair"]
    assert regions.regions[0].center[0] < 0.5 < regions.regions[1].center[0]

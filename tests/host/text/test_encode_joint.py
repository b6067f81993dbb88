"""Prompts through the real tokenizers and encoder classes of the joint families."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import comfy.utils
import folder_paths
import pytest
import torch
from comfy_extras.nodes_cond import T5TokenizerOptions
from regional_dit.attention.text.encode import encode_prompts
from regional_dit.attention.text.padding import trim_prompts
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import AppendRegionConditioning, RegionalConditioning
from regional_dit.nodes.regions.split import RegionSplit
from tiny_flux_clip import FLUX_T5_DIM, SD3_DIM, TEXT_ENCODERS, tiny_sd3_clip
from tiny_joint import TINY
from tiny_joint_case import host

PROMPTS = ["a room with green walls", "a blue chair", "a red chair on the right"]
LONG = ", ".join(["a wooden table under a painting of the sea"] * 40)
WEIGHTED = "a (blue:1.4) chair"


clip_of = cache(lambda family: TEXT_ENCODERS[family]())


@pytest.fixture
def flux_clip():
    return clip_of("Flux")


@pytest.fixture
def sd3_clip():
    return clip_of("SD3")


def by_stock_node(clip, prompts):
    return [host.CLIPTextEncode().encode(clip, prompt)[0] for prompt in prompts]


def assert_equal(ours, stock):
    for (a, extra_a), (b, extra_b) in zip(ours, stock, strict=True):
        assert torch.equal(a, b)
        assert extra_a.keys() == extra_b.keys()
        for key in extra_b:
            same = extra_a[key] == extra_b[key]
            assert same.all() if isinstance(same, torch.Tensor) else same


@pytest.mark.parametrize("family", TEXT_ENCODERS)
@pytest.mark.parametrize(
    "prompts",
    [PROMPTS, [*PROMPTS, LONG], [PROMPTS[0], WEIGHTED], ["", *PROMPTS], [PROMPTS[0]] * 2],
    ids=["plain", "long", "weighted", "empty", "repeated"],
)
def test_prompts_are_encoded_exactly_as_by_the_stock_node(family, prompts):
    clip = clip_of(family)
    for ours, stock in zip(
        encode_prompts(clip, prompts), by_stock_node(clip, prompts), strict=True
    ):
        assert_equal(ours, stock)


def test_encoders_give_what_the_models_read(flux_clip, sd3_clip):
    [[states, extra]] = encode_prompts(flux_clip, PROMPTS)[1]
    assert states.shape == (1, 256, FLUX_T5_DIM) and extra["pooled_output"].shape == (1, 32)
    [[states, extra]] = encode_prompts(sd3_clip, PROMPTS)[1]
    assert states.shape == (1, 154, SD3_DIM) and extra["pooled_output"].shape == (1, 72)
    pooled = [c[0][1]["pooled_output"] for c in encode_prompts(flux_clip, PROMPTS)]
    assert (pooled[0] - pooled[1]).abs().max() > 1e-3


def test_repeated_prompts_are_encoded_once(flux_clip):
    encode = flux_clip.cond_stage_model.encode_token_weights
    with patch.object(
        flux_clip.cond_stage_model, "encode_token_weights", side_effect=encode
    ) as spy:
        encode_prompts(flux_clip, [PROMPTS[0], PROMPTS[1], PROMPTS[0]])
    assert spy.call_count == 2


def tokens_with_end(clip, prompt):
    """What the Hugging Face tokenizer alone says."""
    return len(clip.tokenizer.t5xxl.tokenizer(prompt)["input_ids"])


def test_trimming_keeps_the_tokens_and_the_end_token(flux_clip):
    prompts = [*PROMPTS, ""]
    encoded = encode_prompts(flux_clip, prompts)
    trimmed, said = trim_prompts(flux_clip, prompts, encoded)
    counts = [tokens_with_end(flux_clip, prompt) for prompt in prompts]
    assert counts[-1] == 1 and max(counts) < 20
    for (before,), (after,), count in zip(encoded, trimmed, counts, strict=True):
        assert torch.equal(after[0], before[0][:, :count])
        assert torch.equal(after[1]["pooled_output"], before[1]["pooled_output"])
        assert before[0].shape[1] == 256
    assert f"{counts[0]} of 256" in said


def test_trimming_agrees_with_the_padding_that_the_tokenizer_made(flux_clip):
    pad = flux_clip.tokenizer.t5xxl.pad_token
    for prompt in [*PROMPTS, WEIGHTED, LONG]:
        [chunk] = flux_clip.tokenize(prompt)["t5xxl"]
        n_padding = sum(token[0] == pad for token in chunk)
        encoded = encode_prompts(flux_clip, [prompt])
        trimmed, _ = trim_prompts(flux_clip, [prompt], encoded)
        assert trimmed[0][0][0].shape[1] == len(chunk) - n_padding


def test_a_prompt_without_padding_is_left_whole(flux_clip):
    encoded = encode_prompts(flux_clip, [LONG, PROMPTS[0]])
    trimmed, said = trim_prompts(flux_clip, [LONG, PROMPTS[0]], encoded)
    n_tokens = encoded[0][0][0].shape[1]
    assert n_tokens > 256 and trimmed[0][0][0].shape[1] == n_tokens
    assert f"{n_tokens} of {n_tokens}" in said
    only_long, said = trim_prompts(flux_clip, [LONG], encoded[:1])
    assert only_long == encoded[:1] and "not trimmed: they have none" in said


def test_padding_that_the_user_asked_for_stays(flux_clip):
    clip = T5TokenizerOptions.execute(flux_clip, 3, 256)[0]
    encoded = encode_prompts(clip, PROMPTS[:1])
    trimmed, _ = trim_prompts(clip, PROMPTS[:1], encoded)
    assert trimmed[0][0][0].shape[1] == tokens_with_end(clip, PROMPTS[0]) + 3


JOINED = "not the tokens of one text encoder alone"
SEVERAL = "not of one text encoder"
NONE = "they have none"


@pytest.mark.parametrize(
    ("family", "reason"),
    [("SD3", JOINED), ("HiDream", SEVERAL)]
    + [(family, NONE) for family in ("Chroma", "Qwen-Image", "Z-Image")],
)
def test_other_layouts_say_why_they_are_not_trimmed(family, reason):
    encoded = encode_prompts(clip_of(family), PROMPTS)
    trimmed, said = trim_prompts(clip_of(family), PROMPTS, encoded)
    assert "was not trimmed" in said and reason in said
    assert trimmed == encoded


def test_encoders_that_look_like_one_are_not_trimmed(clip):
    """SD3 without T5: CLIP's states, but as long as T5's padding. HunyuanDiT: a second text."""
    for encoder, reason in [(tiny_sd3_clip(t5=False), JOINED), (clip, SEVERAL)]:
        encoded = encode_prompts(encoder, PROMPTS)
        trimmed, said = trim_prompts(encoder, PROMPTS, encoded)
        assert reason in said and trimmed == encoded
    assert "cannot tell" in trim_prompts(object(), PROMPTS, encoded)[1]


def test_auraflow_is_trimmed_as_flux_is():
    aura = clip_of("AuraFlow")
    encoded = encode_prompts(aura, PROMPTS)
    trimmed, said = trim_prompts(aura, PROMPTS, encoded)
    for prompt, (before,), (after,) in zip(PROMPTS, encoded, trimmed, strict=True):
        n_padding = sum(t[0] == 1 for t in aura.tokenize(prompt)["pile_t5xl"][0])
        assert torch.equal(after[0], before[0][:, : 256 - n_padding])
        assert not before[0][:, 256 - n_padding :].any()  # the host has them at zero
    assert "of 256" in said


def test_lora_on_the_text_encoder_reaches_the_regional_prompts(flux_clip, tmp_path):
    width, inner = 32, 64
    tensors = {
        f"lora_te1_text_model_encoder_layers_{layer}_mlp_fc1.lora_{part}.weight": torch.randn(shape)
        for layer in range(2)
        for part, shape in (("down", (4, width)), ("up", (inner, 4)))
    }
    stem = "lora_te2_encoder_block_0_layer_0_SelfAttention_v"
    tensors[f"{stem}.lora_down.weight"] = torch.randn(4, FLUX_T5_DIM)
    tensors[f"{stem}.lora_up.weight"] = torch.randn(32, 4)
    comfy.utils.save_torch_file(tensors, str(tmp_path / "text.safetensors"))
    folder_paths.add_model_folder_path("loras", str(tmp_path))
    model = TINY["Flux"].model()
    changed = host.LoraLoader().load_lora(model, flux_clip, "text.safetensors", 1.0, 1.0)[1]
    regional, *_ = conditioned(changed, trim=False)
    stock = by_stock_node(changed, PROMPTS[1:])
    before = conditioned(flux_clip, trim=False)[0]
    for text, other, [[states, extra]] in zip(regional.texts, before.texts, stock, strict=True):
        assert torch.equal(text["cross_attn"], states)
        assert torch.equal(text["pooled_output"], extra["pooled_output"])
        assert (text["cross_attn"] - other["cross_attn"]).abs().max() > 1e-3
        assert (text["pooled_output"] - other["pooled_output"]).abs().max() > 1e-3


def conditioned(clip, *, trim, **changes):
    inputs = {"prompts": "\n".join(PROMPTS[1:]), "global_prompt": PROMPTS[0], **changes}
    regions = RegionSplit.execute("W (columns)", 2, 1, 1, "", "", 0.0, 0.0)[0]
    return RegionalConditioning.execute(
        clip, regions, negative_prompt="", level="both", weights="", trim_padding=trim, **inputs
    ).args


def test_nodes_from_text_to_picture_with_and_without_padding(flux_clip):
    tiny = TINY["Flux"]
    model = tiny.model()
    pictures, lengths = [], []
    for trim in (False, True):
        regional, positive, negative = conditioned(flux_clip, trim=trim)
        patched, report = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.3).args
        assert ("tokens kept: 5 of 256, 8 of 256" in report) is trim
        assert positive[0][0].shape[1] == negative[0][0].shape[1] == 256
        lengths.append([text["cross_attn"].shape[1] for text in regional.texts])
        pictures.append(tiny.sample(patched, positive, negative))
    assert lengths == [[256, 256], [tokens_with_end(flux_clip, p) for p in PROMPTS[1:]]]
    assert all(picture.isfinite().all() for picture in pictures)
    assert (pictures[0] - pictures[1]).abs().max() > 1e-4


def test_conditionings_are_not_trimmed_and_the_report_says_so(flux_clip):
    chain = None
    for encoded in by_stock_node(flux_clip, PROMPTS[1:]):
        chain = AppendRegionConditioning.execute(encoded, chain)[0]
    regional = conditioned(flux_clip, trim=True, prompts="", conditionings=chain)[0]
    assert [text["cross_attn"].shape[1] for text in regional.texts] == [256, 256]
    assert "given as conditionings" in regional.notes[0]


def test_a_pooled_vector_as_wide_as_the_joined_prompts_is_left_whole():
    """HunyuanDiT's is 1024 wide, and four prompts of 256 T5 tokens are as long."""

    class HyditModel:
        pass

    class Clip:
        cond_stage_model = HyditModel()

        def tokenize(self, text):
            return {"words": [[(ord(c), 1.0) for c in text]]}

        def encode_from_tokens_scheduled(self, tokens):
            ids = [float(t[0]) for chunk in tokens["words"] for t in chunk]
            return [[torch.tensor(ids)[None, :, None], {"pooled_output": torch.arange(8.0)[None]}]]

    left, right = encode_prompts(Clip(), ["abcd", "efgh"])
    assert left[0][0].flatten().tolist() == [float(ord(c)) for c in "abcd"]
    assert right[0][0].flatten().tolist() == [float(ord(c)) for c in "efgh"]
    assert left[0][1]["pooled_output"].shape == right[0][1]["pooled_output"].shape == (1, 8)

"""Region LoRA as a node: files, chains, and the text encoder's part in Regional Conditioning."""

from __future__ import annotations

from typing import Any

import comfy.sd
import pytest
import torch
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.lora.spec import RegionLora
from regional_dit.attention.sampling.host import patches_of
from regional_dit.demo_model.loader import load_model
from regional_dit.nodes.measure.demo import DemoDiTLoader
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import RegionalConditioning
from regional_dit.nodes.regional.lora import RegionLoraNode
from tiny_flux_clip import FLUX_T5_DIM, tiny_flux_clip

PROMPTS = "a fox\na boat"


@pytest.fixture(scope="module")
def flux_clip() -> Any:
    return tiny_flux_clip()


def text_lora() -> dict[str, torch.Tensor]:
    """A LoRA for a layer of T5."""
    stem = "lora_te2_encoder_block_0_layer_0_SelfAttention_v"
    return {
        f"{stem}.lora_down.weight": torch.randn(4, FLUX_T5_DIM),
        f"{stem}.lora_up.weight": torch.randn(32, 4),
    }


def conditioned(clip: Any, loras: tuple[RegionLora, ...] = (), **kw: Any) -> Any:
    regions = split_canvas(1, 2)
    return RegionalConditioning.execute(
        clip, regions, PROMPTS, "a picture", "", "both", "", loras=loras, **kw
    ).args


def test_the_text_part_acts_on_the_prompt_of_its_region_and_no_other(flux_clip):
    tensors = text_lora()
    plain, positive, negative = conditioned(flux_clip)
    loaded = comfy.sd.load_lora_for_models(None, flux_clip, tensors, 0.0, 0.7)[1]
    everywhere, _, _ = conditioned(loaded)
    own, own_positive, own_negative = conditioned(
        flux_clip, (RegionLora("text", tensors, "2", 0.7),)
    )
    states = [p.texts[0]["cross_attn"] for p in (plain, everywhere, own)]
    assert torch.equal(states[2], states[0]) and not torch.equal(states[2], states[1])
    states = [p.texts[1]["cross_attn"] for p in (plain, everywhere, own)]
    torch.testing.assert_close(states[2], states[1])
    assert not torch.allclose(states[2], states[0])
    assert torch.equal(own_positive[0][0], positive[0][0])
    assert torch.equal(own_negative[0][0], negative[0][0])
    assert any("text encoder part acts" in note for note in own.notes)


def test_the_text_part_acts_on_the_negative_of_its_region_and_no_other(flux_clip):
    tensors = text_lora()
    loaded = comfy.sd.load_lora_for_models(None, flux_clip, tensors, 0.0, 0.7)[1]
    both = {"negative_prompts": "rain\nsnow"}

    def run(clip: Any, *loras: RegionLora, **kw: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
        regional, _, negative = conditioned(clip, loras, **(kw or both))
        return [text["cross_attn"] for text in regional.negative.texts], negative[0][0]

    plain, everywhere = run(flux_clip), run(loaded)
    for number in (1, 2):
        mine, other = number - 1, 2 - number
        own, whole = run(flux_clip, RegionLora("text", tensors, str(number), 0.7))
        torch.testing.assert_close(own[mine], everywhere[0][mine])
        assert not torch.allclose(own[mine], plain[0][mine])
        assert torch.equal(own[other], plain[0][other])
        assert torch.equal(whole, plain[1])
        # The switch for negatives.
        off, whole = run(flux_clip, RegionLora("text", tensors, str(number), 0.7, negative=False))
        assert all(torch.equal(a, b) for a, b in zip(off, plain[0], strict=True))
        assert torch.equal(whole, plain[1])
    # A region without a negative of its own has that of the whole picture.
    last = {"negative_prompts": "\nsnow"}
    lora = RegionLora("text", tensors, "all", 0.7)
    own, whole = run(flux_clip, lora, **last)
    assert torch.equal(own[0], whole) and torch.equal(whole, plain[1])
    torch.testing.assert_close(own[1], everywhere[0][1])
    notes = conditioned(flux_clip, (lora,), **last)[0].notes
    assert any("on the prompt and the negative prompt of its regions" in note for note in notes)
    given = tuple(
        flux_clip.encode_from_tokens_scheduled(flux_clip.tokenize(text)) for text in ("x", "y")
    )
    notes = conditioned(flux_clip, (lora,), negative_conditionings=given)[0].notes
    assert any("acts on the prompt of its regions" in note for note in notes)


def test_conditionings_have_no_text_part_and_the_report_says_so(flux_clip):
    tokens = flux_clip.tokenize("a fox")
    given = tuple(flux_clip.encode_from_tokens_scheduled(tokens) for _ in range(2))
    regional = RegionalConditioning.execute(
        flux_clip, split_canvas(1, 2), "", "a picture", "", "both", "",
        conditionings=given, loras=(RegionLora("text", text_lora(), "1", 1.0),),
    )[0]  # fmt: skip
    assert any("does not act" in note for note in regional.notes)


def test_demo_files_go_through_the_nodes_to_the_patch():
    model, clip, _ = DemoDiTLoader.execute("hunyuan_dit").args
    first = RegionLoraNode.execute("demo striped", "1", 1.0, 0.0, 1.0, True)[0]
    both = RegionLoraNode.execute("demo outlined", "2", 0.5, 0.0, 0.5, False, first)[0]
    assert [lora.name for lora in both] == ["demo striped", "demo outlined"]
    regional, _, _ = conditioned(clip, both)
    patched, report = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.1).args
    assert "LoRA demo striped in region 1, strength 1." in report
    assert "demo outlined in region 2, strength 0.5, 0% to 50% of the denoising" in report
    bound = patches_of(patched)[0].loras
    assert [len(lora.deltas) for lora in bound] == [56, 56]
    assert RegionLoraNode.fingerprint_inputs("demo striped").startswith("demo striped ")


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(RegionalError, match="lora_name"):
        RegionLoraNode.execute("nothing", "1", 1.0, 0.0, 1.0, True)
    assert "after" in str(RegionLoraNode.validate_inputs(0.6, 0.5))


def test_the_demo_files_are_for_the_demo_model_alone():
    regional, _, _ = conditioned(
        DemoDiTLoader.execute("flux")[1],
        RegionLoraNode.execute("demo striped", "1", 1.0, 0.0, 1.0, True)[0],
    )
    with pytest.raises(RegionalError, match="demo striped belongs to this model"):
        PatchCrossAttention.execute(load_model("flux"), regional, 0, -1, 0.0, 1.0, 0.1)

"""LoRA by region: one region that fills the canvas does what the host's LoRA loader does."""

from __future__ import annotations

import comfy.lora
import comfy.sd
import pytest
import torch
from lora_case import HALVES, REFUSED, STRENGTH, TINY, lora, shared_case
from lora_files import KINDS, lora_file
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.lora.streams import stream_of


def assert_same(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for rounding, which grows with the numbers inside the network."""
    scale = max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("name", TINY)
def test_a_full_region_equals_the_hosts_loader_in_every_family(name):
    """Every linear layer and convolution of the network has a delta."""
    case = shared_case(name)
    tensors = lora_file(case.model)
    wanted = case.run(case.patched(case.loaded(tensors)))
    got = case.run(case.patched(loras=(lora(tensors),)))
    assert_same(got, wanted)
    assert (wanted - case.plain).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT", "sdxl"])
def test_a_full_region_equals_the_hosts_loader_with_every_kind(name, kind):
    case = shared_case(name)
    tensors = lora_file(case.model, kind)
    wanted = case.run(case.patched(case.loaded(tensors)))
    got = case.run(case.patched(loras=(lora(tensors),)))
    assert_same(got, wanted)
    assert (wanted - case.plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["Flux", "SD3", "AuraFlow", "pixart", "Qwen-Image"])
def test_diffusers_names_that_hold_parts_of_a_weight(name):
    """Names for q, k and v apart, and for rows that the host reorders, from the host's own map."""
    case = shared_case(name)
    weights = case.model.model.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    for stem, target in comfy.lora.model_lora_keys_unet(case.model.model, {}).items():
        key, offset = (target[0], target[1]) if isinstance(target, tuple) else (target, None)
        weight = weights.get(key)
        if not stem.startswith("transformer.") or weight is None or weight.ndim != 2:
            continue
        shape = list(weight.shape)
        if offset is not None and offset[1] + offset[2] > shape[offset[0]]:
            continue  # the map takes the MLP of Flux to be four times as wide as the block
        if offset is not None:
            shape[offset[0]] = offset[2]
        generator = torch.Generator().manual_seed(len(tensors))
        up, down = (torch.randn(*s, generator=generator) for s in ((shape[0], 2), (2, shape[1])))
        tensors |= {f"{stem}.lora_B.weight": 0.1 * up, f"{stem}.lora_A.weight": 0.1 * down}
    assert len(tensors) > 20
    wanted = case.run(case.patched(case.loaded(tensors)))
    assert_same(case.run(case.patched(loras=(lora(tensors),))), wanted)
    assert (wanted - case.plain).abs().max() > 1e-3


@pytest.mark.parametrize("stem", ["diffusion_model.{}", "base_model.model.{}"])
def test_generic_and_peft_names(stem):
    case = shared_case("HunyuanDiT")
    file = lora_file(case.model, stem=stem.format)
    parts = {"lora_up": "lora_B", "lora_down": "lora_A"}
    tensors = {
        key.replace("lora_up", parts["lora_up"]).replace("lora_down", parts["lora_down"]): value
        for key, value in file.items()
    }
    wanted = case.run(case.patched(case.loaded(tensors)))
    assert_same(case.run(case.patched(loras=(lora(tensors),))), wanted)
    assert (wanted - case.plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT"])
def test_strength_zero_is_bit_exact(name):
    case = shared_case(name)
    tensors = lora_file(case.model)
    plain = case.run(case.patched(regions=HALVES))
    got = case.run(case.patched(loras=(lora(tensors, strength=0.0),), regions=HALVES))
    assert torch.equal(got, plain)


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT", "sdxl"])
def test_it_composes_with_a_lora_on_the_whole_model(name):
    case = shared_case(name)
    ours, other = (lora_file(case.model, seed=seed) for seed in (0, 1))
    both = comfy.sd.load_lora_for_models(case.loaded(other), None, ours, STRENGTH, 0.0)[0]
    wanted = case.run(case.patched(both))
    assert_same(case.run(case.patched(case.loaded(other), loras=(lora(ours),))), wanted)


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT"])
def test_two_parts_of_the_denoising_are_the_whole(name):
    case = shared_case(name)
    tensors = lora_file(case.model)
    parts = [PercentRange(0.0, 0.4), PercentRange(0.4, 1.0)]
    split = tuple(lora(tensors, percent=percent) for percent in parts)
    whole = case.run(case.patched(loras=(lora(tensors),), regions=HALVES))
    assert_same(case.run(case.patched(loras=split, regions=HALVES)), whole)
    assert (case.run(case.patched(loras=split[:1], regions=HALVES)) - whole).abs().max() > 1e-3


def test_weights_stored_in_fp8_are_left_as_they_are():
    """As on a float32 model with the same rounded weights; nothing is merged into fp8."""
    case = shared_case("pixart")
    stored = case.tiny.model(dtype=torch.float8_e4m3fn)
    rounded = case.tiny.model()
    with torch.no_grad():
        pairs = zip(rounded.model.parameters(), stored.model.parameters(), strict=True)
        for parameter, small in pairs:
            parameter.copy_(small.float())
    loras = (lora(lora_file(rounded)), lora(lora_file(rounded, "DoRA by output", seed=1), "2"))
    wanted = case.run(case.patched(rounded, loras=loras, regions=HALVES))
    assert_same(case.run(case.patched(stored, loras=loras, regions=HALVES)), wanted)
    assert (wanted - case.run(case.patched(rounded, regions=HALVES))).abs().max() > 1e-3


def test_what_cannot_be_routed_is_refused_by_name():
    case = shared_case("HunyuanDiT")
    layer = "lora_unet_blocks_0_mlp_fc1"
    oft = {f"{layer}.oft_blocks": torch.randn(4, 32, 32)}
    with pytest.raises(RegionalError, match=r"test\.safetensors.*OFT adapter of blocks\.0\.mlp"):
        case.patched(loras=(lora(oft),))
    replaced = {f"{layer}.set_weight": torch.randn(128, 64)}
    with pytest.raises(RegionalError, match="replaces"):
        case.patched(loras=(lora(replaced),))
    norm = {"lora_unet_blocks_0_norm1.diff": torch.randn(64)}
    with pytest.raises(RegionalError, match="LayerNorm"):
        case.patched(loras=(lora(norm),))
    with pytest.raises(RegionalError, match="another model"):
        case.patched(loras=(lora({"lora_unet_nothing.lora_up.weight": torch.ones(1)}),))
    with pytest.raises(RegionalError, match=r"region '3', but there are 2 regions"):
        case.patched(loras=(lora(lora_file(case.model), "3"),), regions=HALVES)


@pytest.mark.parametrize("family", REFUSED)
def test_families_without_known_places_are_refused(family):
    kind = "cross" if family in ("LTX-2", "Anima", "Kandinsky 5") else "joint"
    with pytest.raises(RegionalError, match=f"of {family}, of which is not known where"):
        stream_of(family, kind, REFUSED[family])

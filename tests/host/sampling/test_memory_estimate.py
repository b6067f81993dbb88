"""What the host is told of the memory that regional text in joint attention takes, and LoRAs."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.sampler_helpers
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from lora_case import HALVES, lora
from lora_case import Case as LoraCase
from lora_files import KINDS, lora_file
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.families import find_family, joint_override
from regional_dit.attention.lora.delta import Delta
from regional_dit.attention.lora.memory import lora_bytes
from regional_dit.attention.lora.run import LoraRun
from regional_dit.attention.sampling.host import install, patches_of
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning
from regional_models import patched, positive
from tiny_hunyuan import conditioning as hydit_conditioning
from tiny_hunyuan import run_ksampler, tiny_hunyuan
from tiny_joint_case import HARD, LEFT, RIGHT, UID, shared_case

TOKEN_AREA = 4  # latent pixels


@pytest.fixture
def requests(monkeypatch):
    """(memory_required, minimum_memory_required) of each load."""
    seen: list[tuple[float, float]] = []
    real = comfy.model_management.load_models_gpu

    def spy(models, memory_required=0, *args, **kwargs):
        seen.append((memory_required, kwargs["minimum_memory_required"]))
        return real(models, memory_required, *args, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", spy)
    return seen


@pytest.fixture
def shapes(monkeypatch):
    """Latent shapes from which the host estimates."""
    seen: list[list[int]] = []
    real = comfy.sampler_helpers.estimate_memory

    def spy(model, noise_shape, conds):
        seen.append(list(noise_shape))
        return real(model, noise_shape, conds)

    monkeypatch.setattr(comfy.sampler_helpers, "estimate_memory", spy)
    return seen


@pytest.mark.parametrize("family", ["Flux", "SD3", "Qwen-Image"])
def test_the_request_grows_with_the_regions(family, requests, shapes):
    case = shared_case(family)
    text = case.tiny.conditioning(LEFT)[0][0].shape[1]
    case.sample(case.model, steps=1)
    for n in (1, 2, 4, 8):
        case.sample(case.patch(case.model, [LEFT] * n, HARD), steps=1)
    stock, *ours = shapes
    assert len(requests) == 5
    for n, shape in zip((1, 2, 4, 8), ours, strict=True):
        assert shape[:-1] == stock[:-1]
        more = (shape[-1] - stock[-1]) * shape[-2]
        rows = shape[-2] // 2
        assert 0 <= more - n * text * TOKEN_AREA < rows * TOKEN_AREA  # rounded up to a column
    for needed in zip(*requests, strict=True):
        assert list(needed) == sorted(needed) and len(set(needed)) == 5
        per_pixel = needed[0] / (stock[0] * stock[-1] * stock[-2])
        for memory, shape in zip(needed, shapes, strict=True):
            assert memory == pytest.approx(per_pixel * shape[0] * shape[-1] * shape[-2])


@pytest.mark.parametrize("family", ["Flux", "HiDream", "Lumina 2", "Z-Image"])
def test_the_request_counts_every_text_stream(family, shapes, monkeypatch):
    """As many tokens as the attention's sequence grows by: HiDream has T5 once and Llama twice."""
    case = shared_case(family)
    longest: list[int] = []
    real = joint_override.places_of

    def spy(call, layer, n_tokens, *args):
        longest[-1] = max(longest[-1], n_tokens)
        return real(call, layer, n_tokens, *args)

    monkeypatch.setattr(joint_override, "places_of", spy)
    for n in (1, 9):
        longest.append(0)
        case.sample(case.patch(case.model, [LEFT] * n, HARD), steps=1)
    one, nine = shapes
    added = (nine[-1] - one[-1]) * one[-2] // TOKEN_AREA
    assert abs(added - (longest[1] - longest[0])) < one[-2] // 2  # rounded up to a column


def test_texts_that_share_rows_add_up_and_others_do_not(shapes):
    case = shared_case("Flux")
    texts = tuple(text_from_conditioning(case.tiny.conditioning(s), "r") for s in (LEFT, RIGHT))
    layers = tuple(range(case.tiny.n_layers))

    def more(*uids: str, layers: tuple[int, ...] = layers) -> int:
        model = case.model
        for uid in uids:
            prompts = RegionalPrompts(uid, split_canvas(1, 2), texts, ("", ""))
            model = install(model, RegionalPatch(prompts, HARD, layers, PercentRange()))
        case.sample(model if uids else case.model, steps=1)
        return shapes[-1][-1]

    stock, one = more(), more(UID)
    assert more(UID, "another") == one  # of other rows of the batch: padded to the longest
    twice = more(UID, UID)
    assert twice - stock in (2 * (one - stock), 2 * (one - stock) - 2)
    assert more(UID, layers=()) == stock


def test_cross_attention_asks_for_nothing_more(shapes):
    model = tiny_hunyuan()
    run_ksampler(model, positive(), hydit_conditioning(1))
    run_ksampler(patched(model), positive(), hydit_conditioning(1))
    assert len(shapes) == 2 and shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT", "sdxl"])
def test_loras_of_regions_are_counted(name, requests, shapes):
    """To one column of the latent: in the least estimate once, in the other for two rows."""
    case = LoraCase(name)
    case.model.model.memory_usage_factor = 1e-6  # a column of the latent is then a few bytes
    file = lora_file(case.model)
    bound = []
    for numbers in ("", "1", "12"):
        model = case.patched(loras=tuple(lora(file, n) for n in numbers), regions=HALVES)
        case.run(model)
        bound.append(patches_of(model)[0].loras)
    size = tuple(shapes[0][2:])  # with the regional text, of joint attention
    grid = find_family(case.model.model).token_shape(case.model.model, size, 0)
    rows = size[0] * size[1] if name == "sdxl" else grid.frames * grid.rows * grid.cols
    plain, *others = requests
    for loras, (most, least) in zip(bound[1:], others, strict=True):
        more = least - plain[1]
        assert 0 <= more - lora_bytes(loras, rows, 4) < 1.001 * plain[1] / size[-1]
        assert most - plain[0] == pytest.approx(2 * more)
    assert plain[1] < others[0][1] < others[1][1]


def test_the_factors_are_those_of_the_file():
    case = LoraCase("Flux")
    file = lora_file(case.model)
    (bound,) = patches_of(case.patched(loras=(lora(file),)))[0].loras
    numbers = sum(tensor.numel() for key, tensor in file.items() if "alpha" not in key)
    assert lora_bytes([bound], 0, 2) == 2 * numbers
    assert lora_bytes([bound, bound], 0, 4) == 8 * numbers
    assert lora_bytes([bound], 10, 4) > 4 * numbers
    assert lora_bytes([], 1000, 4) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_takes_more_than_was_counted(kind):
    """What a sampling keeps of the LoRA, against the estimate of what stays."""
    case = LoraCase("HunyuanDiT")
    model = case.patched(loras=(lora(lora_file(case.model, kind)),), regions=HALVES)
    kept: list[LoraRun] = []

    def spy(executor: Any, *args: Any, **kwargs: Any) -> Any:
        kept.append(args[5]["regional_dit"].loras)
        return executor(*args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", spy)
    case.run(model)
    counted = lora_bytes(patches_of(model)[0].loras, 0, 4)
    found = sum(delta.n_numbers for delta in kept[0].store.values() if isinstance(delta, Delta))
    for _, _, stacks in kept[0].stacks._made.values():
        found += sum(s.down.numel() + sum(part.up.numel() for part in s.parts) for s in stacks)
    assert 0 < 4 * found <= 1.05 * counted


def test_nothing_but_the_estimate_changes():
    """The same picture as without the wrapper."""
    case = shared_case("Flux")
    model = case.patch(case.model, [LEFT, RIGHT], HARD)
    out = case.sample(model)
    deaf = model.clone()
    deaf.remove_wrappers_with_key(WrappersMP.PREPARE_SAMPLING, "regional_dit")
    assert deaf.wrappers[WrappersMP.PREPARE_SAMPLING].get("regional_dit") is None
    assert torch.equal(case.sample(deaf), out)

"""HunyuanImage 2.1: what a prompt quotes is a part of its own, which some prompts have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_joint import TINY
from tiny_joint_case import BASE, HARD, LEFT, NEGATIVE, RIGHT, UID

WHOLE = RegionSet.from_masks([torch.ones(8, 6)])
HALVES = RegionSet.from_masks([torch.full((8, 6), 0.5)] * 2)


@pytest.fixture(scope="module")
def tiny():
    return TINY["HunyuanImage 2.1"]


@pytest.fixture(scope="module")
def model(tiny):
    return tiny.model()


def prompt(tiny: Any, seed: int, quoted: int, **extra: Any) -> list[Any]:
    """A prompt that quotes ``quoted`` characters."""
    if quoted:
        generator = torch.Generator().manual_seed(500 + seed)
        extra["conditioning_byt5small"] = torch.randn(1, quoted, 1472, generator=generator)
    return tiny.conditioning(seed, **extra)


def sampled(tiny: Any, model: Any, positive: list[Any], **kwargs: Any) -> torch.Tensor:
    return tiny.sample(model, positive, tiny.conditioning(NEGATIVE), **kwargs)


def regional(
    tiny: Any,
    model: Any,
    base: list[Any],
    texts: list[list[Any]],
    regions: RegionSet,
    **kwargs: Any,
) -> torch.Tensor:
    states = tuple(text_from_conditioning(text, "region") for text in texts)
    prompts = RegionalPrompts(UID, regions, states, tuple("ab"[: len(texts)]))
    layers = tuple(range(tiny.n_layers))
    patched = install(model, RegionalPatch(prompts, HARD, layers, PercentRange()))
    marked = [[base[0][0], {**base[0][1], MARKER: UID}]]
    return sampled(tiny, patched, marked, **kwargs)


@pytest.mark.parametrize("base", [0, 5])
@pytest.mark.parametrize("quoted", [0, 7])
def test_one_full_region_is_the_stock_run_with_its_prompt(tiny, model, base, quoted):
    wanted = sampled(tiny, model, prompt(tiny, LEFT, quoted))
    texts = [prompt(tiny, LEFT, quoted)]
    out = regional(tiny, model, prompt(tiny, BASE, base), texts, WHOLE)
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)
    assert (wanted - sampled(tiny, model, prompt(tiny, LEFT, 4))).abs().max() > 1e-3


def test_the_base_prompt_in_all_regions_is_stock(tiny, model):
    base = prompt(tiny, BASE, 6)
    out = regional(tiny, model, base, [prompt(tiny, BASE, 6)] * 2, HALVES)
    torch.testing.assert_close(out, sampled(tiny, model, base), atol=1e-4, rtol=1e-4)


def test_quoting_and_plain_prompts_side_by_side(tiny, model):
    """Each half is the full region's for its own prompt where nothing crosses the border; here the
    batch's rows must equal the runs alone, and the quoted text must count."""
    texts = [prompt(tiny, LEFT, 9), prompt(tiny, RIGHT, 0)]
    base = prompt(tiny, BASE, 0)
    out = regional(tiny, model, base, texts, HALVES, batch=2)
    alone = regional(tiny, model, base, texts, HALVES)
    torch.testing.assert_close(out[:1], alone, atol=1e-4, rtol=1e-4)
    plain = regional(tiny, model, base, [prompt(tiny, LEFT, 0), texts[1]], HALVES)
    assert (alone - plain).abs().max() > 1e-3


def test_masked_tokens_of_a_region_are_left_out(tiny, model):
    states = torch.randn(1, 9, tiny.text_width, generator=torch.Generator().manual_seed(5))
    mask = torch.tensor([[1] * 6 + [0] * 3])
    base = prompt(tiny, BASE, 0)
    padded = [[states, {"attention_mask": mask}]]
    out = regional(tiny, model, base, [padded], WHOLE)
    wanted = regional(tiny, model, base, [[[states[:, :6], {}]]], WHOLE)
    assert torch.equal(out, wanted)

"""Negative prompts per region: the negative's rows follow the same regions by the same rules."""

from __future__ import annotations

import logging
import types
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy_extras.nodes_custom_sampler import BasicGuider
from host_features import advanced, outputs
from host_sampling import first_call
from hunyuan_formula import hand_masks, restated, text_tokens
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import PromptError, RegionalError
from regional_dit.attention.rules import Bias, Bind, Couple, EliGen, RegionalPromptingFlux, Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.negatives import negative_uid, regional_negatives
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_models import ALL_LAYERS, is_pristine
from tiny_dense_rules import Blocks, DenseRule
from tiny_dense_runs import SIZE, blocks_of, masks
from tiny_hunyuan import conditioning, run_ksampler, tiny_hunyuan
from tiny_joint import TINY
from tiny_joint_case import shared_case

UID = "regions-a"
BASE, NEGATIVE, LEFT, RIGHT, NOT_LEFT, NOT_RIGHT = 1, 2, 3, 4, 5, 6


def regional(
    encode: Any, unwanted: list[int | None], regions: RegionSet | None = None
) -> RegionalPrompts:
    """A left and a right region with negatives of these seeds, None for none."""
    regions = regions or split_canvas(1, 2)

    def text(seed: int) -> Any:
        return text_from_conditioning(encode(seed), str(seed))

    found = [None if seed is None else text(seed) for seed in unwanted]
    negative = regional_negatives(UID, regions, found, text(NEGATIVE), ["", ""])
    return RegionalPrompts(UID, regions, (text(LEFT), text(RIGHT)), ("", ""), negative=negative)


def patched(model: Any, unwanted: list[int | None], rule: Any = None, **changes: Any) -> Any:
    """HunyuanDiT with both."""
    settings = {"layers": ALL_LAYERS, "percent": PercentRange(), **changes}
    prompts = regional(conditioning, unwanted, settings.pop("regions", None))
    return install(model, RegionalPatch(prompts, rule or Couple(0.3), **settings))


def positive() -> Any:
    return conditioning(BASE, **{MARKER: UID})


def negative() -> Any:
    return conditioning(NEGATIVE, **{MARKER: negative_uid(UID)})


@pytest.mark.parametrize("unwanted", [[NOT_LEFT, NOT_RIGHT], [NOT_LEFT, None], [None, NOT_RIGHT]])
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("batch", [1, 2])
def test_hunyuan_dit_equals_the_formula_on_both_sides(unwanted, beta, batch):
    model = tiny_hunyuan(seed=7)
    net = model.model.diffusion_model
    size = {"height": 15, "width": 11, "batch": batch}
    ours = run_ksampler(patched(model, unwanted, Couple(beta)), positive(), negative(), **size)
    plain = run_ksampler(patched(model, [None, None], Couple(beta)), positive(), negative(), **size)
    shares = hand_masks(2, 15, 11, 8, 6)
    with torch.no_grad():
        wanted = [(text_tokens(net, s), m) for s, m in zip((LEFT, RIGHT), shares, strict=True)]
        other = [
            (text_tokens(net, s), m) for s, m in zip(unwanted, shares, strict=True) if s is not None
        ]
    for layer in ALL_LAYERS:  # ComfyUI batches [uncond, cond]
        attn2 = net.blocks[layer].attn2
        attn2.forward = types.MethodType(restated([other, wanted], beta), attn2)
    theirs = run_ksampler(model, positive(), negative(), **size)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    assert (ours - plain).abs().max() > 100 * (ours - theirs).abs().max()


class BothSides(DenseRule):
    """Full score matrices for one row per entry, each with masks of its own."""

    def __init__(self, rule: Rule, sides: list[torch.Tensor], blocks: Blocks) -> None:
        super().__init__(rule, sides[0], blocks)
        self.sides = sides

    def attend(self, places: Any, layer: int, q: Any, k: Any, v: Any) -> torch.Tensor:
        assert len(places.layouts) == len(self.sides) == len(q)
        found = []
        for row, (layouts, side) in enumerate(zip(places.layouts, self.sides, strict=True)):
            (layout,) = layouts
            self.masks = side
            one = SimpleNamespace(layouts=[[layout]])
            parts = (t[row : row + 1] for t in (q, k, v))
            found.append(super().attend(one, layer, *parts))
        return torch.cat(found)


JOINT_RULES: dict[str, Rule] = {
    "bind": Bind(0.3, isolate_until=0.4),
    "eligen": EliGen(),
    "bias": Bias(),
    "rpf": RegionalPromptingFlux(0.2, 2),
}


@pytest.mark.parametrize("rule", list(JOINT_RULES))
@pytest.mark.parametrize("name", ["Flux", "SD3", "Z-Image"])
def test_joint_negatives_equal_full_score_matrices(monkeypatch, name, rule):
    tiny, model = TINY[name], TINY[name].model()
    shares = masks(SIZE[0] // 2, SIZE[1] // 2, soft=rule != "rpf")
    regions = RegionSet.from_masks(list(shares))
    prompts = regional(tiny.conditioning, [NOT_LEFT, NOT_RIGHT], regions)
    patch = RegionalPatch(prompts, JOINT_RULES[rule], tuple(range(tiny.n_layers)), PercentRange())
    flat = shares.flatten(1)
    dense = BothSides(JOINT_RULES[rule], [flat, flat], blocks_of(name))
    both = dense.following(install(model, patch))

    def sample(negative_marker: str) -> torch.Tensor:
        dense.step = -1
        marked: dict[str, Any] = {MARKER: UID}
        other: dict[str, Any] = {MARKER: negative_marker}
        sides = tiny.conditioning(BASE, **marked), tiny.conditioning(NEGATIVE, **other)
        return tiny.sample(both, *sides, cfg=3.0, steps=3)

    out = sample(negative_uid(UID))
    with dense.in_place(monkeypatch):
        wanted = sample(negative_uid(UID))
    assert dense.n_calls >= 2 * tiny.n_layers
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-3)
    with pytest.raises(PromptError, match="negative prompts of their own"):
        sample("another")


@pytest.mark.parametrize("rule", list(JOINT_RULES))
@pytest.mark.parametrize("name", ["Flux", "AuraFlow"])
def test_a_region_without_a_negative_follows_the_whole_pictures(name, rule):
    """As if the negative's rows had the other region alone."""
    tiny = TINY[name]
    model, sides = tiny.model(), split_canvas(1, 2).regions

    def rows(prompts: RegionalPrompts) -> dict[int, torch.Tensor]:
        layers = tuple(range(tiny.n_layers))
        patch = RegionalPatch(prompts, JOINT_RULES[rule], layers, PercentRange())
        marked: dict[str, Any] = {MARKER: UID}
        other: dict[str, Any] = {MARKER: negative_uid(UID)}
        conds = tiny.conditioning(BASE, **marked), tiny.conditioning(NEGATIVE, **other)
        return first_call(install(model, patch), lambda spy: tiny.sample(spy, *conds, steps=1))

    both = regional(tiny.conditioning, [NOT_LEFT, None])
    alone = RegionSet((sides[0],))
    not_left = text_from_conditioning(tiny.conditioning(NOT_LEFT), "left")
    single = RegionalPrompts(negative_uid(UID), alone, (not_left,), ("",))
    lone = RegionalPrompts(UID, both.regions, both.texts, both.prompts, negative=single)
    torch.testing.assert_close(rows(both)[1], rows(lone)[1], atol=1e-5, rtol=1e-4)


def test_a_region_without_a_negative_keeps_others_behind_it():
    """The front region has none: what lies behind it must not come through."""
    whole, front = Region(Box(0, 0, 1, 1), order=0), Region(Box(0, 0, 0.5, 1), order=1)
    model = tiny_hunyuan(seed=3)
    stacked = patched(model, [NOT_LEFT, None], regions=RegionSet((whole, front), "front"))
    right = patched(model, [None, NOT_LEFT])

    def rows(spy: Any) -> None:
        run_ksampler(spy, positive(), negative())

    torch.testing.assert_close(
        first_call(stacked, rows)[1], first_call(right, rows)[1], atol=1e-5, rtol=1e-5
    )


def test_only_the_negatives_rows_differ(model):
    def rows(spy: Any) -> None:
        run_ksampler(spy, positive(), negative(), batch=2)

    without = first_call(patched(model, [None, None]), rows)
    with_one = first_call(patched(model, [NOT_LEFT, None]), rows)
    assert torch.equal(with_one[0], without[0])
    assert (with_one[1] - without[1]).abs().max() > 1e-3
    assert is_pristine(model)


@pytest.mark.parametrize("noop", [{"layers": ()}, {"percent": PercentRange(0.5, 0.5)}])
def test_empty_ranges_are_bit_exact(model, stock, noop):
    patch = patched(model, [NOT_LEFT, NOT_RIGHT], **noop)
    assert torch.equal(run_ksampler(patch, positive(), negative()), stock)


def test_a_sampler_without_the_negative_is_refused(model):
    patch = patched(model, [NOT_LEFT, None])
    with pytest.raises(PromptError, match="'negative' output of the same Regional Conditioning"):
        run_ksampler(patch, positive(), conditioning(NEGATIVE))


def test_a_guider_without_a_negative_is_refused():
    case = shared_case("Flux")
    prompts = regional(case.tiny.conditioning, [NOT_LEFT, None])
    patch = RegionalPatch(prompts, Bind(), (0, 1), PercentRange())
    run = advanced(lambda case, m, p, n: outputs(BasicGuider, m, p)[0])
    with pytest.raises(PromptError, match="BasicGuider, cannot"):
        run(case, install(case.model, patch), *case.conds())


def test_cfg_one_is_said_to_have_no_effect(model, caplog):
    patch = patched(model, [NOT_LEFT, None])
    with caplog.at_level(logging.WARNING):
        out = run_ksampler(patch, positive(), negative(), cfg=1.0)
    assert "raise cfg" in caplog.text
    without = run_ksampler(patched(model, [None, None]), positive(), negative(), cfg=1.0)
    assert torch.equal(out, without)


def test_rules_of_phrases_are_refused(model):
    class OfPhrases(Couple):
        base_tokens = 7  # type: ignore[assignment]

    with pytest.raises(RegionalError, match="bound to phrases of the positive prompt"):
        patched(model, [NOT_LEFT, None], OfPhrases(0.3))
    patched(model, [None, None], OfPhrases(0.3))


def test_a_negative_of_another_text_encoder_is_refused(model):
    prompts = regional(conditioning, [NOT_LEFT, None])
    assert prompts.negative is not None
    wide = {**prompts.negative.texts[0], "cross_attn": torch.zeros(1, 4, 999)}
    other = RegionalPrompts(
        prompts.negative.uid, prompts.regions, (wide, prompts.texts[1]), ("", "")
    )
    both = RegionalPrompts(UID, prompts.regions, prompts.texts, ("", ""), negative=other)
    with pytest.raises(PromptError, match="width 999"):
        install(model, RegionalPatch(both, Couple(0.3), ALL_LAYERS, PercentRange()))


def test_one_negative_per_region_is_needed():
    with pytest.raises(PromptError, match="Got 1 negative prompts for 2 regions"):
        regional(conditioning, [NOT_LEFT])

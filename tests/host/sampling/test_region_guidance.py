"""Guidance by region: in a region what the whole picture gives at its scale, by any guidance."""

from __future__ import annotations

import logging
from typing import Any

import comfy.samplers
import pytest
import tiny_cross_runs as cross
import torch
from comfy_extras.nodes_custom_sampler import BasicGuider
from comfy_extras.nodes_model_advanced import RescaleCFG
from comfy_extras.nodes_perpneg import PerpNegGuider
from host_features import advanced, dual_cfg, outputs
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import HostError, PromptError, RegionalError, RegionError
from regional_dit.nodes.regional import guidance
from regional_dit.nodes.regional.guidance import RegionGuidanceNode, guidance_of
from tiny_cross import TINY as CROSS
from tiny_joint_case import BASE, HEIGHT, LEFT, NEGATIVE, RIGHT, WIDTH, Case, shared_case

FAMILIES = pytest.mark.parametrize("name", ["Flux", "SD3"])
HALVES = split_canvas(1, 2)
SOFT = split_canvas(1, 2, feather=0.5)
OWN = 3.0  # cfg of the sampler


def guided(
    model: Any,
    cfg: float,
    which: str = "1",
    regions: RegionSet = HALVES,
    percent: tuple[float, float] = (0.0, 1.0),
) -> Any:
    return RegionGuidanceNode.execute(model, regions, which, cfg, *percent)[0]


def halves(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    middle = left.shape[-1] // 2
    return torch.cat([left[..., :middle], right[..., middle:]], -1)


@FAMILIES
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "euler_cfg_pp"])
def test_one_step_is_that_of_the_whole_picture_at_the_regions_scale(name, sampler):
    case = shared_case(name)
    latent = case.latent(batch=2)

    def run(model: Any, cfg: float) -> torch.Tensor:
        return case.sample(model, latent=latent, cfg=cfg, steps=1, sampler_name=sampler)

    wanted = {cfg: run(case.model, cfg) for cfg in (1.5, OWN, 7.0)}
    assert (wanted[1.5] - wanted[7.0]).abs().max() > 1e-3
    ours = run(guided(case.model, 1.5), OWN)
    assert torch.equal(ours, halves(wanted[1.5], wanted[OWN]))
    both = run(guided(guided(case.model, 1.5), 7.0, "2"), OWN)
    assert torch.equal(both, halves(wanted[1.5], wanted[7.0]))
    last = run(guided(guided(case.model, 1.5, "all"), 7.0, "2"), OWN)
    assert torch.equal(last, both)


@FAMILIES
def test_the_samplers_own_scale_changes_no_bit(name):
    case = shared_case(name)
    same = guided(guided(case.model, OWN), OWN, "2")
    assert torch.equal(case.sample(same, steps=4), case.sample(case.model, steps=4))
    never = guided(case.model, 9.0, percent=(0.5, 0.5))
    assert torch.equal(case.sample(never, steps=4), case.sample(case.model, steps=4))


def test_soft_borders_and_odd_sizes_mix_by_share():
    case = shared_case("Flux")
    latent = {"samples": torch.zeros(1, case.tiny.channels, 15, 11)}
    low, high = (case.sample(case.model, latent=latent, cfg=c, steps=1) for c in (OWN, 8.0))
    for regions in (SOFT, HALVES):
        share = regions.masks(15, 11)[0]
        assert ((share > 0.1) & (share < 0.9)).any()  # column 6 of 11 at least
        ours = case.sample(guided(case.model, 8.0, "1", regions), latent=latent, cfg=OWN, steps=1)
        torch.testing.assert_close(ours, low + share * (high - low), atol=1e-5, rtol=1e-5)


@FAMILIES
@pytest.mark.parametrize("first", ["rescale", "regions"])
def test_guidance_of_another_node_is_asked_at_the_regions_scale(name, first):
    """Rescale CFG is not linear in the scale: it looks at the whole picture."""
    case = shared_case(name)

    def rescaled(model: Any) -> Any:
        return outputs(RescaleCFG, model, 0.7)[0]

    model = (
        guided(rescaled(case.model), 8.0)
        if first == "rescale"
        else rescaled(guided(case.model, 8.0))
    )
    plain = {cfg: case.sample(rescaled(case.model), cfg=cfg, steps=1) for cfg in (OWN, 8.0)}
    assert torch.equal(case.sample(model, cfg=OWN, steps=1), halves(plain[8.0], plain[OWN]))


@pytest.mark.parametrize("before", [True, False])
def test_what_other_nodes_add_is_added_once_everywhere(before):
    case = shared_case("Flux")

    def brighter(model: Any) -> Any:
        changed = model.clone()
        changed.set_model_sampler_post_cfg_function(lambda args: args["denoised"] + 2.0)
        return changed

    model = guided(brighter(case.model), 8.0) if before else brighter(guided(case.model, 8.0))
    wanted = case.sample(guided(case.model, 8.0), steps=1)
    scale = case.model.get_model_object("latent_format").scale_factor
    got = case.sample(model, steps=1)
    torch.testing.assert_close(got, wanted + 2.0 / scale, atol=1e-4, rtol=1e-4)


def test_perp_neg_guider():
    case = shared_case("Flux")

    def guider(cfg: float) -> Any:
        def make(case: Case, model: Any, positive: Any, negative: Any) -> Any:
            empty = case.tiny.conditioning(13)
            return outputs(PerpNegGuider, model, positive, negative, empty, cfg, 1.0)[0]

        return make

    model = guided(case.model, 8.0, "2")
    first: dict[float, torch.Tensor] = {}
    for cfg in (OWN, 8.0):
        first[cfg] = first_denoised(case, case.model, guider(cfg))
    ours = first_denoised(case, model, guider(OWN))
    torch.testing.assert_close(ours, halves(first[OWN], first[8.0]), atol=1e-5, rtol=1e-5)
    with pytest.raises(HostError, match="Perp-Neg Guider has cfg 0"):
        first_denoised(case, model, guider(0.0))


def first_denoised(case: Case, model: Any, make_guider: Any) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    spy = model.clone()

    def look(args: dict[str, Any]) -> torch.Tensor:
        seen.append(args["denoised"].clone())
        return args["denoised"]

    spy.set_model_sampler_post_cfg_function(look)
    advanced(make_guider)(case, spy, case.tiny.conditioning(BASE), case.tiny.conditioning(NEGATIVE))
    return seen[0]


def test_at_cfg_1_the_regions_alone_are_guided(caplog):
    case = shared_case("Flux")
    plain = {cfg: case.sample(case.model, cfg=cfg, steps=1) for cfg in (1.0, 4.0)}
    with caplog.at_level(logging.WARNING):
        ours = case.sample(guided(case.model, 4.0), cfg=1.0, steps=1)
    assert "about twice as long" in caplog.text
    torch.testing.assert_close(ours, halves(plain[4.0], plain[1.0]), atol=1e-5, rtol=1e-5)
    caplog.clear()
    none = case.sample(guided(case.model, 1.0), cfg=1.0, steps=1)  # still without the negative
    assert torch.equal(none, plain[1.0])
    low = case.sample(guided(case.model, 1.0), cfg=4.0, steps=1)
    torch.testing.assert_close(low, halves(plain[1.0], plain[4.0]), atol=1e-5, rtol=1e-5)
    assert "Region Guidance had no effect" in caplog.text and "twice" not in caplog.text


def test_a_sampler_without_a_negative_or_with_two_scales_is_named():
    case = shared_case("Flux")

    def basic(case: Case, model: Any, positive: Any, negative: Any) -> Any:
        return outputs(BasicGuider, model, positive)[0]

    with pytest.raises(PromptError, match="no negative"):
        first_denoised(case, guided(case.model, 4.0), basic)
    with pytest.raises(HostError, match="two scales"):
        first_denoised(case, guided(case.model, 4.0), dual_cfg)


def test_a_guider_that_asks_no_functions_is_told(caplog):
    case = shared_case("Flux")

    class OnlyPositive(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006
            conds = [self.conds["positive"]]
            return comfy.samplers.calc_cond_batch(
                self.inner_model, conds, x, timestep, model_options
            )[0]

    def make(case: Case, model: Any, positive: Any, negative: Any) -> Any:
        guider = OnlyPositive(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(OWN)
        return guider

    sides = case.tiny.conditioning(BASE), case.tiny.conditioning(NEGATIVE)
    advanced(make)(case, guided(case.model, 4.0), *sides)
    assert "no effect: OnlyPositive" in caplog.text


def test_parts_of_the_denoising_hand_over():
    case = shared_case("Flux")
    whole = split_canvas(1, 1)
    early = guided(case.model, 8.0, "1", whole, (0.0, 0.5))
    model = guided(early, 1.5, "1", whole, (0.5, 1.0))
    half = float(model.get_model_object("model_sampling").percent_to_sigma(0.5))
    by_hand = case.model.clone()

    def cfg_function(args: dict[str, Any]) -> torch.Tensor:
        scale = 8.0 if float(args["sigma"][0]) > half else 1.5
        cond, uncond = args["cond_denoised"], args["uncond_denoised"]
        return args["input"] - (uncond + (cond - uncond) * scale)

    by_hand.set_model_sampler_cfg_function(cfg_function)
    ours, wanted = case.sample(model, steps=6), case.sample(by_hand, steps=6)
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-4)
    assert (ours - case.sample(early, steps=6)).abs().max() > 1e-3


def test_with_regional_prompts_and_the_model_untouched():
    case = shared_case("Flux")
    before = dict(case.model.model_options)
    patched = case.patch(case.model, [LEFT, RIGHT])
    plain = {cfg: case.sample(patched, cfg=cfg, steps=1) for cfg in (OWN, 8.0)}
    for model in (guided(patched, 8.0), case.patch(guided(case.model, 8.0), [LEFT, RIGHT])):
        ours = case.sample(model.clone(), cfg=OWN, steps=1)
        assert torch.equal(ours, halves(plain[8.0], plain[OWN]))
    assert case.model.model_options == before and guidance_of(case.model) == ()
    assert torch.equal(case.sample(case.model), case.stock)


def test_shares_are_made_once_for_all_steps(monkeypatch):
    case = shared_case("Flux")
    made = []
    real = guidance.guidance_shares
    monkeypatch.setattr(guidance, "guidance_shares", lambda *args: made.append(args) or real(*args))
    case.sample(guided(guided(case.model, 8.0), 2.0, "2"), steps=9, sampler_name="heun")
    assert len(made) == 1


@pytest.mark.parametrize("name", ["wan_t2v", "cosmos_predict2"])
def test_frames_of_a_video(name):
    tiny = CROSS[name]
    model, frames = tiny.model(), tiny.latent[1]
    assert tiny.is_video and frames > 1
    box = Box(0.0, 0.0, 1.0, 1.0)
    regions = RegionSet((Region(box, frames=(0.0, 1 / frames)),))
    plain = {cfg: cross.run(tiny, model, cfg=cfg, steps=1) for cfg in (OWN, 8.0)}
    ours = cross.run(tiny, guided(model, 8.0, "1", regions), cfg=OWN, steps=1)
    assert torch.equal(ours[:, :, :1], plain[8.0][:, :, :1])
    assert torch.equal(ours[:, :, 1:], plain[OWN][:, :, 1:])


def test_errors_and_the_report_are_in_words():
    case = shared_case("Flux")
    for wrong in (-1.0, 100.5, float("nan")):
        with pytest.raises(RegionalError, match="cfg of a region is"):
            guided(case.model, wrong)
    with pytest.raises(RegionError, match="The guidance is meant for region '3'"):
        guided(case.model, 4.0, "3")
    boxes = [Region(Box(0.0, 0.0, 0.5, 0.5)), Region(Box(0.0, 0.0, 1.0, 1.0), order=1)]
    hidden = RegionSet(tuple(boxes), "front")
    with pytest.raises(RegionError, match="Region 1 would be lost"):
        case.sample(guided(case.model, 4.0, "1", hidden))
    assert case.sample(guided(case.model, 4.0, "2", hidden)).isfinite().all()
    first = guided(case.model, 2.0, "all", percent=(0.0, 0.25))
    report = RegionGuidanceNode.execute(first, HALVES, "2", 7.5, 0.5, 0.5)[1]
    assert "cfg 2 in regions 1, 2, 0% to 25%" in report
    assert "cfg 7.5 in region 2" in report and "changes nothing" in report
    embeds = case.model.model.diffusion_model.params.guidance_embed
    assert ("guidance built in" in report) == embeds
    assert "start_percent" in str(RegionGuidanceNode.validate_inputs(0.5, 0.2))


def test_sizes_that_are_no_picture_are_refused():
    with pytest.raises(HostError, match="1 axes"):
        guidance.guidance_shares([], (7,))
    shares = guidance.guidance_shares([], (HEIGHT, WIDTH))
    assert list(shares) == [None] and shares[None].shape == (1, 1, HEIGHT, WIDTH)

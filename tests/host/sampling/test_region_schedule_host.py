"""Regions with schedules and base ratios of their own, whole samplings against plain softmaxes."""

from __future__ import annotations

import bisect
import types
from dataclasses import replace
from typing import Any

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from hunyuan_formula import hand_masks, restated, text_tokens
from regional_dit.attention.canvas.region_schedule import RegionSchedule, with_schedule
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import RCAC, Bind, Couple, EliGen, Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.regional.schedule import RegionScheduleNode
from regional_models import ALL_LAYERS, BASE, LEFT, NEGATIVE, RIGHT, UID, patched, positive
from tiny_dense_rules import DenseRule, LayerScores
from tiny_dense_runs import SIZE, blocks_of, masks, sample
from tiny_dense_runs import patch as patch_of
from tiny_hunyuan import conditioning, run_ksampler, tiny_hunyuan
from tiny_joint import TINY

# The four steps begin at (flow models: a hair before) 0, 25, 50 and 75 percent.
RAMP, SWITCH = RegionSchedule(0.25, 1.0, ramp=0.4), RegionSchedule(0.0, 0.4, outside=0.3)
BETAS = (0.6, 0.3)  # of the left region its own, of the right one the rule's


def scheduled(regions: RegionSet, own: float | None = BETAS[0]) -> RegionSet:
    return with_schedule(with_schedule(regions, "1", RAMP, own), "2", SWITCH, None)


def weights_at(percent: float) -> torch.Tensor:
    """[2] what these schedules are to give."""
    rising = min(max((percent - 0.25) / 0.4 + 0.5, 0.0), 1.0)
    return torch.tensor([rising, 1.0 if percent < 0.4 else 0.3])


def counting(model: Any, count: dict[str, int]) -> Any:
    """A clone that counts its model calls."""
    clone = model.clone()

    def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
        count["step"] += 1
        return executor(*args, **kwargs)

    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "count", wrapper)
    return clone


def test_hunyuan_dit_equals_the_formula_at_every_step():
    model = tiny_hunyuan(seed=7)
    net = model.model.diffusion_model
    size: dict[str, Any] = {"height": 15, "width": 11, "steps": 4}
    regions = scheduled(split_canvas(1, 2))
    patch = patched(model, regions=regions, rule=Couple(BETAS[1]))
    ours = run_ksampler(patch, positive(), conditioning(NEGATIVE), **size)
    plain = run_ksampler(patched(model), positive(), conditioning(NEGATIVE), **size)
    with torch.no_grad():
        texts = [text_tokens(net, seed) for seed in (LEFT, RIGHT)]
    shares, count = hand_masks(2, 15, 11, 8, 6), {"step": -1}
    kept = 1 - torch.tensor(BETAS)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        weights = weights_at(0.25 * count["step"]) * kept
        side = [(t, m * w) for t, m, w in zip(texts, shares, weights, strict=True)]
        return restated([[], side], 0.0)(self, *args, **kwargs)  # [uncond, cond]

    for layer in ALL_LAYERS:
        attn2 = net.blocks[layer].attn2
        attn2.forward = types.MethodType(forward, attn2)
    theirs = run_ksampler(counting(model, count), positive(), conditioning(NEGATIVE), **size)
    assert count["step"] == 3
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    assert (ours - plain).abs().max() > 100 * (ours - theirs).abs().max()


class Scheduled(DenseRule):
    """Full score matrices whose masks have the step's weights."""

    exactly: float = 0.0  # percent of the current call

    def following(self, model: Any) -> Any:
        clone = super().following(model)
        to_sigma = model.model.model_sampling.percent_to_sigma

        def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
            sigma = float(args[5]["sigmas"][0])
            ahead = bisect.bisect_left(
                range(10**6), -sigma, key=lambda i: -float(to_sigma(i / 10**6))
            )
            self.exactly = ahead / 10**6
            return executor(*args, **kwargs)

        clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "exactly", wrapper)
        return clone

    def scores(self, layer: int) -> LayerScores:
        whole, self.masks = self.masks, self.masks * self.weights()[:, None]
        try:
            return super().scores(layer)
        finally:
            self.masks = whole

    def weights(self) -> torch.Tensor:
        weights = weights_at(self.exactly)
        if isinstance(self.rule, Bind):  # a share (1 - b_r) instead of (1 - beta)
            weights = weights * (1 - torch.tensor(BETAS)) / (1 - BETAS[1])
        return weights


RULES: dict[str, Rule] = {"bind": Bind(BETAS[1], isolate_until=0.0), "eligen": EliGen()}


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("name", ["Flux", "SD3", "Z-Image"])
def test_joint_schedules_equal_full_score_matrices(monkeypatch, name, rule):
    tiny, model = TINY[name], TINY[name].model()
    shares = masks(SIZE[0] // 2, SIZE[1] // 2, soft=False)
    own = BETAS[0] if rule == "bind" else None
    regions = scheduled(RegionSet.from_masks(list(shares)), own)
    always = patch_of(tiny, RULES[rule], shares)
    patch = replace(always, prompts=replace(always.prompts, regions=regions))
    dense = Scheduled(RULES[rule], shares.flatten(1), blocks_of(name))
    followed = dense.following(install(model, patch))
    out = sample(tiny, followed, steps=4)
    assert dense.step == 3
    dense.step = -1
    with dense.in_place(monkeypatch):
        wanted = sample(tiny, followed, steps=4)
    assert dense.n_calls >= 2 * tiny.n_layers
    difference = float((out - wanted).abs().max())
    torch.testing.assert_close(out, wanted, atol=5e-5, rtol=1e-4)
    other = sample(tiny, install(model, always), steps=4)
    assert float((out - other).abs().max()) > max(1e-4, 20 * difference)


def test_schedules_that_switch_are_the_patches_percents(model):
    """One patch with two schedules is two patches in a row, each with its percents."""
    halves = split_canvas(1, 2)
    early, late = RegionSchedule(0.0, 0.5), RegionSchedule(0.5, 1.0)
    regions = with_schedule(with_schedule(halves, "1", early, None), "2", late, None)
    one = patched(model, regions=regions, rule=RCAC())
    left, right = (RegionSet((region,)) for region in halves.regions)
    two = patched(
        patched(model, [LEFT], regions=left, rule=RCAC(), percent=(0.0, 0.5)),
        [RIGHT], regions=right, rule=RCAC(), percent=(0.5, 1.0),
    )  # fmt: skip
    outs = [run_ksampler(m, positive(), conditioning(NEGATIVE), steps=4) for m in (one, two)]
    torch.testing.assert_close(*outs, atol=1e-5, rtol=1e-5)


def test_outside_of_all_schedules_the_model_is_stock(model):
    """Bit by bit: from the step on at which no region acts, as if the patch ended there."""
    regions = with_schedule(split_canvas(1, 2), "", RegionSchedule(0.0, 0.5), None)
    by_region = patched(model, regions=regions)
    by_patch = patched(model, percent=(0.0, 0.5))
    outs = [
        run_ksampler(m, positive(), conditioning(NEGATIVE), steps=4) for m in (by_region, by_patch)
    ]
    assert torch.equal(*outs)
    never = with_schedule(split_canvas(1, 2), "", RegionSchedule(0.99, 1.0), None)
    out = run_ksampler(patched(model, regions=never), positive(), conditioning(NEGATIVE), steps=4)
    stock = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE), steps=4)
    assert torch.equal(out, stock)


def test_switched_regions_need_two_sets_of_groups(model):
    """A phase, not a step: groups are made once for each weight that occurs."""
    made = []

    class Counted(Couple):
        def groups(self, regions: Any, grid: Any, phase: Any) -> Any:
            made.append([region.weight for region in regions.regions])
            return super().groups(regions, grid, phase)

    regions = with_schedule(split_canvas(1, 2), "1", RegionSchedule(0.25, 0.75), None)
    patch = patched(model, regions=regions, rule=Counted(0.3))
    run_ksampler(patch, positive(), conditioning(NEGATIVE), steps=8)
    assert made == [[0.0, 1.0], [1.0, 1.0]]


def test_the_node_and_the_report(model):
    regions = RegionScheduleNode.execute(split_canvas(1, 2), "2", 0.2, 0.8, 0.1, 0.3, 0.5)[0]
    assert [region.schedule for region in regions.regions] == [
        None,
        RegionSchedule(0.2, 0.8, 0.1, 0.3),
    ]
    texts = tuple(text_from_conditioning(conditioning(s), "region") for s in (LEFT, RIGHT))
    prompts = RegionalPrompts(UID, regions, texts, ("a", "b"))
    report = PatchCrossAttention.execute(model, prompts, 0, -1, 0.0, 1.0, 0.3)[1]
    assert "  2. b (base ratio 0.5) (20% to 80%, ramp 10%, 0.3 outside)" in report
    with pytest.raises(RegionalError, match="the rule 'rcac' has no base ratio"):
        PatchCrossAttention.execute(model, prompts, 0, -1, 0.0, 1.0, 0.3, RCAC())
    rules = RegionScheduleNode.execute(split_canvas(1, 2), "", 0.0, 1.0, 0.0, 0.0, -1.0)[0]
    assert all(r.schedule is None and r.base_ratio is None for r in rules.regions)

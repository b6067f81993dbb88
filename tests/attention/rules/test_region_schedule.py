"""Regions in the denoising: their weight at each step, and base ratios of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cross_cases import Case, cases, couple_weights
from hypothesis import given
from regional_dit.attention.calls.step import Step
from regional_dit.attention.canvas.region_schedule import (
    RegionSchedule,
    check_base_ratios,
    weights_at,
    with_schedule,
)
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.canvas.tokens import token_coverage
from regional_dit.attention.errors import RegionalError, RegionError
from regional_dit.attention.rules import (
    RCAC,
    RPG,
    Bias,
    Bind,
    Couple,
    Dense,
    EliGen,
    Joint,
    LaRender,
    Omost,
    RegionalPromptingFlux,
)
from regional_dit.attention.rules.bind import ISOLATED, OPEN
from regional_dit.attention.rules.rpf import RPFPhase


def step(percent: float) -> Step:
    """A model whose sigma falls as 1 - percent."""
    return Step(torch.tensor([1.0 - percent]), [1.0, 0.5, 0.0], lambda share: 1.0 - share)


@pytest.mark.parametrize(
    ("schedule", "wanted"),  # at 0, 0.25, 0.5, 0.75
    [
        (RegionSchedule(), [1, 1, 1, 1]),
        (RegionSchedule(0.25, 0.75), [0, 1, 1, 0]),
        (RegionSchedule(0.0, 0.5, outside=0.3), [1, 1, 0.3, 0.3]),
        (RegionSchedule(0.25, 1.0, ramp=0.4), [0, 0.5, 1, 1]),
        (RegionSchedule(0.0, 0.5, ramp=1.0), [1, 0.75, 0.5, 0.25]),
        (RegionSchedule(0.25, 0.5, ramp=1.0), [0.25, 0.25, 0.25, 0.25]),
        (RegionSchedule(0.5, 1.0, ramp=1.0, outside=0.5), [0.5, 0.625, 0.75, 0.875]),
    ],
)
def test_strength_by_hand(schedule, wanted):
    found = [schedule.strength(step(percent)) for percent in (0.0, 0.25, 0.5, 0.75)]
    assert found == pytest.approx(wanted, abs=2e-4)


def test_regions_that_hand_over_add_up_to_one():
    first, second = RegionSchedule(0.0, 0.4, ramp=0.3), RegionSchedule(0.4, 1.0, ramp=0.3)
    for percent in torch.linspace(0, 1, 41).tolist():
        total = first.strength(step(percent)) + second.strength(step(percent))
        assert total == pytest.approx(1.0, abs=2e-4)


def test_without_schedules_sigma_is_not_read():
    assert weights_at(split_canvas(1, 2), None) is None  # type: ignore[arg-type]
    switched = with_schedule(split_canvas(1, 2), "", RegionSchedule(0.2), None)
    assert weights_at(switched, step(0.1)) == (0.0, 0.0)
    whole = with_schedule(switched, "", RegionSchedule(), None)
    assert all(region.schedule is None for region in whole.regions)


def test_a_schedule_multiplies_the_weight_and_coverage_is_kept():
    case = Case(3, 2, 4, 4, "blend", 0.4)
    regions = with_schedule(case.regions, "2", RegionSchedule(0.5, outside=0.25), None)
    weights = weights_at(regions, step(0.0))
    assert weights == (case.weights[0], case.weights[1] * 0.25)
    before = token_coverage(regions, case.grid)
    assert token_coverage(regions.with_weights(weights), case.grid) is before


@pytest.mark.parametrize(
    "wrong",
    [{"start": 0.5, "end": 0.5}, {"start": -0.1}, {"end": 1.5}, {"start": float("nan")},
     {"ramp": 2.0}, {"outside": -0.1}, {"ramp": float("nan")}],
)  # fmt: skip
def test_wrong_schedules_are_refused(wrong):
    with pytest.raises(RegionError, match=r"expected 0\.\.1|leaves 0\.\.1"):
        RegionSchedule(**wrong)


@given(cases)
def test_couple_with_own_base_ratios_by_hand(case):
    ratios = [None, 0.0, 0.7, 1.0, 0.25][: len(case.regions)]
    own = zip(case.regions.regions, ratios, strict=True)
    case.regions = replace(
        case.regions, regions=tuple(replace(region, base_ratio=beta) for region, beta in own)
    )
    betas = torch.tensor([0.3 if beta is None else beta for beta in ratios]).double()[:, None]
    omega = couple_weights(case, betas)
    alone = [case.alone(prompt) for prompt in range(len(case.texts))]
    expected = sum(w[None, :, None] * out for w, out in zip(omega, alone, strict=True))
    case.check(Couple(0.3), expected)


RULES = {
    "couple": (Couple, "always"),
    "joint": (Joint, "always"),
    "rpg": (RPG, "always"),
    "bind": (Bind, OPEN),
    "rpf": (RegionalPromptingFlux, RPFPhase(True, False)),
    "rpf, leaking": (RegionalPromptingFlux, RPFPhase(False, False)),
}
SCENE = RegionSet(
    (Region(Box(0, 0, 0.6, 1.0, feather=0.3)), Region(Box(0.5, 0.2, 1, 1), weight=0.5))
)


def described(groups):
    """Groups as plain values."""

    def plain(value):
        return value.tolist() if isinstance(value, torch.Tensor) else value

    def of_block(block):
        return (block.source, *map(plain, (block.tokens, block.queries, block.log_weight)))

    return [
        (group.source, plain(group.queries), plain(group.weight), *map(of_block, group.blocks))
        for group in groups
    ]


@pytest.mark.parametrize("name", list(RULES))
def test_own_base_ratios_take_the_place_of_the_rules(name):
    make, phase = RULES[name]
    case = Case(1, 2, 5, 6, "blend", 0.0)
    own = with_schedule(SCENE, "", RegionSchedule(), 0.7)
    check_base_ratios(own, make(0.2))
    found = described(make(0.2).groups(own, case.grid, phase))
    assert found == described(make(0.7).groups(SCENE, case.grid, phase))
    assert found != described(make(0.2).groups(SCENE, case.grid, phase))


def test_isolated_regions_keep_no_base_ratio():
    case = Case(1, 2, 5, 6, "blend", 0.0)
    own = with_schedule(SCENE, "", RegionSchedule(), 0.7)
    found = described(Bind(0.2).groups(own, case.grid, ISOLATED))
    assert found == described(Bind(0.2).groups(SCENE, case.grid, ISOLATED))


@pytest.mark.parametrize("rule", [RCAC(), Omost(), Dense(), LaRender(), EliGen(), Bias()])
def test_rules_without_a_base_ratio_refuse_one(rule):
    own = with_schedule(split_canvas(1, 3), "2", RegionSchedule(), 0.5)
    with pytest.raises(RegionalError, match=f"Region 2 has a base ratio.*'{rule.name}' has no"):
        check_base_ratios(own, rule)
    check_base_ratios(split_canvas(1, 3), rule)

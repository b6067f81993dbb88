"""Every rule for cross-attention against a dense restatement of its formula, without groups.

q [1, H, N, D] asks texts (k, v) [1, H, T_r, D]; ``m`` [R, N] is what each region covers of each
token. The restatements write out every score, token by token where that is clearer.
"""

from __future__ import annotations

import math

import pytest
import torch
from cross_cases import DIM, HEADS, Case, cases, couple_weights, easily_seen, whole_grid
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import groups_to
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import RPG, Couple, Dense, Joint, LaRender, Omost, RCACLiteral
from stand_ins import sdpa, step


@given(cases, st.sampled_from([0.0, 0.3, 1.0]))
def test_couple(case, base_ratio):
    omega = couple_weights(case, base_ratio)
    case.check(Couple(base_ratio), sum(w[:, None] * case.alone(r) for r, w in enumerate(omega)))


@given(cases, st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_joint(case, base_ratio, compensated):
    omega = couple_weights(case, base_ratio)
    scores = []
    for prompt, weight in enumerate(omega):
        length = case.value(prompt).shape[1] if compensated else 1
        scores.append(case.scores(prompt) + (weight / length).log()[:, None])
    case.check(Joint(base_ratio, compensated), case.together(scores))


def test_joint_length_compensation_is_that_of_the_formula():
    """log(L_0 / L_r), which differs from log(1 / L_r) by a term that cancels."""
    case = Case(3, 3, 5, 5, "blend", 0.4)
    n_tokens = [case.value(prompt).shape[1] for prompt in range(4)]
    scores = [
        case.scores(r) + (w * n_tokens[0] / n_tokens[r]).log()[:, None]
        for r, w in enumerate(couple_weights(case, 0.3))
    ]
    case.check(Joint(0.3, True), case.together(scores))
    assert len(set(n_tokens)) > 1
    assert not torch.allclose(case.run(Joint(0.3, True)), case.run(Joint(0.3, False)))


@given(easily_seen)
def test_omost(case):
    scores = [case.scores(0)]
    for region, m in enumerate(case.m):
        scaled = case.scores(region + 1) * (m.numel() / m.sum()) + math.log(case.weights[region])
        scores.append(scaled.masked_fill((m <= 0.5)[:, None], float("-inf")))
    case.check(Omost(), case.together(scores))


@given(cases, st.sampled_from([1.0, 0.4]), st.floats(0.2, 1.0))
def test_dense(case, strength, time):
    scores = [case.scores(r) for r in range(len(case.texts))]
    every = torch.cat(scores, -1)
    largest, smallest = every.amax(-1, keepdim=True), every.amin(-1, keepdim=True)
    phase = time**5
    for region, m in enumerate(case.m):
        size = 1 - m.mean()
        a = float((strength * phase * size * case.weights[region]).clamp_max(1.0))
        s, inside = scores[region + 1], m[:, None]
        scores[region + 1] = s + inside * a * (largest - s) - (1 - inside) * a * (s - smallest)
    case.check(Dense(strength), case.together(scores), phase)


@given(cases, st.sampled_from([0.0, 0.5, 1.0]))
def test_rpg(case, base_ratio):
    every = [case.alone(prompt) for prompt in range(len(case.texts))]
    expected = every[0].clone()
    m = case.m.float()
    for token in range(m.shape[1]):
        best = max(case.front_first, key=lambda r: float(m[r, token]))
        if m[best, token] > (1.0 - m[:, token].sum()).clamp_min(0.0):
            share = (1 - base_ratio) * min(1.0, case.weights[best])
            crop = every[best + 1][:, token]
            expected[:, token] = share * crop + (1 - share) * every[0][:, token]
    case.check(RPG(base_ratio), expected)


@given(cases, st.sampled_from([0.0, 0.3, 0.8, 0.99]), st.sampled_from([1.0, 2.5, 30.0]))
def test_larender(case, opacity, factor):
    """Back to front over an opaque backdrop: what is drawn later dims what was drawn before."""
    m = torch.stack(
        [region.coverage(*case.grid.edges()).flatten() for region in case.regions.regions]
    ).double()
    sigma = [-math.log(1 - opacity) * factor * weight for weight in case.weights]
    light = {0: torch.ones(m.shape[1], dtype=torch.float64)}
    for region in reversed(case.front_first):
        for behind in light:
            light[behind] = light[behind] * (-sigma[region] * m[region]).exp()
        light[region + 1] = (1 - math.exp(-sigma[region])) * m[region]
    total = torch.stack(list(light.values())).sum(0)
    shares = {prompt: weight / total for prompt, weight in light.items()}
    shares = {prompt: weight * (weight >= 1e-3) for prompt, weight in shares.items()}
    kept = torch.stack(list(shares.values())).sum(0)
    expected = sum((w / kept)[:, None] * case.alone(prompt) for prompt, w in shares.items())
    case.check(LaRender(opacity), expected, factor)


@given(cases)
def test_rcac_literal(case):
    omega = couple_weights(case, 0.0)
    expected = torch.zeros_like(case.alone(0))
    for region in range(len(case.weights)):
        masked_q = case.q[0].double() * omega[region + 1][:, None]
        scores = masked_q @ case.texts[region + 1][0][0].double().mT / DIM**0.5
        expected += scores.softmax(-1) @ case.value(region + 1)
    case.check(RCACLiteral(), expected)


def test_rcac_literal_gives_the_mean_of_values_outside():
    """What the printed equation does, and why nobody runs it."""
    case = Case(1, 2, 4, 4, "blend", 0.0)
    left, right = Region(Box(0, 0, 0.5, 1)), Region(Box(0.5, 0, 1, 1))
    case.regions = RegionSet((left, right))
    out = case.run(RCACLiteral())[0].view(4, 4, HEADS, DIM)
    case.texts = case.texts[:3]
    own = case.alone(1).view(HEADS, 4, 4, DIM)[:, :, :2]
    mean = case.value(2).mean(1)[:, None, None]
    left_half = out[:, :2].permute(2, 0, 1, 3).double()
    torch.testing.assert_close(left_half, own + mean, atol=1e-5, rtol=1e-5)


ONE_FULL = [Couple(0.3), Joint(), Joint(0.0, False), Omost(), Dense(), RPG(), LaRender()]


ONE_FULL += [LaRender(0.5, "constant"), RCACLiteral()]


@pytest.mark.parametrize("rule", ONE_FULL, ids=lambda rule: rule.describe())
def test_one_full_region_with_the_base_prompt_is_plain_attention(rule):
    case = Case(5, 1, 4, 5, "blend", 0.0)
    case.regions = RegionSet((Region(Box(0, 0, 1, 1)),))
    case.texts = [case.texts[0]] * 2
    phase = 0.5 if isinstance(rule, Dense | LaRender) else "always"
    case.check(rule, case.alone(0), phase)


@pytest.mark.parametrize("rule", ONE_FULL, ids=lambda rule: rule.describe())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_stays_close(rule, dtype):
    case = Case(6, 3, 6, 6, "blend", 0.1)
    phase = 0.5 if isinstance(rule, Dense | LaRender) else "always"
    expected = case.run(rule, phase)
    groups = groups_to(rule.groups(case.regions, case.grid, phase), case.q.device, dtype)
    texts = [(k.to(dtype), v.to(dtype)) for k, v in case.texts]
    out = attend(case.q.to(dtype), texts, groups, sdpa)
    assert out.dtype == dtype
    assert (out.float() - expected).abs().max() < 4e-2 * expected.abs().max()


@pytest.mark.parametrize("rule", ONE_FULL[1:], ids=lambda rule: rule.describe())
def test_regions_with_weight_zero_are_off(rule):
    case = Case(8, 2, 4, 4, "blend", 0.0)
    case.regions = case.regions.with_weights([0.0, 0.0])
    case.check(rule, case.alone(0), 0.5 if isinstance(rule, Dense | LaRender) else "always")


def test_in_a_crop_regions_keep_their_share_of_the_canvas():
    """An area conditioning crops the canvas; the scale 1 / area must not follow the crop."""
    regions = RegionSet((Region(Box(0, 0, 0.5, 1)), Region(Box(0.5, 0, 1, 1))))
    whole = whole_grid(4, 8)
    crop = TokenGrid(4, 4, 2, 8, 8, 0, 0, 8, 16)
    for rule, phase in ((Omost(), "always"), (Dense(), 0.7)):
        scales = [
            {block.source: block.scale for block in rule.groups(regions, grid, phase)[0].blocks}
            for grid in (whole, crop)
        ]
        assert scales[1].items() <= scales[0].items() and 1 in scales[1]


def test_omost_names_a_region_that_no_token_sees():
    soft = Region(torch.full((8, 8), 0.4))
    with pytest.raises(RegionalError, match="region 1 covers at most 40%"):
        Omost().groups(RegionSet((soft,)), whole_grid(4, 4), "always")


def test_phases_over_the_steps():
    dense = [Dense().phase(0, 10, step(index, 20)) for index in range(20)]
    assert dense[:6] == [pytest.approx((1 - i / 20) ** 5, abs=1e-4) for i in range(6)]
    assert dense[6:] == [None] * 14
    larender = [LaRender().phase(0, 10, step(index, 20)) for index in range(20)]
    assert larender == [20 / (index + 1) for index in range(20)]
    assert {LaRender(0.5, "constant").phase(0, 10, step(index, 20)) for index in range(20)} == {1.0}
    assert {Joint().phase(layer, 10, step(index, 20)) for layer in (0, 9) for index in (0, 19)} == {
        "always"
    }


def test_percent_is_the_inverse_of_percent_to_sigma():
    for index in range(1, 20):
        assert step(index, 20).percent == pytest.approx(index / 20, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Joint(1.5), "Base ratio is 1.5"),
        (lambda: RPG(-0.1), "Base ratio is -0.1"),
        (lambda: Dense(strength=2.0), "Strength is 2.0"),
        (lambda: Dense(end_percent=-1.0), "End percent is -1.0"),
        (lambda: LaRender(opacity=1.0), "Opacity is 1.0"),
        (lambda: LaRender(schedule="rising"), "Schedule is 'rising'"),
    ],
)
def test_settings_out_of_range_are_named(make, said):
    with pytest.raises(RegionalError, match=said):
        make()

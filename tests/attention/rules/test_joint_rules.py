"""The groups of every joint-attention rule against dense scores that know no groups."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from joint_scenes import (
    Scene,
    assert_same,
    by_groups,
    closed,
    key_members,
    scenes,
)
from regional_dit.attention.engine.groups import BASE, IMAGE
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import Bias, Bind, BlockKinds, EliGen
from regional_dit.attention.rules.bias import BIASED, OPEN
from regional_dit.attention.rules.bind import ISOLATED
from regional_dit.attention.rules.bind import OPEN as BIND_OPEN
from stand_ins import step


@given(scenes())
def test_eligen_is_its_mask_with_log_weights(scene):
    shares = scene.flat() * scene.weights[:, None].double()
    shares = torch.where(shares < 1e-3, 0.0, shares)
    members = key_members(shares)
    bias: dict = {BASE: {BASE: 0.0, IMAGE: 0.0}, IMAGE: {BASE: 0.0, IMAGE: 0.0}}
    for r, share in enumerate(shares, start=1):
        bias[IMAGE][r] = share.log()[:, None]
        bias[r] = {r: 0.0, IMAGE: closed(members[r - 1][None, :])}
    groups = EliGen().groups(scene.regions, scene.grid, "always")
    assert_same(by_groups(scene, groups), scene.dense(bias))


@given(scenes(), st.sampled_from([(1.0, -5.0), (2.0, -4.0), (0.0, -3.0), (1.0, 0.0)]))
def test_bias_is_added_between_image_and_regional_text_only(scene, strengths):
    own, other = strengths
    masks, weights = scene.flat(), scene.weights.double()
    members = key_members(masks)
    every = [IMAGE, *range(len(masks) + 1)]
    bias: dict = {asking: {key: 0.0 for key in every} for asking in every}
    for r in range(1, len(masks) + 1):
        others = [s for s in range(len(masks)) if s != r - 1]
        far = (weights[others, None] * masks[others]).sum(0)
        bias[IMAGE][r] = (own * weights[r - 1] * masks[r - 1] + other * far)[:, None]
        inside = members[r - 1].double()
        bias[r][IMAGE] = (weights[r - 1] * (own * inside + other * (1 - inside)))[None, :]
    groups = Bias(own, other).groups(scene.regions, scene.grid, BIASED)
    assert_same(by_groups(scene, groups), scene.dense(bias))


@given(scenes())
def test_bias_leaves_single_blocks_open(scene):
    every = [IMAGE, *range(len(scene.masks) + 1)]
    wanted = scene.dense({asking: {key: 0.0 for key in every} for asking in every})
    assert_same(by_groups(scene, Bias().groups(scene.regions, scene.grid, OPEN)), wanted)


def test_bias_is_for_double_blocks_unless_told_otherwise():
    kinds = BlockKinds(5, 2)
    assert [Bias().fitted(kinds).phase(i, 5, step(0)) for i in range(5)] == [BIASED] * 2 + [
        OPEN
    ] * 3
    everywhere = Bias(single_blocks=True).fitted(kinds)
    assert {everywhere.phase(i, 5, step(0)) for i in range(5)} == {BIASED}


@pytest.mark.parametrize("bad", [{"own": -1.0}, {"other": 1.0}, {"own": math.nan}])
def test_bias_refuses_bad_settings(bad):
    with pytest.raises(RegionalError, match="expected a number"):
        Bias(**bad)


def shares_of(scene: Scene, beta: float) -> torch.Tensor:
    """omega [R + 1, N]: normalised masks times weight, the rest is the global prompt's."""
    masks = scene.flat()
    masks = masks / masks.sum(0).clamp_min(1.0)
    owned = masks * scene.weights[:, None].double() * (1 - beta)
    owned = owned / owned.sum(0).clamp_min(1.0)
    shares = torch.cat([(1 - owned.sum(0, keepdim=True)).clamp_min(0.0), owned])
    shares = torch.where(shares < 1e-3, 0.0, shares)
    return shares / shares.sum(0)


@given(scenes(), st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_bind_is_its_definition(scene, beta, isolated):
    shares = shares_of(scene, 0.0 if isolated else beta)
    owned = shares_of(scene, 0.0)[1:]
    assume(not ((owned - 0.5 * owned.amax(1, keepdim=True)).abs() < 1e-6).any())  # rounding decides
    members = key_members(owned)
    i2i = torch.ones(scene.n_image, scene.n_image, dtype=torch.bool)
    if isolated:
        home = (shares - 1e-9 * torch.arange(len(shares))[:, None]).argmax(0)
        for token, owner in enumerate(home.tolist()):
            if owner:
                i2i[token] = members[owner - 1]
    bias: dict = {BASE: {BASE: 0.0, IMAGE: 0.0}, IMAGE: {IMAGE: closed(i2i)}}
    for prompt, share in enumerate(shares):
        bias[IMAGE][prompt] = share.log()[:, None]
        if prompt:
            bias[prompt] = {prompt: 0.0, IMAGE: closed(members[prompt - 1][None, :])}
    phase = ISOLATED if isolated else BIND_OPEN
    groups = Bind(beta).groups(scene.regions, scene.grid, phase)
    assert_same(by_groups(scene, groups), scene.dense(bias))


def test_bind_knows_the_layers_of_the_model():
    assert Bind().fitted(BlockKinds(57, 19)).isolated_layers == (19, 37)
    assert Bind().fitted(BlockKinds(24, 24, middle=(10, 16))).isolated_layers == (10, 16)
    assert Bind(isolated_layers=(3, 4)).fitted(BlockKinds(5, 5)).isolated_layers == (3, 4)
    with pytest.raises(RegionalError, match=r"3\.\.5 do not exist.*0\.\.4"):
        Bind(isolated_layers=(3, 5)).fitted(BlockKinds(5, 5))

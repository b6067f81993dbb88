"""RPF (arXiv 2411.02395) against the masks of the paper."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from joint_scenes import (
    Scene,
    assert_same,
    by_groups,
    closed,
    scenes,
)
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.groups import BASE, BASE_IMAGE, IMAGE
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import BlockKinds, RegionalPromptingFlux
from regional_dit.attention.rules.rpf import RPFPhase
from stand_ins import step


def rpf_members(scene: Scene) -> torch.Tensor:
    masks = scene.flat()
    return masks >= 0.5 * masks.amax(1, keepdim=True)


def rpf_wanted(
    scene: Scene, beta: float, masked: bool, streamed: bool, uncovered: str
) -> dict[int, torch.Tensor]:
    """Equations (2) to (7) of the paper with full boolean blocks."""
    members = rpf_members(scene)
    regions = range(1, len(members) + 1)
    everything = torch.ones(scene.n_image, scene.n_image, dtype=torch.bool)
    i2i = torch.zeros_like(everything)
    for member in members:
        i2i |= member[:, None] & member[None, :]
    free = ~members.any(0)
    i2i |= free[:, None] & free[None, :]
    if not masked:
        i2i = everything
    bias: dict = {}
    image: dict = {IMAGE: closed(i2i)}
    for r in regions:
        inside = members[r - 1] if masked else torch.ones_like(free)
        image[r] = closed(inside[:, None].expand(-1, scene.sources[r][0].shape[2]))
        bias[r] = {r: 0.0, IMAGE: closed(inside[None, :])}
        if not masked:
            bias[r] |= {s: 0.0 for s in regions}
    bias[IMAGE] = image
    base_image = BASE_IMAGE if streamed else IMAGE
    bias[BASE] = {BASE: 0.0, base_image: 0.0}
    out = scene.dense(bias)
    base = scene.dense({base_image: {BASE: 0.0, base_image: 0.0}})[base_image]
    strength = torch.where(members, scene.weights[:, None].double(), 0.0).amax(0)
    if uncovered == "alone":
        strength = torch.where(free, 1.0, strength)
    share = ((1 - beta) * strength).clamp_max(1.0)[:, None]
    out[IMAGE] = share * out[IMAGE] + (1 - share) * base
    if streamed and bool((share < 1).any()):
        out[BASE_IMAGE] = base
    elif streamed:
        del out[BASE]  # nothing asks it
    return out


@given(
    scenes(),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["global prompt", "alone"]),
)
def test_rpf_is_the_papers_masks(scene, beta, masked, streamed, uncovered):
    rule = RegionalPromptingFlux(beta, uncovered=uncovered)
    groups = rule.groups(scene.regions, scene.grid, RPFPhase(masked, streamed))
    wanted = rpf_wanted(scene, beta, masked, streamed, uncovered)
    assert_same(by_groups(scene, groups), wanted)


def test_rpf_masks_every_nth_block_of_each_kind_in_the_first_steps():
    kinds = BlockKinds(7, 3, takes_stream=True)
    rule = RegionalPromptingFlux(0.2, 2, 2, 3).fitted(kinds)
    phases = [rule.phase(layer, 7, step(1)) for layer in range(7)]
    assert phases == [
        (True, False),
        (False, False),
        (True, False),
        (True, True),
        (False, True),
        (False, True),
        (True, True),
    ]
    assert all(rule.phase(layer, 7, step(2)) is None for layer in range(7))
    pure = RegionalPromptingFlux(0.2, 2, 2, 3, unmasked="pure base").fitted(kinds)
    assert [pure.phase(layer, 7, step(0)) is not None for layer in range(7)] == [
        masked for masked, _ in phases
    ]


def test_rpf_takes_the_middle_of_a_token_as_nearest_scaling_does():
    """Against torch's nearest-exact, which the public code uses, on masks of any size."""
    generator = torch.Generator().manual_seed(0)
    for size in (12, 13, 20, 31):
        mask = (torch.rand(size, size, generator=generator) > 0.5).float()
        grid = TokenGrid(6, 5, 2, 12, 10, 0, 0, 12, 10)
        groups = RegionalPromptingFlux(0.0).groups(
            RegionSet.from_masks([mask]), grid, RPFPhase(True, False)
        )
        (text,) = [group for group in groups if group.source == 1]
        wanted = torch.nn.functional.interpolate(mask[None, None], (6, 5), mode="nearest-exact")
        assert torch.equal(text.blocks[1].tokens, wanted.flatten().nonzero()[:, 0])


def test_rpf_refuses_a_region_between_the_tokens():
    mask = torch.zeros(12, 12)
    mask[:, 2] = 1.0  # the tokens' middles are in columns 1, 3, 5 ...
    regions = RegionSet.from_masks([torch.ones(12, 12), mask])
    grid = TokenGrid(6, 6, 2, 12, 12, 0, 0, 12, 12)
    with pytest.raises(RegionalError, match="Region 2 holds the middle of no token"):
        RegionalPromptingFlux().groups(regions, grid, RPFPhase(True, False))


@pytest.mark.parametrize(
    "bad",
    [
        {"base_ratio": 1.1},
        {"inject_steps": -1},
        {"double_interval": 0},
        {"unmasked": "open"},
        {"uncovered": "none"},
    ],
)
def test_rpf_refuses_bad_settings(bad):
    with pytest.raises(RegionalError, match="expected"):
        RegionalPromptingFlux(**bad)

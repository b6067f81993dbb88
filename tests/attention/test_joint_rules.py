"""The groups of every joint-attention rule against dense scores that know no groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.engine import SeparateTexts, attend
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.groups import BASE, BASE_IMAGE, IMAGE, Groups
from regional_dit.attention.reference import attend_dense
from regional_dit.attention.regions import RegionSet
from regional_dit.attention.rules import Bias, Bind, BlockKinds, EliGen, RegionalPromptingFlux
from regional_dit.attention.rules.bias import BIASED, OPEN
from regional_dit.attention.rules.bind import ISOLATED
from regional_dit.attention.rules.bind import OPEN as BIND_OPEN
from regional_dit.attention.step import Step
from regional_dit.attention.tokens import TokenGrid

HEADS, DIM, PATCH = 2, 4, 2


@dataclass(frozen=True)
class Scene:
    """Random regions on a small grid, with weights, and q, k, v of every source."""

    regions: RegionSet
    masks: torch.Tensor  # [R, rows, cols], one value a token
    weights: torch.Tensor  # [R]
    grid: TokenGrid
    sources: dict[int, torch.Tensor]  # q, k, v [3, 1, H, T, D]

    @property
    def n_image(self) -> int:
        return self.grid.n_tokens

    def flat(self) -> torch.Tensor:
        """m_r [R, N] float64, overlaps as the regions' mode has them."""
        masks = self.masks.double().flatten(1)
        if self.regions.overlap == "front":  # later masks lie in front
            free = torch.ones_like(masks[0])
            for r in reversed(range(len(masks))):
                masks[r] *= free
                free = free - masks[r]
        return masks

    def dense(self, bias: dict[int, dict[int, torch.Tensor | float]]) -> dict[int, torch.Tensor]:
        """softmax(Q K^T / sqrt(d) + bias) V for each asking source; -inf where nothing is said."""
        out = {}
        for source, seen in bias.items():
            q = self.sources[source][0].double()
            scores, values = [], []
            for key, add in seen.items():
                _, k, v = (t.double() for t in self.sources[key])
                raw = q @ k.transpose(-1, -2) / math.sqrt(DIM)
                scores.append(raw + torch.as_tensor(add, dtype=torch.float64))
                values.append(v)
            joined = torch.cat(scores, -1)
            assert bool((joined > -math.inf).any(-1).all()), f"a query of {source} sees nothing"
            out[source] = (joined.softmax(-1) @ torch.cat(values, 2)).transpose(1, 2).flatten(2)
        return out


@st.composite
def scenes(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 100_000)))
    rows, cols = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    n_regions, n_tokens = draw(st.integers(1, 4)), rows * cols
    masks = torch.rand(n_regions, n_tokens, generator=generator)
    if draw(st.booleans()):
        masks = (masks < draw(st.sampled_from([0.3, 0.6, 1.1]))).float()
    else:
        masks = masks * (masks > draw(st.sampled_from([-1.0, 0.5])))
    overlap = "blend"
    if n_tokens >= n_regions and draw(st.booleans()):
        overlap = "front"
        masks[:, :n_regions] = torch.eye(n_regions)  # no region wholly behind another
    else:
        masks[:, 0] = 1.0  # no empty mask
    masks = masks.reshape(n_regions, rows, cols)
    pixels = masks.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
    weights = [draw(st.sampled_from([0.3, 1.0, 1.0, 2.0])) for _ in range(n_regions)]
    regions = RegionSet.from_masks(list(pixels), overlap=overlap).with_weights(weights)
    size = (rows * PATCH, cols * PATCH)
    grid = TokenGrid(rows, cols, PATCH, *size, 0, 0, *size)
    lengths = {r: draw(st.integers(1, 5)) for r in range(n_regions + 1)}
    lengths |= {IMAGE: n_tokens, BASE_IMAGE: n_tokens}
    sources = {s: torch.randn(3, 1, HEADS, n, DIM, generator=generator) for s, n in lengths.items()}
    return Scene(regions, masks, torch.tensor(weights), grid, sources)


def by_groups(scene: Scene, groups: Groups) -> dict[int, torch.Tensor]:
    """Outputs of every source by the oracle of the engine, and that the engine agrees."""
    pairs = {s: (k, v) for s, (_, k, v) in scene.sources.items()}
    keys = SeparateTexts(pairs)  # type: ignore[arg-type]
    out = {}
    for source in {group.source for group in groups}:
        own = tuple(group for group in groups if group.source == source)
        q = scene.sources[source][0]
        out[source] = attend_dense(q, pairs, own)
        fast = attend(q, keys, own, sdpa)
        torch.testing.assert_close(fast.double(), out[source], atol=2e-5, rtol=2e-5)
    for group in groups:
        if group.shared is not None:
            out[IMAGE] = out.get(IMAGE, 0.0) + out[group.source] * group.shared.double()[:, None]
    return out


def sdpa(q, k, v):
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


def assert_same(out: dict[int, torch.Tensor], wanted: dict[int, torch.Tensor]) -> None:
    assert set(out) >= set(wanted)
    for source, expected in wanted.items():
        torch.testing.assert_close(out[source], expected, atol=1e-6, rtol=1e-6)


def closed(allowed: torch.Tensor) -> torch.Tensor:
    """0 where allowed, -inf elsewhere."""
    return torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)


def key_members(masks: torch.Tensor) -> torch.Tensor:
    """Tokens that a regional text is bound to: more than half of the mask's largest value."""
    return masks > 0.5 * masks.amax(1, keepdim=True)


# ---- rpf


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
    groups = rule.groups(scene.regions, scene.grid, (masked, streamed))
    wanted = rpf_wanted(scene, beta, masked, streamed, uncovered)
    assert_same(by_groups(scene, groups), wanted)


def step(index: int, n_steps: int = 4) -> Step:
    schedule = [1 - i / n_steps for i in range(n_steps + 1)]
    return Step(torch.tensor([schedule[index]]), schedule, lambda percent: 1 - percent)


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
            RegionSet.from_masks([mask]), grid, (True, False)
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
        RegionalPromptingFlux().groups(regions, grid, (True, False))


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


# ---- eligen


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


# ---- bias


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


# ---- bind


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
    members = key_members(shares_of(scene, 0.0)[1:])
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

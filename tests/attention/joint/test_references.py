"""References of single regions as a change of groups, against the dense oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cross_cases import whole_grid
from hypothesis import given, settings
from hypothesis import strategies as st
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import BASE, IMAGE, Group, KeyBlock
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.errors import HostError, RegionalError
from regional_dit.attention.joint.references import (
    reference_source,
    split_references,
    with_references,
)
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux
from regional_dit.attention.rules.bias import BIASED
from regional_dit.attention.rules.bind import ISOLATED, OPEN
from regional_dit.attention.rules.rpf import RPFPhase
from stand_ins import sdpa

RULES = [
    (Bind(0.3), OPEN),
    (Bind(0.0), OPEN),
    (Bind(0.3), ISOLATED),
    (EliGen(), "always"),
    (Bias(), BIASED),
    (RegionalPromptingFlux(0.3), RPFPhase(True, False)),
    (RegionalPromptingFlux(0.3), RPFPhase(False, False)),
]
SCENES = [
    RegionSet((Region(Box(0, 0, 0.5, 1)), Region(Box(0.5, 0, 1, 1)))),
    RegionSet((Region(Box(0, 0, 0.6, 1, feather=0.3)), Region(Box(0.4, 0.2, 1, 1), weight=0.5))),
    RegionSet((Region(Box(0, 0, 1, 1)), Region(Box(0.2, 0.2, 0.7, 0.7), order=1)), "front"),
]
GRID = whole_grid(6, 6)


@pytest.mark.parametrize(("rule", "phase"), RULES)
@pytest.mark.parametrize("scene", range(len(SCENES)))
@settings(max_examples=settings().max_examples // 4)  # in each of 21 pairs of scene and rule
@given(seed=st.integers(0, 10_000), owners=st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_the_image_sees_its_own_regions_references(rule, phase, scene, seed, owners):
    """Engine and oracle agree, and another region's references could be anything."""
    regions = SCENES[scene]
    groups = rule.groups(regions, GRID, phase)
    changed = with_references(groups, tuple(owners), regions, GRID)
    generator = torch.Generator().manual_seed(seed)

    def keys(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        k, v = (torch.randn(1, 2, n, 8, generator=generator) for _ in range(2))
        return k, v

    sources = {source: keys(3 + source) for source in range(3)}
    sources[IMAGE] = keys(GRID.n_tokens)
    for region in (1, 2):
        sources[reference_source(region)] = keys(5)
    q = torch.randn(1, 2, GRID.n_tokens, 8, generator=generator)
    image = tuple(group for group in changed if group.source == IMAGE)
    out = attend(q, Lists(sources), image, sdpa)
    wanted = attend_dense(q, sources, image)
    torch.testing.assert_close(out.double(), wanted, atol=2e-5, rtol=2e-5)
    if 1 in owners:
        other = {**sources, reference_source(1): keys(5)}
        moved = attend_dense(q, other, image) - wanted
        share = regions.coverage(*GRID.edges())[0].flatten()
        assert (moved[0].abs().amax(1) > 1e-9).any()
        assert not (moved[0].abs().amax(1) > 1e-9)[share < 0.4].any()


class Lists:
    """Keys of every source by its index."""

    def __init__(self, sources):
        self._sources = sources

    def gather(self, blocks):
        found = []
        for block in blocks:
            k, v = self._sources[block.source]
            if block.tokens is not None:
                k, v = k[:, :, block.tokens], v[:, :, block.tokens]
            found.append((k * block.scale, v))
        return torch.cat([k for k, _ in found], 2), torch.cat([v for _, v in found], 2)


def test_hard_regions_need_no_merge():
    """Plain groups stay plain: one kernel each, no log-sum-exp."""
    groups = Bind(0.0).groups(SCENES[0], GRID, OPEN)
    changed = with_references(groups, (1, 2), SCENES[0], GRID)
    assert all(block.queries is None for group in changed for block in group.blocks)
    one = Group((KeyBlock(BASE), KeyBlock(IMAGE)))
    split = with_references((one,), (1,), SCENES[0], GRID)
    assert [group.source for group in split] == [IMAGE, IMAGE, reference_source(1)]
    assert sorted(torch.cat([g.queries for g in split[:2] if g.queries is not None]).tolist()) == (
        list(range(GRID.n_tokens))
    )


def test_without_a_regional_text_references_see_the_global_prompt():
    one = Group((KeyBlock(BASE), KeyBlock(IMAGE)))
    asking = with_references((one,), (2,), SCENES[0], GRID)[-1]
    assert asking.source == reference_source(2)
    assert [block.source for block in asking.blocks] == [BASE, reference_source(2), IMAGE]


def test_exact_tuning_is_refused():
    groups = (replace(Group((KeyBlock(BASE), KeyBlock(IMAGE))), exact=True),)
    with pytest.raises(RegionalError, match=r"form 'exact'.*'additive'"):
        with_references(groups, (1,), SCENES[0], GRID)


def test_places_of_references():
    lengths = (4, 2, 3)
    whole, owned = split_references(((10, 19),), lengths, (2, 0))
    assert whole == ((14, 16), (16, 19))
    assert owned == {reference_source(2): ((10, 14),)}
    assert split_references(((10, 19),), (), (0, 0)) == (((10, 19),), {})
    with pytest.raises(HostError, match="with 8 tokens behind the image"):
        split_references(((10, 18),), lengths, (2,))
    with pytest.raises(HostError, match="lists 4 reference images"):
        split_references(((10, 19),), lengths, (1, 1, 1, 1))

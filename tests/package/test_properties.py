"""Random region sets, sizes, batches, ranges and rules: the engine against the dense oracle.

What a rule says (its groups) is checked against dense formulas elsewhere; here anything that the
nodes can produce goes through ``engine.attend`` and must equal ``reference.attend_dense``, stay
finite, leave no image token without an answer, and not depend on the rest of the batch.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regional_dit.attention.engine import SeparateTexts, attend
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.groups import BASE_IMAGE, IMAGE, boosted, groups_to
from regional_dit.attention.reference import attend_dense
from regional_dit.attention.regions import Box, Region, RegionSet
from regional_dit.attention.rules import (
    RCAC,
    RPG,
    Bias,
    Bind,
    BlockKinds,
    Couple,
    Dense,
    EliGen,
    FittedRule,
    Joint,
    LaRender,
    Omost,
    RCACLiteral,
    RegionalPromptingFlux,
)
from regional_dit.attention.step import Step
from regional_dit.attention.tokens import TokenGrid, token_ownership

EXAMPLES = 100  # of each rule
RAN = {"examples": 0, "refused": 0, "not active": 0}

share = st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0.0, 1.0, width=32))
RULES = {
    "couple": st.builds(Couple, base_ratio=share),
    "rcac": st.just(RCAC()),
    "rcac_literal": st.just(RCACLiteral()),
    "joint": st.builds(Joint, base_ratio=share, length_compensation=st.booleans()),
    "omost": st.just(Omost()),
    "rpg": st.builds(RPG, base_ratio=share),
    "dense": st.builds(Dense, strength=share, end_percent=share),
    "larender": st.builds(
        LaRender,
        opacity=st.floats(0.0, 0.99),
        schedule=st.sampled_from(["falling", "constant"]),
    ),
    "bind": st.builds(Bind, base_ratio=share, isolate_until=share, release_at=share),
    "eligen": st.just(EliGen()),
    "bias": st.builds(
        Bias,
        own=st.floats(0.0, 8.0),
        other=st.floats(-50.0, 0.0),
        single_blocks=st.booleans(),
    ),
    "rpf": st.builds(
        RegionalPromptingFlux,
        base_ratio=share,
        inject_steps=st.integers(0, 12),
        double_interval=st.integers(1, 3),
        single_interval=st.integers(1, 3),
    ),
}


@st.composite
def region_sets(draw: st.DrawFn) -> RegionSet:
    """Boxes and painted masks; overlaps, gaps, slivers, feathers, weights from zero upwards."""
    regions = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            x, y = draw(st.integers(0, 7)), draw(st.integers(0, 7))
            width, height = draw(st.integers(1, 8 - x)), draw(st.integers(1, 8 - y))
            feather = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
            shape = Box(x / 8, y / 8, (x + width) / 8, (y + height) / 8, feather)
        else:
            generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
            size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            shape = torch.rand(size, generator=generator)
            shape = (shape > 0.4).float() if draw(st.booleans()) else shape
            shape[0, 0] = 1.0
        weight = draw(st.sampled_from([1.0, 1.0, 0.0, 0.2, 3.0, 10.0]))
        regions.append(Region(shape, weight, order=draw(st.integers(0, 2))))
    return RegionSet(tuple(regions), draw(st.sampled_from(["blend", "front"])))


@st.composite
def grids(draw: st.DrawFn) -> TokenGrid:
    """Whole latents of odd and even sizes, and areas cut out of larger ones."""
    patch = draw(st.sampled_from([1, 2]))
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows, cols = -(-height // patch), -(-width // patch)
    top, left = draw(st.sampled_from([(0, 0), (3, 5)]))
    margin = draw(st.integers(0, 4)) if top else 0
    return TokenGrid(
        rows, cols, patch, height, width, top, left, height + top + margin, width + left + margin
    )


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_engine_equals_the_oracle(name: str, data: st.DataObject) -> None:
    RAN["examples"] += 1
    rule = data.draw(RULES[name])
    regions, grid = data.draw(region_sets()), data.draw(grids())
    n_steps = data.draw(st.integers(1, 12))
    sigmas = [1.0 - i / n_steps for i in range(n_steps + 1)]
    now = data.draw(st.integers(0, n_steps - 1))
    step = Step(torch.tensor([sigmas[now]]), sigmas, lambda percent: 1.0 - percent)
    n_layers = 6
    try:
        if isinstance(rule, FittedRule):
            rule = rule.fitted(BlockKinds(n_layers, 3, takes_stream=True))
        phase = rule.phase(data.draw(st.integers(0, n_layers - 1)), n_layers, step)
        if phase is None:
            RAN["not active"] += 1
            return
        groups = rule.groups(regions, grid, phase)
    except RegionalError as error:
        assert len(str(error)) > 30 and str(error).endswith("."), error
        RAN["refused"] += 1
        return
    groups = boosted(groups_to(groups, torch.device("cpu"), torch.float32), 1.0)
    check(groups, regions, grid, data.draw(st.integers(0, 99_999)), data.draw(st.integers(1, 3)))


def check(groups, regions: RegionSet, grid: TokenGrid, seed: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    heads, dim = 1 + seed % 3, 4 + 4 * (seed % 2)
    lengths = {IMAGE: grid.n_tokens, BASE_IMAGE: grid.n_tokens}
    for prompt in range(len(regions.regions) + 1):
        lengths[prompt] = 1 + (seed + 3 * prompt) % 6
    tokens = {
        source: torch.randn(3, batch, heads, length, dim, generator=generator)
        for source, length in lengths.items()
    }
    pairs = {source: (k, v) for source, (_, k, v) in tokens.items()}
    keys = SeparateTexts(pairs)  # type: ignore[arg-type]

    def sdpa(q, k, v):
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    for source in {group.source for group in groups}:
        asking = tuple(group for group in groups if group.source == source)
        q = tokens[source][0]
        out = attend(q, keys, asking, sdpa)
        assert out.isfinite().all()
        expected = attend_dense(q, pairs, asking)
        torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=2e-5)
        last = {key: (k[-1:], v[-1:]) for key, (k, v) in pairs.items()}
        alone = attend(q[-1:], SeparateTexts(last), asking, sdpa)  # type: ignore[arg-type]
        torch.testing.assert_close(alone, out[-1:], atol=1e-5, rtol=1e-5)
        answered = torch.zeros(q.shape[2], dtype=torch.bool)
        for group in asking:
            answered[slice(None) if group.queries is None else group.queries] = True
        for group in groups:  # a second image stream answers for part of the first one's tokens
            if source == IMAGE and group.shared is not None:
                answered |= group.shared > 0
        assert answered.all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(region_sets(), grids(), share)
def test_every_token_has_owners_that_sum_to_one(
    regions: RegionSet, grid: TokenGrid, base_ratio: float
) -> None:
    RAN["examples"] += 1
    ownership = token_ownership(regions, grid, base_ratio)
    assert ownership.shape == (len(regions.regions) + 1, grid.n_tokens)
    assert ownership.isfinite().all() and (ownership >= 0.0).all()
    torch.testing.assert_close(ownership.sum(0), torch.ones(grid.n_tokens))

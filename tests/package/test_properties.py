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

"""Random region sets, sizes, batches, ranges and rules: the engine against the dense oracle.

What a rule says (its groups) is checked against dense formulas elsewhere; here anything that the
nodes can produce goes through ``engine.attend`` and must equal ``reference.attend_dense``, stay
finite, leave no image token without an answer, and not depend on the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import (
    RAN,
    amount,
    bindings,
    check,
    check_close,
    decays,
    grids,
    region_sets,
    share,
    steps,
)
from regional_dit.attention.calls.schedule import PercentRange, layer_range
from regional_dit.attention.calls.step import Step
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid, token_ownership
from regional_dit.attention.engine.groups import boosted, groups_to
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import (
    RCAC,
    RPG,
    Bias,
    Bind,
    BlockKinds,
    Couple,
    Dense,
    EliGen,
    Joint,
    LaRender,
    Omost,
    RCACLiteral,
    RegionalPromptingFlux,
    Rule,
    SpecialtyTuning,
)
from regional_dit.attention.sampling.entries import Entry
from regional_dit.attention.sampling.run import RegionalPatch, SamplingRun, TextCache
from regional_dit.attention.text.prompts import RegionalPrompts

N_LAYERS = 12  # so that each class of specialty tuning has a layer

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
    "specialty": st.just(None),  # it must know the number of regions: ``specialty_rules``
}
forms = st.sampled_from(["additive", "exact"])


@st.composite
def specialty_rules(draw: st.DrawFn, n_regions: int) -> SpecialtyTuning:
    """Any settings that the node takes."""
    binding = draw(bindings(n_regions))
    weights = draw(amount), draw(amount), draw(amount)
    return SpecialtyTuning(
        binding,
        *weights,
        decay=draw(decays),
        tuned_share=draw(share),
        form=draw(forms),
        regional_text=draw(st.booleans()),
        base_ratio=draw(share),
    )


@pytest.mark.parametrize("name", RULES)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_engine_equals_the_oracle(name: str, data: st.DataObject) -> None:
    RAN["examples"] += 1
    regions, grid, step = data.draw(region_sets()), data.draw(grids()), data.draw(steps())
    rule: Rule[Any] = data.draw(RULES[name]) or data.draw(specialty_rules(len(regions)))
    try:
        rule = rule.fitted(BlockKinds(N_LAYERS, 5, takes_stream=True))
        phase = rule.phase(data.draw(st.integers(0, N_LAYERS - 1)), N_LAYERS, step)
        if phase is None:
            RAN["not active"] += 1
            return
        groups = rule.groups(regions, grid, phase)
    except RegionalError as error:
        assert len(str(error)) > 30 and str(error).endswith("."), error
        RAN["refused"] += 1
        return
    groups = boosted(
        groups_to(groups, torch.device("cpu"), torch.float32), rule.boost_factor(step) or 0.0
    )
    tokens = rule.binding.n_tokens if isinstance(rule, SpecialtyTuning) else None
    seed, batch = data.draw(st.integers(0, 99_999)), data.draw(st.integers(1, 3))
    check(groups, regions, grid, seed, batch, tokens)


@given(region_sets(), grids(), share)
def test_every_token_has_owners_that_sum_to_one(
    regions: RegionSet, grid: TokenGrid, base_ratio: float
) -> None:
    RAN["examples"] += 1
    ownership = token_ownership(regions, grid, base_ratio)
    assert ownership.shape == (len(regions.regions) + 1, grid.n_tokens)
    assert ownership.isfinite().all() and (ownership >= 0.0).all()
    check_close(ownership.sum(0), torch.ones(grid.n_tokens), 1e-5)


class _Family:
    """As much of a family as planning asks for."""

    def n_layers(self, model: Any) -> int:
        return N_LAYERS

    def token_shape(self, model: Any, size: Sequence[int], layer: int) -> Any:
        return SimpleNamespace(rows=size[0], cols=size[1], patch=1, frames=1)

    def text_states(self, model: Any, text: Any, device: torch.device) -> torch.Tensor:
        return text


layers = st.builds(
    lambda first, last: layer_range(first, last, N_LAYERS, default_last=7),
    st.integers(0, N_LAYERS - 1),
    st.integers(-1, N_LAYERS - 1),
)
percents = st.builds(PercentRange, share, share)


@given(
    st.lists(st.tuples(layers, percents, st.sampled_from("ab")), max_size=4),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=3),
    steps(),
    st.integers(1, 3),
)
def test_the_last_patch_that_claims_a_layer_now_acts_in_it(
    claims: list[tuple[tuple[int, ...], PercentRange, str]],
    rows: list[str | None],
    step: Step,
    batch: int,
) -> None:
    RAN["examples"] += 1
    regions = RegionSet((Region(Box(0.0, 0.0, 0.5, 1.0)),))
    text = torch.zeros(1, 3, 4)
    patches = [
        RegionalPatch(RegionalPrompts(uid, regions, (text,), ("p",)), Couple(), chosen, percent)
        for chosen, percent, uid in claims
    ]
    entries = {index: Entry(uid, None) for index, uid in enumerate(rows)}
    run = SamplingRun(
        _Family(), patches, entries, (4, 4), TextCache(0), step._schedule, lambda p: 1.0 - p
    )
    model = SimpleNamespace(manual_cast_dtype=None, get_dtype=lambda: torch.float32)
    x = torch.zeros(batch * len(rows), 4, 4, 4)
    plan = run.plan(model, x, list(entries), run.step(torch.tensor([step.sigma])))
    acting = {} if plan is None else plan.layers
    for layer in range(N_LAYERS):
        wanted = {}
        for index, uid in enumerate(rows):
            for patch, (chosen, percent, owner) in zip(patches, claims, strict=True):
                now = 1.0 - percent.end < step.sigma <= 1.0 - percent.start
                if owner == uid and layer in chosen and now:
                    wanted[index * batch, (index + 1) * batch] = id(patch.prompts)
        jobs = acting.get(layer, ())
        found = {(job.rows.start, job.rows.stop): job.texts[0].key[0] for job in jobs}
        assert found == wanted

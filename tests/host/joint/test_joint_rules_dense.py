"""Every joint rule on every joint family: whole samplings against full score matrices."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux, Rule
from regional_dit.attention.sampling.host import install
from tiny_dense_rules import DenseRule
from tiny_dense_runs import SIZE, blocks_of, masks, patch, sample
from tiny_joint import TINY

RULES: dict[str, Rule] = {
    "rpf": RegionalPromptingFlux(0.2, 2),
    "rpf, intervals": RegionalPromptingFlux(0.3, 2, 2, 3),
    "eligen": EliGen(),
    "bias": Bias(),
    "bind": Bind(0.3, isolate_until=0.4, release_at=0.9),
}


@pytest.mark.invariant("formula")
@pytest.mark.parametrize(
    ("name", "rule"),
    # Klein has the network of Flux.2, and both have the longest texts
    [(n, r) for n in TINY for r in RULES if n != "Flux.2 Klein" or r == "bind"],
)
def test_whole_samplings_equal_full_score_matrices(monkeypatch, record_property, name, rule):
    tiny, (model, stock) = TINY[name], model_and_stock(name)
    family = find_family(model.model)
    shape = family.token_shape(model.model, (*((1,) if tiny.frames else ()), *SIZE), 0)
    regions = masks(shape.rows, shape.cols, soft=not rule.startswith("rpf"))
    dense = DenseRule(RULES[rule], regions.flatten(1), blocks_of(name))
    patched = dense.following(install(model, patch(tiny, RULES[rule], regions)))
    out = sample(tiny, patched)
    assert dense.step == 2
    dense.step = -1
    with dense.in_place(monkeypatch):
        wanted = sample(tiny, patched)
    assert dense.n_calls >= 2 * tiny.n_layers
    difference = float((out - wanted).abs().max())
    print(f"{rule}, {name}: {difference:.1e}")  # noqa: T201
    record_property("max_difference", difference)
    torch.testing.assert_close(out, wanted, atol=5e-5, rtol=1e-4)
    effect = float((out - stock).abs().max())
    assert effect > 1e-4 and effect > 20 * difference


@cache
def model_and_stock(name: str) -> tuple[Any, torch.Tensor]:
    """A family's tiny model for all rules, and its run without a patch."""
    model = TINY[name].model()
    return model, sample(TINY[name], model)


@pytest.fixture(scope="module", autouse=True)
def models_end_here():
    """A model that is left to the end of the interpreter complains there."""
    yield
    model_and_stock.cache_clear()

"""Every joint rule on every joint family: whole samplings against full score matrices."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux, Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_dense_rules import Blocks, DenseRule
from tiny_joint import TINY, TinyJoint

UID = "regions-a"
SIZE = (16, 12)  # of the latent
KINDS = {
    "Flux": Blocks(6, 2, has_stream=True),
    "Chroma": Blocks(6, 2, has_stream=True),
    "Flux.2": Blocks(6, 2, has_stream=True),
    "Flux.2 Klein": Blocks(6, 2, has_stream=True),
    "LongCat-Image": Blocks(6, 2, has_stream=True),
    "HunyuanVideo 1.5": Blocks(6, 2, has_stream=True),
    "Krea 2": Blocks(6, 0),
    "OmniGen 2": Blocks(6, 0),
    "AuraFlow": Blocks(6, 2),
    "HunyuanImage 2.1": Blocks(6, 2, has_stream=True),
    "HiDream": Blocks(6, 2),
    "Lumina 2": Blocks(6, 0),
    "Z-Image": Blocks(6, 0),
}
RULES: dict[str, Rule] = {
    "rpf": RegionalPromptingFlux(0.2, 2),
    "rpf, intervals": RegionalPromptingFlux(0.3, 2, 2, 3),
    "eligen": EliGen(),
    "bias": Bias(),
    "bind": Bind(0.3, isolate_until=0.4, release_at=0.9),
}


def masks(rows: int, cols: int, soft: bool) -> torch.Tensor:
    """Two regions [2, rows, cols] with a gap between them; soft ones also share a column."""
    out = torch.zeros(2, rows, cols)
    out[0, :, : cols // 3 + 1] = 1.0
    out[1, 1:, cols // 2 + 1 :] = 1.0
    if soft:
        out[0, :, cols // 3] = 0.6
        out[1, :, cols // 3] = 0.3
        out[1, 1, -1] = 0.25
    return out


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("name", list(TINY))
def test_whole_samplings_equal_full_score_matrices(monkeypatch, record_property, name, rule):
    tiny, (model, stock) = TINY[name], model_and_stock(name)
    family = find_family(model.model)
    shape = family.token_shape(model.model, (*((1,) if tiny.frames else ()), *SIZE), 0)
    regions = masks(shape.rows, shape.cols, soft=not rule.startswith("rpf"))
    dense = DenseRule(RULES[rule], regions.flatten(1), KINDS.get(name, Blocks(6, 6)))
    patched = dense.following(install(model, patch(tiny, RULES[rule], regions)))
    out = sample(tiny, patched)
    assert dense.step == 3
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


def patch(tiny: TinyJoint, rule: Rule, regions: torch.Tensor) -> RegionalPatch:
    texts = tuple(
        text_from_conditioning(tiny.conditioning(seed, tokens), "region")
        for seed, tokens in ((3, 9), (4, 12))
    )
    prompts = RegionalPrompts(UID, RegionSet.from_masks(list(regions)), texts, ("a", "b"))
    return RegionalPatch(prompts, rule, tuple(range(tiny.n_layers)), PercentRange())


def sample(tiny: TinyJoint, model: Any) -> torch.Tensor:
    marked: dict[str, Any] = {MARKER: UID}
    positive = tiny.conditioning(1, **marked)
    return tiny.sample(model, positive, tiny.conditioning(2), cfg=1.0, steps=4)

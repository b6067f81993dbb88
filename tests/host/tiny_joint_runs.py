"""Runs of the tiny joint models with regional prompts, for tests of single families."""

from __future__ import annotations

from typing import Any

import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.rules import Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_joint import TinyJoint
from tiny_joint_case import BASE, HARD, NEGATIVE, UID


def patch(
    tiny: TinyJoint,
    model: Any,
    conds: list[Any],
    regions: RegionSet | None = None,
    rule: Rule = HARD,
) -> Any:
    """The model with these regional conditionings, one for the whole canvas or side by side."""
    texts = tuple(text_from_conditioning(cond, "region") for cond in conds)
    regions = regions or split_canvas(1, len(conds))
    prompts = RegionalPrompts(UID, regions, texts, ("",) * len(conds))
    layers = tuple(range(tiny.n_layers))
    return install(model, RegionalPatch(prompts, rule, layers, PercentRange()))


def run(tiny: TinyJoint, model: Any, positive: Any, **kwargs: Any) -> torch.Tensor:
    return tiny.sample(model, positive, tiny.conditioning(NEGATIVE), **kwargs)


def marked(tiny: TinyJoint, seed: int = BASE, **extra: Any) -> Any:
    given: dict[str, Any] = {MARKER: UID, **extra}
    return tiny.conditioning(seed, **given)


def require_full_region_is_stock(tiny: TinyJoint, region: Any, **size: int) -> None:
    """A region for the whole canvas does what its prompt does alone."""
    model = tiny.model()
    wanted = run(tiny, model, region, **size)
    out = run(tiny, patch(tiny, model, [region]), marked(tiny), **size)
    assert (wanted - run(tiny, model, tiny.conditioning(BASE), **size)).abs().max() > 0.01
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)

"""What planning a model call asks of rules, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from regional_dit.attention.calls.call_plan import TextCache
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.engine.groups import BASE, IMAGE, Group, KeyBlock
from regional_dit.attention.rules import Bind
from regional_dit.attention.sampling.entries import Entry
from regional_dit.attention.sampling.run import RegionalPatch, SamplingRun
from regional_dit.attention.text.prompts import RegionalPrompts

N_LAYERS = 57


class Boosted(Bind):
    """Every layer alike, with a boost that changes with the step."""

    asked: ClassVar[list[float]] = []

    def phase(self, layer, n_layers, step):
        return "always"

    def groups(self, regions, grid, phase):
        return (Group((KeyBlock(BASE), KeyBlock(IMAGE, boost=2.0))),)

    def boost_factor(self, step):
        self.asked.append(step.sigma)
        return step.sigma


class Family:
    def n_layers(self, model: Any) -> int:
        return N_LAYERS

    def token_shape(self, model: Any, size: Any, layer: int) -> Any:
        return SimpleNamespace(rows=size[0], cols=size[1], patch=1, frames=1)


def test_a_boost_is_asked_for_once_per_patch_and_made_once_per_phase():
    Boosted.asked.clear()
    prompts = RegionalPrompts("uid", split_canvas(1, 2), ({}, {}), ("", ""))
    layers = tuple(range(N_LAYERS))
    patches = [RegionalPatch(prompts, Boosted(), layers, PercentRange()) for _ in range(2)]
    family: Any = Family()
    run = SamplingRun(
        family,
        patches,
        {0: Entry("uid", None)},
        (4, 4),
        TextCache(0),
        [1.0, 0.5, 0.0],
        lambda share: 1.0 - share,
    )
    model = SimpleNamespace(manual_cast_dtype=None, get_dtype=lambda: torch.float32)
    for sigma in (1.0, 0.5):
        plan = run.plan(model, torch.zeros(1, 4, 4, 4), [0], run.step(torch.tensor([sigma])))
        assert plan is not None and len(plan.layers) == N_LAYERS
        groups = {id(jobs[0].groups) for jobs in plan.layers.values()}
        assert len(groups) == 1
        assert plan.layers[0][0].groups[0].blocks[1].boost == 2.0 * sigma
    assert Boosted.asked == [1.0, 1.0, 0.5, 0.5]

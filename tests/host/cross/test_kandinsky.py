"""What is particular to Kandinsky 5: text blocks that the time and the pooled vector move."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.canvas.split import split_canvas
from tiny_cross import TINY
from tiny_cross_runs import BASE, LEFT, NEGATIVE, RIGHT, UID, assert_close, patched, run

MARKED: dict[str, Any] = {"regional_dit": UID}


@pytest.fixture(scope="module", params=["kandinsky5", "kandinsky5_image"])
def case(request):
    tiny = TINY[request.param]
    return tiny, tiny.model()


def pooled(seed: int) -> dict[str, Any]:
    return {"pooled_output": torch.randn(1, 32, generator=torch.Generator().manual_seed(seed))}


def test_each_positive_moves_the_regional_text_by_its_own_pooled_vector(case):
    """Two positives with the same regions: what a step gives is the mean of what each gives."""
    tiny, model = case
    regional = patched(tiny, model, [LEFT, RIGHT])
    both = [tiny.conditioning(BASE, **MARKED, **pooled(seed)) for seed in (5, 6)]

    def one_step(positive: Any) -> torch.Tensor:
        return tiny.sample(regional, positive, tiny.conditioning(NEGATIVE), cfg=1.0, steps=1)

    first, second = map(one_step, both)
    assert (first - second).abs().max() > 1e-3
    assert_close(one_step(both[0] + both[1]), (first + second) / 2)


def test_regional_text_follows_the_time(case):
    """Over several steps a region that fills the canvas stays with its prompt's own run."""
    tiny, model = case
    wanted = tiny.sample(model, tiny.conditioning(LEFT), tiny.conditioning(NEGATIVE), steps=4)
    assert_close(run(tiny, patched(tiny, model, [LEFT], split_canvas(1, 1)), steps=4), wanted)


def test_regional_prompts_are_refined_once_a_call(case):
    """In two calls, each of the two text blocks sees the global prompt and two regions."""
    tiny, model = case
    blocks = model.model.diffusion_model.text_transformer_blocks
    calls: list[int] = []
    handles = [
        b.register_forward_hook(lambda *_, i=i: calls.append(i)) for i, b in enumerate(blocks)
    ]
    try:
        run(tiny, patched(tiny, model, [LEFT, RIGHT]), cfg=1.0, steps=2)
    finally:
        for handle in handles:
            handle.remove()
    assert sorted(calls) == [0] * 6 + [1] * 6

"""Families beside all patch hooks of the host: as often called as without regions, same effect."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import tiny_cross
import tiny_cross_runs as cross
import tiny_joint
import tiny_joint_case as joint
import torch
from every_hook import EveryHook
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.errors import HostError

WHOLE = RegionSet((Region(Box(0.0, 0.0, 1.0, 1.0)),))


@cache
def joint_case(name: str) -> joint.Case:
    return joint.Case(name)


def compare(stock: tuple[torch.Tensor, EveryHook], ours: tuple[torch.Tensor, EveryHook]) -> None:
    assert ours[1].calls == stock[1].calls
    cross.assert_close(ours[0], stock[0])


@pytest.mark.parametrize("name", list(tiny_cross.TINY))
def test_cross_attention(name: str) -> None:
    tiny = tiny_cross.TINY[name]
    model = tiny.model()
    negative = tiny.conditioning(cross.NEGATIVE)

    def sampled(patched: bool) -> tuple[torch.Tensor, EveryHook]:
        hooks = EveryHook()
        target = hooks.on(model)
        if patched:
            target = cross.patched(tiny, target, [cross.BASE], WHOLE)
        return cross.run(tiny, target, negative=negative), hooks

    compare(sampled(False), sampled(True))


@pytest.mark.parametrize("name", list(tiny_joint.TINY))
def test_joint_attention(name: str) -> None:
    case = joint_case(name)

    def sampled(patched: bool) -> tuple[torch.Tensor, EveryHook]:
        hooks = EveryHook()
        target: Any = hooks.on(case.model)
        if patched:
            target = case.patch(target, [joint.BASE, joint.BASE])
        return case.sample(target), hooks

    compare(sampled(False), sampled(True))


def test_a_patch_that_changes_cosmos_text_is_refused() -> None:
    """Its keys would be those of the changed text, and the regional ones not."""
    tiny = tiny_cross.TINY["cosmos_predict2"]
    model = tiny.model()
    called = []

    def change(q: Any, k: Any, v: Any, **_: Any) -> dict[str, Any]:
        called.append(True)
        return {"k": k * 2}

    other = model.clone()
    other.model_options["transformer_options"] = {"patches": {"attn2_patch": [change]}}
    cross.run(tiny, other)
    if not called:
        pytest.skip("this host asks no attn2_patch there")
    with pytest.raises(HostError, match="changes the text of Cosmos-Predict2 layer 0"):
        cross.run(tiny, cross.patched(tiny, other, [cross.LEFT, cross.RIGHT]))

"""LoRA by region beside what the host does with the same model: scheduled LoRA hooks, ControlNet.

Where the LoRA acts everywhere the oracle is the host's own loader, with the other thing beside it.
"""

from __future__ import annotations

from typing import Any

import comfy.hooks
import pytest
import torch
from host_features import control_net, controlled_by, from_half_on, unet_control_net
from lora_case import HALVES, UID, WHOLE, Case, lora, shared_case
from lora_files import lora_file
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.text.prompts import MARKER
from regional_dit.nodes.regional.controlnet import RegionControlNet
from regional_models import is_pristine

EVERYWHERE = pytest.mark.parametrize(("regions", "which"), [(WHOLE, "1"), (HALVES, "all")])


def conds(case: Case) -> tuple[Any, Any]:
    return case.tiny.conditioning(1, **{MARKER: UID}), case.tiny.conditioning(2)


def run(case: Case, model: Any, positive: Any, negative: Any, steps: int = 4) -> torch.Tensor:
    """By default as many steps as let a hook begin halfway."""
    out = case.tiny.sample(model, positive, negative, steps=steps)
    assert is_pristine(model)
    return out


def assert_same(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for rounding, which grows with the numbers inside the network."""
    scale = max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * scale)


def differ(*outs: torch.Tensor) -> bool:
    return all((a - b).abs().max() > 1e-3 for i, a in enumerate(outs) for b in outs[:i])


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT"])
@EVERYWHERE
def test_a_scheduled_lora_hook_acts_beside_it(name: str, regions: RegionSet, which: str) -> None:
    case = Case(name)
    ours, other = (lora_file(case.model, seed=seed) for seed in (0, 1))
    positive, negative = conds(case)
    hooks = comfy.hooks.create_hook_lora(lora=other, strength_model=0.6, strength_clip=0.0)
    hooked = from_half_on(positive, hooks), negative
    routed = case.patched(loras=(lora(ours, which),), regions=regions)
    got = run(case, routed, *hooked)
    assert_same(got, run(case, case.patched(case.loaded(ours), regions=regions), *hooked))
    without_lora = run(case, case.patched(regions=regions), *hooked)
    assert differ(got, run(case, routed, positive, negative), without_lora)


@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT"])
def test_in_one_region_a_hook_and_the_lora_both_show(name: str) -> None:
    """The same hook on all tokens; the LoRA in one half, in the other, in none."""
    case = Case(name)
    ours, other = (lora_file(case.model, seed=seed) for seed in (0, 1))
    positive, negative = conds(case)
    hooks = comfy.hooks.create_hook_lora(lora=other, strength_model=0.6, strength_clip=0.0)
    hooked = from_half_on(positive, hooks), negative
    models = [case.patched(loras=(lora(ours, n),), regions=HALVES) for n in ("1", "2")]
    outs = [run(case, model, *hooked) for model in (*models, case.patched(regions=HALVES))]
    assert differ(*outs)
    halves = tuple(lora(ours, n) for n in ("1", "2"))
    both = run(case, case.patched(loras=halves, regions=HALVES), *hooked)
    assert_same(both, run(case, case.patched(case.loaded(ours), regions=HALVES), *hooked))


@pytest.mark.parametrize("name", ["Flux", "sd15"])
@EVERYWHERE
def test_a_controlnet_acts_beside_it(name: str, regions: RegionSet, which: str) -> None:
    case = shared_case(name)
    ours = lora_file(case.model)

    def controlled() -> tuple[Any, Any]:
        make = unet_control_net(case.model) if name == "sd15" else control_net(case)
        return controlled_by(make, *conds(case))

    def sampled(model: Any, sides: tuple[Any, Any]) -> torch.Tensor:
        return run(case, model, *sides, steps=2)

    routed = case.patched(loras=(lora(ours, which),), regions=regions)
    loaded = case.patched(case.loaded(ours), regions=regions)
    got = sampled(routed, controlled())
    assert_same(got, sampled(loaded, controlled()))
    plain = sampled(case.patched(regions=regions), controlled())
    assert differ(got, sampled(routed, conds(case)), plain)
    if len(regions) == 2:  # the ControlNet in one half, the LoRA in both
        left = [RegionControlNet.execute(*controlled(), regions, "1").args for _ in range(2)]
        half = sampled(routed, left[0])
        assert_same(half, sampled(loaded, left[1]))
        assert differ(half, got)

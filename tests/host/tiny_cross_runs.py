"""Runs of the tiny cross-attention models with regional prompts, for tests of single families."""

from __future__ import annotations

from typing import Any

import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.rules import Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_cross import TinyCross

UID = "regions-a"


BASE, NEGATIVE, LEFT, RIGHT = 1, 2, 3, 4


HALVES = split_canvas(1, 2)


def patched(
    tiny: TinyCross,
    model: Any,
    seeds: list[int],
    regions: RegionSet = HALVES,
    rule: Any = None,
    layers: tuple[int, ...] | None = None,
) -> Any:
    texts = tuple(text_from_conditioning(tiny.conditioning(s), str(s)) for s in seeds)
    prompts = RegionalPrompts(UID, regions, texts, ("",) * len(seeds))
    used = layers or tuple(range(len(tiny.sides)))
    return install(model, RegionalPatch(prompts, rule or Couple(0.0), used, PercentRange()))


def run(tiny: TinyCross, model: Any, *, seed: int = BASE, **kwargs: Any) -> torch.Tensor:
    negative = kwargs.pop("negative", None) or tiny.conditioning(NEGATIVE)
    extra: dict[str, Any] = {MARKER: UID, **kwargs.pop("extra", {})}
    return tiny.sample(model, tiny.conditioning(seed, **extra), negative, **kwargs)


def assert_close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for rounding, which grows with the size of the numbers inside the network."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))

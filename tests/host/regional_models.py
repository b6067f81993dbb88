"""Patched tiny models and tagged conditionings, shared by the host tests."""

from __future__ import annotations

from typing import Any

from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.rules import Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_hunyuan import DEPTH, conditioning

UID = "regions-a"
BASE, NEGATIVE, LEFT, RIGHT = 1, 2, 3, 4
ALL_LAYERS = tuple(range(DEPTH))


def prompts(seeds: list[int], regions: RegionSet | None = None, uid: str = UID) -> RegionalPrompts:
    texts = tuple(text_from_conditioning(conditioning(s), f"region {s}") for s in seeds)
    return RegionalPrompts(
        uid, regions or split_canvas(1, len(seeds)), texts, tuple(map(str, seeds))
    )


def patched(
    model: Any,
    seeds: list[int] | None = None,
    *,
    regions: RegionSet | None = None,
    rule: Any = None,
    layers: tuple[int, ...] = ALL_LAYERS,
    percent: tuple[float, float] = (0.0, 1.0),
    uid: str = UID,
) -> Any:
    """A clone of the model with a left and a right region, unless told otherwise."""
    regional = prompts(seeds or [LEFT, RIGHT], regions, uid)
    return install(
        model, RegionalPatch(regional, rule or Couple(0.3), layers, PercentRange(*percent))
    )


def positive(seed: int = BASE, uid: str = UID, **extra: Any) -> list[Any]:
    """The global prompt's conditioning with the marker of the regions."""
    return conditioning(seed, **{MARKER: uid, **extra})


def is_pristine(model: Any) -> bool:
    """Whether no module of the network has a swapped forward."""
    return not any("forward" in module.__dict__ for module in model.model.modules())

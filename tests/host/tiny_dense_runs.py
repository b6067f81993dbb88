"""Whole samplings of the tiny joint models, for full score matrices to be held against."""

from __future__ import annotations

from typing import Any

import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.rules import Rule
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_dense_rules import Blocks
from tiny_joint import TINY, TinyJoint

UID = "regions-a"

SIZE = (16, 12)  # of the latent

# Double blocks, and whether rpf's second image stream has a place; elsewhere all blocks are double.
_KINDS = {
    "Flux": (2, True),
    "Chroma": (2, True),
    "Flux.2": (2, True),
    "Flux.2 Klein": (2, True),
    "LongCat-Image": (2, True),
    "HunyuanVideo 1.5": (2, True),
    "Krea 2": (0, False),
    "OmniGen 2": (0, False),
    "AuraFlow": (2, False),
    "HunyuanImage 2.1": (2, True),
    "HiDream": (2, False),
    "Lumina 2": (0, False),
    "Z-Image": (0, False),
}


def blocks_of(name: str) -> Blocks:
    """What the oracle must know of a family's tiny model."""
    n_layers = TINY[name].n_layers
    return Blocks(n_layers, *_KINDS.get(name, (n_layers, False)))


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


def patch(tiny: TinyJoint, rule: Rule, regions: torch.Tensor) -> RegionalPatch:
    texts = tuple(
        text_from_conditioning(tiny.conditioning(seed, tokens), "region")
        for seed, tokens in ((3, 9), (4, 12))
    )
    prompts = RegionalPrompts(UID, RegionSet.from_masks(list(regions)), texts, ("a", "b"))
    return RegionalPatch(prompts, rule, tuple(range(tiny.n_layers)), PercentRange())


def sample(tiny: TinyJoint, model: Any, steps: int = 3) -> torch.Tensor:
    """Three steps are at 0, a third and two thirds of the schedule: before and after its middle."""
    marked: dict[str, Any] = {MARKER: UID}
    positive = tiny.conditioning(1, **marked)
    return tiny.sample(model, positive, tiny.conditioning(2), cfg=1.0, steps=steps)

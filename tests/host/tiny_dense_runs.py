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
from tiny_joint import TinyJoint

UID = "regions-a"

SIZE = (16, 12)  # of the latent

KINDS = {
    "Flux": Blocks(4, 2, has_stream=True),
    "Chroma": Blocks(4, 2, has_stream=True),
    "Flux.2": Blocks(4, 2, has_stream=True),
    "Flux.2 Klein": Blocks(4, 2, has_stream=True),
    "LongCat-Image": Blocks(4, 2, has_stream=True),
    "HunyuanVideo 1.5": Blocks(4, 2, has_stream=True),
    "Krea 2": Blocks(4, 0),
    "OmniGen 2": Blocks(4, 0),
    "AuraFlow": Blocks(4, 2),
    "HunyuanImage 2.1": Blocks(4, 2, has_stream=True),
    "HiDream": Blocks(4, 2),
    "Lumina 2": Blocks(4, 0),
    "Z-Image": Blocks(4, 0),
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

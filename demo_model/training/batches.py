"""Batches of the synthetic world: latents, captions, and the texts of the pooled vector."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch

from .. import world


@dataclass(frozen=True, slots=True)
class Batch:
    """B pictures.

    Attributes:
        latents: float32 [B, 4, h, w], clean.
        captions: B prompts; empty ones teach the model what guidance starts from.
        pooled: B prompts for the pooled vector, which no regional patch can localise.
    """

    latents: torch.Tensor
    captions: list[str]
    pooled: list[str]


def draw_batch(rng: random.Random, height: int, width: int, n: int, drop: bool = True) -> Batch:
    """``n`` scenes of ``height`` x ``width`` latent pixels.

    The pooled text is the caption, nothing, or part of the caption, so that the global vector
    alone cannot decide what is drawn where. With ``drop``, a tenth of the captions is empty.
    """
    latents, captions, pooled = [], [], []
    for _ in range(n):
        scene = world.random_scene(rng, height, width)
        phrases = world.random_caption(rng, scene)
        latents.append(world.to_latent(world.render(scene)))
        u = rng.random()
        part = [p for p in phrases if rng.random() < 0.5]
        pool = phrases if u < 0.4 else [] if u < 0.6 else part
        if u >= 0.85 and scene.areas:
            pool = [f"{scene.areas[0].background} background"]
        if drop and rng.random() < 0.1:
            phrases, pool = [], [] if rng.random() < 0.5 else pool
        captions.append(", ".join(phrases))
        pooled.append(", ".join(pool))
    return Batch(torch.from_numpy(np.stack(latents)), captions, pooled)


def draw_size(rng: random.Random, batch: int, large: float) -> tuple[int, int, int]:
    """(height, width, pictures) of the next step, about as many tokens each time.

    ``large`` of the steps are 48 x 48; of the others one in ten is 24 x 40 or 40 x 24.
    """
    if rng.random() < large:
        return 48, 48, max(1, round(batch * 0.3))
    height, width = (32, 32) if rng.random() < 0.9 else rng.choice([(24, 40), (40, 24)])
    return height, width, batch

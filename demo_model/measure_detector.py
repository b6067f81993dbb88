"""Measure the detector on scenes whose truth is known.

``COMFYUI_PATH=... python -m demo_model.measure_detector`` prints the figures of the model card:
scenes are rendered as latents, decoded like a sampled latent, and what the detector reports is
compared with what was drawn.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from . import world
from .detector import detect


@dataclass(frozen=True, slots=True)
class DetectorAccuracy:
    """Shares 0..1. ``color`` and ``shape``: of the objects drawn, missed ones counting as wrong.

    ``invented``: detected objects that were not drawn, per drawn object. ``background``: share of
    the pictures whose reported background is one that was drawn.
    """

    objects: int
    color: float
    shape: float
    invented: float
    background: float


def measure(
    decode: Callable[[torch.Tensor], torch.Tensor], scenes: int, seed: int, noise: float = 0.0
) -> DetectorAccuracy:
    """Compare detections with the truth on random scenes, a quarter of them 48 x 48.

    Args:
        decode: latents [B, 4, h, w] -> pictures [B, 8h, 8w, 3] in 0..1.
        scenes: number of scenes.
        seed: seed of scenes and noise.
        noise: standard deviation of Gaussian noise put on the latents, in latent units.
    """
    rng, random_state = random.Random(seed), np.random.default_rng(seed)
    objects = color = shape = extra = background = 0
    for i in range(scenes):
        side = 48 if i % 4 == 0 else 32
        scene = world.random_scene(rng, side, side)
        latent = world.to_latent(world.render(scene))
        latent = latent + noise * random_state.standard_normal(latent.shape, dtype=np.float32)
        found = detect(decode(torch.from_numpy(latent)[None])[0].numpy())
        left = list(found.objects)
        background += found.background in {a.background for a in scene.areas}
        for o in scene.objects:
            objects += 1
            near = [
                q
                for q in left
                if abs(q.x_frac * side - o.x) < o.r / 2 and abs(q.y_frac * side - o.y) < o.r / 2
            ]
            if near:
                left.remove(near[0])
                color += near[0].color == o.color
                shape += near[0].shape == o.shape
        extra += len(left)
    share = 1 / max(objects, 1)
    return DetectorAccuracy(
        objects, color * share, shape * share, extra * share, background / max(scenes, 1)
    )


def main() -> None:
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    sys.argv = sys.argv[:1]
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    from .loader import DemoVAE

    vae = DemoVAE()
    for noise in (0.0, 0.05):
        print(f"noise {noise}: {measure(vae.decode, scenes=500, seed=11, noise=noise)}")


if __name__ == "__main__":
    main()

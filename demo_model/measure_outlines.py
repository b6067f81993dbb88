"""At which noise level does the tiny Flux lose outlines?

``COMFYUI_PATH=... python -m demo_model.measure_outlines [--weights OUT.safetensors]``: true scenes
get noise up to a level s, the model takes it off again from there, and the detector counts the
objects that are still right and in their places. What is lost at s 0.3 is the decoder's or the late
steps' doing, what is lost from 0.9 on alone is the first steps', and training should look there.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from . import text, world
from .detector import detect

SIDE, KINDS = 32, 4
NEAR = 0.6
"""An object is in its place if its centre is off by less than this share of its radius."""


def draw_scene(rng: random.Random) -> tuple[world.Scene, str]:
    """Four different objects on one background, and the caption that names them all."""
    kinds = world.random_kinds(rng, KINDS)
    background = rng.choice(world.BACKGROUND_NAMES)
    objects: list[world.SceneObject] = []
    while len(objects) < KINDS:
        objects = world.place_on_grid(rng, kinds, (0, 0, SIDE, SIDE), 2, 2)
    area = world.Area(background, 0, 0, SIDE, SIDE)
    caption = ", ".join([*(f"a {c} {s}" for c, s in kinds), f"{background} background"])
    return world.Scene(SIDE, SIDE, (area,), tuple(objects)), caption


def count_right(scene: world.Scene, picture: np.ndarray) -> Counter[str]:
    """Objects of the scene that the picture shows with their colour and shape, by shape."""
    found = detect(picture).objects
    right: Counter[str] = Counter()
    for o in scene.objects:
        off = [max(abs(q.x_frac * SIDE - o.x), abs(q.y_frac * SIDE - o.y)) for q in found]
        there = [q for q, d in zip(found, off, strict=True) if d < NEAR * o.r]
        right[o.shape] += bool(there) and (there[0].color, there[0].shape) == o.kind
    return right


@torch.inference_mode()
def measure(
    net: Callable[..., torch.Tensor],
    decode: Callable[[torch.Tensor], torch.Tensor],
    level: float,
    scenes: int = 24,
    steps: int = 12,
    seed: int = 5,
) -> dict[str, float]:
    """Share of right objects per shape, and over "all", after noise up to ``level``.

    Args:
        net: (latents, levels [B], context, y=pooled) -> velocity, as the host's Flux.
        decode: latents [B, 4, h, w] -> pictures [B, 8h, 8w, 3] in 0..1.
        level: s of x = (1 - s) clean + s noise, 0..1; 0 measures decoder and detector alone.
        scenes: number of scenes with four objects each.
        steps: of Euler's method for the whole way from 1 to 0; the way from ``level`` gets its
            share of them, at least 4.
        seed: of scenes and noise.
    """
    rng = random.Random(seed)
    drawn = [draw_scene(rng) for _ in range(scenes)]
    latents = np.stack([world.to_latent(world.render(scene)) for scene, _ in drawn])
    clean = torch.from_numpy(latents)
    context, pooled = text.encode([caption for _, caption in drawn]).for_flux()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    x = (1 - level) * clean + level * noise
    way = torch.linspace(level, 0, max(4, round(steps * level)) + 1).tolist()
    for now, then in pairwise(way):
        if now > 0:
            velocity = net(x.clone(), torch.full((scenes,), now), context.clone(), y=pooled.clone())
            x = x + (then - now) * velocity
    right, asked = Counter[str](), Counter[str]()
    for (scene, _), picture in zip(drawn, decode(x).numpy(), strict=True):
        right += count_right(scene, picture)
        asked += Counter(o.shape for o in scene.objects)
    shares = {shape: right[shape] / asked[shape] for shape in sorted(asked)}
    return {"all": right.total() / asked.total(), **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="of a training run, instead of the pack's")
    parser.add_argument("--scenes", type=int, default=24)
    args = parser.parse_args()
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    sys.argv = sys.argv[:1]
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    from .loader import DemoVAE, load_model

    net, vae = load_model("flux", args.weights).model.diffusion_model, DemoVAE()
    for level in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        shares = measure(net, vae.decode, level, args.scenes)
        print(level, " ".join(f"{name} {share:.0%}" for name, share in shares.items()), flush=True)


if __name__ == "__main__":
    main()

"""Pairs for the decoder: true scenes, and their latents as a denoiser spoils them.

``COMFYUI_PATH=... python -m demo_model.training.pairs OUT.pt --model flux --scenes 400``: clean
latents get noise up to a level at which objects still stand where they stood, and the demo model
takes it off again under the scene's own caption, with ComfyUI's own sampler and guidance. Its
outlines are then as bad as in sampled pictures, and what was meant is known.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import world

SIDE, STEPS, CFG = 32, 5, 4.0
LEVELS = (0.2, 0.5)
"""Range of KSampler's ``denoise``. With more of it objects wander off."""
MOVED = 0.12
"""Mean difference, in colours of -1 to 1, from which on a scene counts as another one."""
SAMPLERS = {"flux": ("euler", "simple"), "hunyuan_dit": ("dpmpp_2m", "sgm_uniform")}


def draw_scene(rng: random.Random) -> world.Scene:
    scene = world.random_scene(rng, SIDE, SIDE)
    while not scene.objects:
        scene = world.random_scene(rng, SIDE, SIDE)
    return scene


@torch.inference_mode()
def make_pair(
    rng: random.Random, model: Any, clip: Any, name: str
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """A spoiled latent float16 [4, h, w] and the clean picture uint8 [3, 8h, 8w].

    None if the objects are not where they were.
    """
    import comfy.sample

    scene = draw_scene(rng)
    caption = ", ".join(world.random_caption(rng, scene, p_no_background=0))
    positive, negative = (
        clip.encode_from_tokens_scheduled(clip.tokenize(t)) for t in (caption, "")
    )
    clean = torch.from_numpy(world.to_latent(world.render(scene)))[None]
    seed = rng.randrange(2**31)
    noise = comfy.sample.prepare_noise(clean, seed)
    spoiled = comfy.sample.sample(
        model, noise, STEPS, CFG, *SAMPLERS[name], positive, negative, clean,
        denoise=rng.uniform(*LEVELS), disable_pbar=True, seed=seed,
    )  # fmt: skip
    if (spoiled - clean).abs().mean() > MOVED:
        return None
    picture = np.moveaxis((world.render(scene, world.LATENT_FACTOR) + 1) * 127.5, -1, 0)
    return spoiled[0].half(), torch.from_numpy(picture.round().clip(0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=sorted(SAMPLERS), required=True)
    parser.add_argument("--weights", type=Path, help="of a training run, instead of the pack's")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=10, help="stop earlier, if so")
    parser.add_argument("--append", action="store_true", help="add to the pairs in OUT")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    sys.argv = sys.argv[:1]
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    from ..loader import DemoTextEncoder, load_model

    model, clip = load_model(args.model, args.weights), DemoTextEncoder(args.model)
    rng, started = random.Random(args.seed), time.monotonic()
    made: list[tuple[torch.Tensor, torch.Tensor]] = []
    while len(made) < args.scenes and time.monotonic() - started < 60 * args.minutes:
        pair = make_pair(rng, model, clip, args.model)
        made += [] if pair is None else [pair]
    kept = {
        "latents": torch.stack([m[0] for m in made]),
        "pictures": torch.stack([m[1] for m in made]),
    }
    if args.append:
        before = torch.load(args.out, weights_only=True)
        kept = {k: torch.cat([before[k], v]) for k, v in kept.items()}
    torch.save(kept, args.out)
    print(f"{len(kept['latents'])} pairs")


if __name__ == "__main__":
    main()

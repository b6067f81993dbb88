"""Train the decoder: on clean pictures, from latents that were spoiled (``spoil``, ``pairs``).

``python -m demo_model.training.decoder OUT --minutes 15 --pairs PAIRS.pt``
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import avg_pool2d, cross_entropy, l1_loss

from .. import world
from ..decoder import BLOCKS, PALETTE, WIDTH, DemoDecoder
from .spoil import spoil

TRAINED = 4
"""Picture pixels per latent pixel along one axis in training: enough to say where an edge runs."""


def draw_pictures(rng: random.Random, n: int, side: int = 32) -> torch.Tensor:
    """Pictures float32 [n, 3, 8 side, 8 side] in [-1, 1].

    Besides the scenes that the diffusion models are trained on, a third shows many small objects,
    because edges are what there is to learn.
    """
    pictures = []
    for i in range(n):
        scene = world.random_scene(rng, side, side)
        while i % 3 == 0 and len(scene.objects) < 4:
            scene = world.random_scene(rng, side, side)
        pictures.append(world.render(scene, world.LATENT_FACTOR))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def nearest_colour(pictures: torch.Tensor) -> torch.Tensor:
    """Index into ``PALETTE`` per pixel, [B, 3, H, W] -> int64 [B, H, W]."""
    palette = torch.from_numpy(PALETTE)
    far = (palette**2).sum(1)[:, None, None] - 2 * torch.einsum("bchw,kc->bkhw", pictures, palette)
    return far.argmin(1)


class PairFile:
    """Latents that the denoisers spoiled, with their scenes (``pairs`` writes them)."""

    def __init__(self, path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        self.latents, self.pictures = kept["latents"].float(), kept["pictures"]

    def draw(self, rng: random.Random, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [n, 4, h, w] and pictures [n, 3, 8h, 8w] in [-1, 1]; half of them mirrored."""
        chosen = [rng.randrange(len(self.latents)) for _ in range(n)]
        latents, pictures = self.latents[chosen], self.pictures[chosen].float() / 127.5 - 1
        if rng.random() < 0.5:
            return latents.flip(-1), pictures.flip(-1)
        return latents, pictures


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the decoder of the demo models.")
    parser.add_argument("out", type=Path, help="path of the .safetensors file to write")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--init", help="decoder weights to go on from")
    parser.add_argument("--pairs", type=Path, help="written by training.pairs; half of each batch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng, generator = random.Random(args.seed), torch.Generator().manual_seed(args.seed)
    net = DemoDecoder()
    if args.init:
        net.load_state_dict({k: v.float() for k, v in load_file(args.init).items()})
    pairs = PairFile(args.pairs) if args.pairs else None
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=1e-4)
    start, step, total = time.monotonic(), 0, args.minutes * 60
    mean = 0.0
    while (elapsed := time.monotonic() - start) < total:
        left = 1 - elapsed / total
        rate = args.lr * min(1, (step + 1) / 50) * min(1.0, 1.6 * left)
        for group in optimiser.param_groups:
            group["lr"] = rate
        picture = draw_pictures(rng, args.batch - args.batch // 2 if pairs else args.batch)
        latent = spoil(picture, generator)
        if pairs:
            more, clean = pairs.draw(rng, args.batch // 2)
            latent, picture = torch.cat([latent, more[:, :3]]), torch.cat([picture, clean])
        with torch.autocast("cpu", torch.bfloat16):
            logits = net.logits(latent.clamp(-1.2, 1.2), TRAINED)
        logits = logits.float()
        picture = avg_pool2d(picture, world.LATENT_FACTOR // TRAINED)
        # The absolute error is least at a decision for the likelier colour, hence sharp edges; it
        # has no slope where the net is sure and wrong, which the other term mends at first.
        error = l1_loss(net.mix(logits), picture)
        loss = error + 0.1 * left * cross_entropy(logits, nearest_colour(picture))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        mean = 0.98 * mean + 0.02 * error.item() if step > 1 else error.item()
        if step % 100 == 0:
            print(f"{elapsed:.0f}s step {step} L1 {mean:.4f}", flush=True)
    meta = {"config": json.dumps({"width": WIDTH, "blocks": BLOCKS})}
    weights = {k: v.half().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, args.out, metadata=meta)
    print(f"done: {step} steps, {step * args.batch} pictures, L1 {mean:.4f}")


if __name__ == "__main__":
    main()

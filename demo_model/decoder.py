"""Decoder of the demo model: latent [4, h, w] -> picture [3, 8h, 8w].

A small convolutional net works at latent resolution and a pixel shuffle by 8 writes the picture.
It adds to a bilinear enlargement, so that flat colours are right from the start and the net only
has to learn where an edge runs. Train it with ``python -m demo_model.decoder OUT --minutes 6``.
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
from torch.nn.functional import interpolate, l1_loss, pixel_shuffle, silu

from . import world

WIDTH, BLOCKS = 48, 5


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a skip; reflective padding keeps the canvas border clean."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(
            width, width, 3, padding=dilation, dilation=dilation, padding_mode="replicate"
        )
        self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(silu(self.first(silu(x))))


class DemoDecoder(nn.Module):
    """Latents float [B, 4, h, w] -> pictures float [B, 3, 8h, 8w], both in [-1, 1]."""

    def __init__(self, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.inlet = nn.Conv2d(3, width, 3, padding=1, padding_mode="replicate")
        self.blocks = nn.ModuleList(ResidualBlock(width, 1 + i % 2) for i in range(blocks))
        self.outlet = nn.Conv2d(width, 3 * world.LATENT_FACTOR**2, 1)
        for p in self.outlet.parameters():
            nn.init.zeros_(p)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        rgb = latent[:, :3]
        x = self.inlet(rgb)
        for block in self.blocks:
            x = block(x)
        detail = pixel_shuffle(self.outlet(silu(x)), world.LATENT_FACTOR)
        plain = interpolate(rgb, scale_factor=world.LATENT_FACTOR, mode="bilinear")
        return plain + detail


def imitate_sampler(latent: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Clean latents -> latents with the faults of a sampled one: blur, noise, a patch pattern."""
    b, _, h, w = latent.shape
    rand = lambda *s: torch.rand(s, generator=generator)  # noqa: E731
    blurred = nn.functional.avg_pool2d(nn.functional.pad(latent, (1, 1, 1, 1), "replicate"), 3, 1)
    latent = torch.lerp(latent, blurred, 0.5 * rand(b, 1, 1, 1))
    noise = torch.randn(latent.shape, generator=generator) * 0.06 * rand(b, 1, 1, 1)
    coarse = torch.randn(b, 3, h // 4, w // 4, generator=generator) * 0.06 * rand(b, 1, 1, 1)
    pattern = torch.randn(b, 3, 2, 2, generator=generator).repeat(1, 1, h // 2, w // 2)
    noise = noise + interpolate(coarse, size=(h, w), mode="bilinear")
    return latent + noise + pattern * 0.04 * rand(b, 1, 1, 1)


def draw_pairs(rng: random.Random, n: int, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Rendered pairs: latent RGB [n, 3, side, side] and picture [n, 3, 8 side, 8 side].

    Besides the scenes that the diffusion model is trained on, a third of the pairs is drawn from
    scenes with many small objects, because edges are what there is to learn.
    """
    small, large = [], []
    for i in range(n):
        scene = world.random_scene(rng, side, side)
        while i % 3 == 0 and len(scene.objects) < 4:
            scene = world.random_scene(rng, side, side)
        picture = world.render(scene, world.LATENT_FACTOR)
        f = world.LATENT_FACTOR
        small.append(picture.reshape(side, f, side, f, 3).mean((1, 3)))
        large.append(picture)
    to_planes = lambda pictures: torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)  # noqa: E731
    return to_planes(small).contiguous(), to_planes(large).contiguous()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the decoder of the demo model.")
    parser.add_argument("out", type=Path, help="path of the .safetensors file to write")
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--init", help="decoder weights to go on from")
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
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=1e-4)
    start, step, total = time.monotonic(), 0, args.minutes * 60
    mean = 0.0
    while (elapsed := time.monotonic() - start) < total:
        rate = args.lr * min(1, (step + 1) / 50) * min(1.0, 1.6 * (1 - elapsed / total))
        for group in optimiser.param_groups:
            group["lr"] = rate
        latent, picture = draw_pairs(rng, args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = net(imitate_sampler(latent, generator))
        loss = l1_loss(decoded.float(), picture)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        mean = 0.98 * mean + 0.02 * loss.item() if step > 1 else loss.item()
        if step % 100 == 0:
            print(f"{elapsed:.0f}s step {step} L1 {mean:.4f}", flush=True)
    meta = {"config": json.dumps({"width": WIDTH, "blocks": BLOCKS})}
    weights = {k: v.half().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, args.out, metadata=meta)
    print(f"done: {step} steps, {step * args.batch} pictures, L1 {mean:.4f}")


if __name__ == "__main__":
    main()

"""Train the demo model: ``python -m demo_model.train OUT --minutes 100`` from the repo root.

Set ``COMFYUI_PATH``; the network is ComfyUI's own HunyuanDiT class. The objective is v-prediction
on the host's HunyuanDiT noise schedule. Weights are kept in float32 and computed in bfloat16; Muon
(arXiv 2502.16982, RMS matched to AdamW) updates the matrices of the blocks and AdamW the rest; an
exponential moving average is what gets saved. The learning rate holds, then falls to about zero at
the end of the given time. A run that was stopped goes on with ``--resume``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "COMFYUI_PATH" in os.environ:  # first, so that the pack's own nodes/ does not shadow nodes.py
    sys.path.insert(0, os.environ["COMFYUI_PATH"])

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from . import text, world
from .network import (
    alphas_cumprod,
    extend_text_length,
    initialise,
    model_config,
    use_fast_cpu_kernels,
)

WARMUP_STEPS = 60


def draw_batch(rng: random.Random, height: int, width: int, n: int, drop: bool = True):
    """``n`` latents [n, 4, H, W], their captions, and the texts for the pooled vector.

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
    return torch.from_numpy(np.stack(latents)), captions, pooled


def spread_timesteps(u: torch.Tensor) -> torch.Tensor:
    """Shares 0..1 -> timesteps 0..999, 84 % of them between 150 and 850.

    In that range places and outlines are settled; below it and above it there is little to learn.
    """
    low, high = u < 0.08, u > 0.92
    middle = 150 + (u - 0.08) / 0.84 * 700
    t = torch.where(low, u / 0.08 * 150, torch.where(high, 850 + (u - 0.92) / 0.08 * 150, middle))
    return t.long().clamp(0, 999)


class Trainer:
    """Model, optimisers and averages of one run."""

    def __init__(self, args: argparse.Namespace) -> None:
        import comfy.ldm.hydit.models as models
        import comfy.ops

        self.device = torch.device(args.device)
        self.net: Any = models.HunYuanDiT(
            **model_config(), operations=comfy.ops.disable_weight_init
        )
        initialise(self.net)
        if args.init:
            loaded = {k: v.float() for k, v in load_file(args.init).items()}
            self.net.load_state_dict(extend_text_length(loaded))
        self.net.to(self.device)
        self.master = {
            k: p.detach().clone().float().requires_grad_() for k, p in self.net.named_parameters()
        }
        self.ema = {k: p.detach().clone() for k, p in self.master.items()}
        self.net.bfloat16().train()
        self.compute = dict(self.net.named_parameters())
        matrices = [p for k, p in self.master.items() if k.startswith("blocks.") and p.ndim == 2]
        taken = {id(p) for p in matrices}
        rest = [p for p in self.master.values() if id(p) not in taken]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
            torch.optim.Muon(
                matrices, lr=args.lr, weight_decay=0.01, momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
        ]  # fmt: skip
        self.lr, self.ema_rate = args.lr, args.ema
        self.alphas = alphas_cumprod().to(self.device)
        self.step = self.seen = 0
        self.seconds = 0.0
        self._pooled: torch.Tensor | None = None
        stock_pooler = self.net.pooler.forward
        self.net.pooler.forward = lambda x: stock_pooler(
            x if self._pooled is None else self._pooled
        )

    def loss(self, x0, captions, pooled, t, noise) -> torch.Tensor:
        """v-prediction error per picture, float32 [B]."""
        a = self.alphas[t].view(-1, 1, 1, 1)
        noisy = a.sqrt() * x0 + (1 - a).sqrt() * noise
        target = a.sqrt() * noise - (1 - a).sqrt() * x0
        states, bf16 = text.encode(captions), {"device": self.device, "dtype": torch.bfloat16}
        self._pooled = text.encode(pooled).t5.to(**bf16)
        mask = states.mask.to(self.device)
        v = self.net(
            noisy.to(torch.bfloat16), t.float(), context=states.clip.to(**bf16),
            text_embedding_mask=mask, encoder_hidden_states_t5=states.t5.to(**bf16),
            text_embedding_mask_t5=mask,
        )  # fmt: skip
        return (v.float() - target).square().mean((1, 2, 3))

    def update(self, x0, captions, pooled, factor: float) -> float:
        """One optimiser step at ``factor`` times the base learning rate; returns the loss."""
        n = x0.shape[0]
        t = spread_timesteps((torch.arange(n) + torch.rand(1)) / n)  # every batch sees all noise
        t = t[torch.randperm(n)].to(self.device)
        x0 = x0.to(self.device)
        loss = self.loss(x0, captions, pooled, t, torch.randn_like(x0)).mean()
        loss.backward()
        with torch.no_grad():
            for k, p in self.compute.items():
                self.master[k].grad = None if p.grad is None else p.grad.float()
                p.grad = None
            torch.nn.utils.clip_grad_norm_(list(self.master.values()), 1.0)
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = self.lr * factor
                optimiser.step()
            keep = min(self.ema_rate, (20 + self.step) / (40 + self.step))
            for k, average in self.ema.items():
                average.lerp_(self.master[k], 1 - keep)
            for k, p in self.compute.items():
                p.copy_(self.master[k])
        self.step += 1
        self.seen += n
        return loss.item()

    @torch.no_grad()
    def validate(self, height: int, width: int, n: int = 64) -> str:
        """Loss on fixed pictures, as mean and per quarter of the noise range."""
        x0, captions, _ = draw_batch(random.Random(999), height, width, n, drop=False)
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(999))
        t = torch.linspace(20, 980, n).long().to(self.device)
        x0, noise = x0.to(self.device), noise.to(self.device)
        losses = self.loss(x0, captions, captions, t, noise)
        parts = " ".join(f"{q:.4f}" for q in losses.view(4, -1).mean(1))
        return f"val {height}x{width} {losses.mean():.4f} [{parts}]"

    def save(self, out: Path) -> None:
        """Write the averaged weights (float16) and the resume state."""
        meta = {"config": json.dumps(model_config()), "vocabulary": json.dumps(text.VOCABULARY)}
        weights = {k: v.to("cpu", torch.float16).contiguous() for k, v in self.ema.items()}
        save_file(weights, out.with_suffix(".tmp"), metadata=meta)
        os.replace(out.with_suffix(".tmp"), out.with_suffix(".safetensors"))
        state = {
            "master": {k: v.detach() for k, v in self.master.items()},
            "ema": self.ema,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step, "seen": self.seen, "seconds": self.seconds,
        }  # fmt: skip
        torch.save(state, out.with_suffix(".state.tmp"))
        os.replace(out.with_suffix(".state.tmp"), out.with_suffix(".state.pt"))

    def resume(self, path: Path) -> None:
        """Take up the state that :meth:`save` wrote."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        with torch.no_grad():
            for k, p in self.master.items():
                p.copy_(state["master"][k])
                self.ema[k].copy_(state["ema"][k])
                self.compute[k].copy_(p)
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seen = state["step"], state["seen"]
        self.seconds = state["seconds"]


def learning_rate_factor(step: int, progress: float, hold: float) -> float:
    """Warm-up over the first steps, constant until ``hold``, then a straight line to zero."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return rise * (1.0 if progress < hold else max(0.0, (1 - progress) / (1 - hold)))


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the demo model.")
    parser.add_argument("out", type=Path, help="path of the checkpoint, without suffix")
    parser.add_argument("--minutes", type=float, default=60, help="training time, all resumes")
    parser.add_argument("--init", help="checkpoint to start from (a shorter text_len is extended)")
    parser.add_argument("--resume", action="store_true", help="go on from OUT.state.pt")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--hold", type=float, default=0.35, help="share of the time at full rate")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--batch", type=int, default=64, help="pictures per step at 32 x 32")
    parser.add_argument("--large", type=float, default=0.25, help="share of steps at 48 x 48")
    parser.add_argument("--save-minutes", type=float, default=4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    sys.argv = sys.argv[:1]  # ComfyUI parses the command line on import unless it is empty
    if args.device == "cpu":
        import comfy.cli_args

        comfy.cli_args.args.cpu = True
        use_fast_cpu_kernels()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    trainer = Trainer(args)
    if args.resume:
        trainer.resume(args.out.with_suffix(".state.pt"))
    rng = random.Random(args.seed + trainer.step)
    torch.manual_seed(args.seed + trainer.step)
    total, losses, saved = args.minutes * 60, {32: [], 48: []}, time.monotonic()
    print(f"parameters {sum(p.numel() for p in trainer.master.values())}", vars(args), flush=True)
    while trainer.seconds < total:
        start, size = time.monotonic(), 48 if rng.random() < args.large else 32
        if size == 48:
            shape, n = (48, 48), max(1, round(args.batch * 0.3))
        else:
            shape = (32, 32) if rng.random() < 0.9 else rng.choice([(24, 40), (40, 24)])
            n = args.batch
        factor = learning_rate_factor(trainer.step, trainer.seconds / total, args.hold)
        losses[size].append(trainer.update(*draw_batch(rng, *shape, n), factor))
        trainer.seconds += time.monotonic() - start
        if trainer.step % 50 == 0:
            mean = {k: round(sum(v[-50:]) / len(v[-50:]), 4) for k, v in losses.items() if v}
            print(
                f"{time.strftime('%H:%M:%S')} {trainer.seconds:.0f}s step {trainer.step} seen "
                f"{trainer.seen} lr {args.lr * factor:.1e} loss {mean} "
                f"{trainer.validate(32, 32) if trainer.step % 200 == 0 else ''}",
                flush=True,
            )
        if time.monotonic() - saved > 60 * args.save_minutes:
            trainer.save(args.out)
            saved = time.monotonic()
    trainer.save(args.out)
    print(f"done: {trainer.step} steps, {trainer.seen} pictures", trainer.validate(32, 32))


if __name__ == "__main__":
    main()

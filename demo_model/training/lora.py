"""Train a LoRA that gives the demo's objects a style: ``python -m demo_model.training.lora STYLE``.

Only the low-rank matrices are trained (arXiv 2106.09685); the base stays as it is. Each object's
phrase carries the style's name, which reaches the model as ``<unk>``. The file has kohya's names,
as most LoRA files have; ComfyUI's own loader reads it.

    python -m demo_model.training.lora striped demo_model/weights/demo_striped.safetensors
"""

from __future__ import annotations

import argparse
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

from .. import world
from ..styles import render_styled
from .batches import Batch
from .objectives import OBJECTIVES

RANK = 4
LAYERS = {
    "hunyuan_dit": (".Wqkv", ".out_proj", ".q_proj", ".kv_proj", ".fc1", ".fc2"),
    "flux": (".qkv", ".proj", "_mlp.0", "_mlp.2", ".linear1", ".linear2"),
}
"""Ends of the names of the linear layers that get a delta, in the blocks alone."""


class LoraLayer:
    """Down and up matrix of one linear layer; their product starts at zero."""

    def __init__(self, linear: Any) -> None:
        rows, columns = linear.weight.shape
        self.down = torch.randn(RANK, columns).div_(columns**0.5).requires_grad_()
        self.up = torch.zeros(rows, RANK).requires_grad_()
        base = linear.forward

        def forward(x: torch.Tensor) -> torch.Tensor:
            low = torch.nn.functional.linear(x, self.down.to(x.dtype))
            return base(x) + torch.nn.functional.linear(low, self.up.to(x.dtype))

        linear.forward = forward


def add_layers(net: Any, model: str) -> dict[str, LoraLayer]:
    """A LoRA layer on every linear layer of the blocks that :data:`LAYERS` names."""
    return {
        name: LoraLayer(module)
        for name, module in net.named_modules()
        if isinstance(module, torch.nn.Linear)
        and "blocks." in name
        and name.endswith(LAYERS[model])
    }


def styled_batch(rng: random.Random, style: str, n: int) -> Batch:
    """``n`` pictures of 32 x 32 latent pixels with styled objects; a tenth has no caption."""
    latents, captions, pooled = [], [], []
    for _ in range(n):
        scene = world.random_scene(rng, 32, 32)
        phrases = [
            f"{style} {phrase.split(maxsplit=1)[1]}" if "background" not in phrase else phrase
            for phrase in world.random_caption(rng, scene)
        ]
        latents.append(world.to_latent(render_styled(scene, style)))
        if rng.random() < 0.1:
            phrases = []
        captions.append(", ".join(phrases))
        part = [p for p in phrases if rng.random() < 0.5]
        pooled.append(", ".join(phrases if rng.random() < 0.5 else part))
    return Batch(torch.from_numpy(np.stack(latents)), captions, pooled)


def load(layers: dict[str, LoraLayer], path: Path) -> None:
    """Go on from a file that :func:`tensors` made."""
    kept = load_file(path)
    with torch.no_grad():
        for name, layer in layers.items():
            key = f"lora_unet_{name.replace('.', '_')}"
            layer.up.copy_(kept[f"{key}.lora_up.weight"])
            layer.down.copy_(kept[f"{key}.lora_down.weight"])


def tensors(layers: dict[str, LoraLayer]) -> dict[str, torch.Tensor]:
    """The file's content: float16 matrices and alpha = rank."""
    found = {}
    for name, layer in layers.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        found[f"{key}.lora_up.weight"] = layer.up.detach().half().contiguous()
        found[f"{key}.lora_down.weight"] = layer.down.detach().half().contiguous()
        found[f"{key}.alpha"] = torch.tensor(float(RANK))
    return found


def train(args: argparse.Namespace) -> None:
    objective = OBJECTIVES[args.model](fast_cpu=True)
    net = objective.net
    weights = {k: v.float() for k, v in load_file(args.weights).items()}
    net.load_state_dict(objective.adapt(weights))
    net.bfloat16().requires_grad_(False)
    layers = add_layers(net, args.model)
    if args.init:
        load(layers, args.init)
    parameters = [p for layer in layers.values() for p in (layer.down, layer.up)]
    optimiser = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    rng = random.Random(args.seed)
    started, limit, step, mean = time.monotonic(), 60 * args.minutes, 0, 0.0
    while (spent := time.monotonic() - started) < limit:
        batch = styled_batch(rng, args.style, args.batch)
        u = (torch.randperm(args.batch) + torch.rand(1)) / args.batch
        loss = objective.loss(batch, objective.levels(u), torch.randn(batch.latents.shape)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        share = spent / limit
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1.0, (step + 1) / 20, 2.5 * (1 - share))
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        mean += (loss.item() - mean) / min(step, 50)
        if step % 50 == 0:
            print(f"step {step}, {spent:.0f} s, loss {mean:.4f}", flush=True)
            save_file(tensors(layers), args.out)
    save_file(tensors(layers), args.out)
    print(f"{step} steps of {args.batch} pictures, loss {mean:.4f}, {args.out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("style", choices=world.STYLES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=tuple(LAYERS), default="hunyuan_dit")
    parser.add_argument("--weights", type=Path, help="the base; default: the demo's own")
    parser.add_argument("--init", type=Path, help="a LoRA of this script to go on from")
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    sys.argv = sys.argv[:1]  # ComfyUI parses the command line on import unless it is empty
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    if args.weights is None:
        name = {"hunyuan_dit": "demo_hydit", "flux": "demo_flux"}[args.model]
        args.weights = Path(__file__).parents[1] / "weights" / f"{name}.safetensors"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train(args)


if __name__ == "__main__":
    main()

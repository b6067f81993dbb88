"""Cost of LoRAs by region, as a ratio to the same regions with the LoRAs merged into the weights.

One double and one single block of Flux at their real width, N regions side by side with a LoRA
each, on every linear layer of the blocks. Merged LoRAs cost a step nothing, so the same regions
without LoRAs are what they are compared with. ``extra_mib`` is what one call holds at its peak
beside the other; ``lora_mib`` are the LoRAs themselves on the device.

    python3 -m headless run benchmarks/region_lora.py --out benchmarks/results/region_lora.json
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import flux_block as flux
from cost_report import cost_parser, shown
from cost_runs import UID, sampling_run

TEXT_TOKENS = 16


def lora_tensors(model: Any, rank: int, dtype: Any, seed: int) -> dict[str, Any]:
    """A LoRA file for every linear layer of the blocks, modulation excepted."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, module in model.model.diffusion_model.named_modules():
        if isinstance(module, torch.nn.Linear) and "_blocks." in name and "mod" not in name:
            rows, columns = module.weight.shape
            stem = f"lora_unet_{name.replace('.', '_')}"
            up = torch.randn(rows, rank, generator=generator) * 0.01
            down = torch.randn(rank, columns, generator=generator) * 0.01
            found[f"{stem}.lora_up.weight"] = up.to(dtype)
            found[f"{stem}.lora_down.weight"] = down.to(dtype)
    return found


def make_run(model: Any, n: int, rank: int, latent: Any, dtype: Any) -> Any:
    """A ``SamplingRun`` with n columns; rank 0: without LoRAs."""
    import torch
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.families import find_family
    from regional_dit.attention.lora.bind import bound_loras
    from regional_dit.attention.lora.run import LoraRun
    from regional_dit.attention.lora.spec import RegionLora
    from regional_dit.attention.rules import Bind
    from regional_dit.attention.sampling.run import RegionalPatch
    from regional_dit.attention.text.prompts import RegionalPrompts

    family = find_family(model.model)
    loras = tuple(
        RegionLora(f"lora {i}", lora_tensors(model, rank, dtype, i), str(i + 1), 0.8)
        for i in range(n if rank else 0)
    )
    states = tuple({"cross_attn": torch.randn(1, TEXT_TOKENS, flux.TEXT_WIDTH)} for _ in range(n))
    prompts = RegionalPrompts(UID, split_canvas(1, n), states, ("",) * n, loras=loras)
    layers = tuple(range(family.n_layers(model.model)))
    patch = RegionalPatch(prompts, Bind(0.0, 0.0, 1.0), layers, PercentRange())
    run = sampling_run(model, (patch,), tuple(latent.shape[-2:]))
    return replace(run, loras=LoraRun(family, bound_loras(family, model.model, prompts)))


def measure(tokens: int, args: Any, model: Any, device: Any, dtype: Any) -> list[dict[str, Any]]:
    inputs = flux.make_inputs(tokens, device, dtype)
    rows = []
    for n in args.n:
        runs = {rank: make_run(model, n, rank, inputs["x"], dtype) for rank in (0, args.rank)}
        calls = {rank: flux.caller(model, run, inputs) for rank, run in runs.items()}
        cost = flux.compared(calls, 0, args.rounds, device)[args.rank]
        loras = runs[args.rank].patches[0].prompts.loras
        tensors = [tensor for lora in loras for tensor in lora.tensors.values()]
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        row = {"regions": n, "tokens": tokens, "rank": args.rank, **cost.row()}
        rows.append(shown({**row, "lora_mib": round(size / 2**20, 1)}))
    return rows


def main() -> None:
    parser = cost_parser(__doc__, ["float32", "bfloat16"], "float32")
    parser.add_argument("--n", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rank", type=int, default=16)
    flux.run_by_tokens(parser, measure)


if __name__ == "__main__":
    main()

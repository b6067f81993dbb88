"""Cost of LoRAs by region, as a ratio to the same LoRAs merged into the weights for all regions.

One double and one single block of Flux at their real width, N regions side by side with a LoRA
each, on every linear layer of the blocks. ``merged`` has the same regions, and all N LoRAs in its
weights by the host's loader, so that the ratio is what routing by region costs a step.
``lora_mib`` is what stays on the device for the whole sampling beside merged LoRAs, ``extra_mib``
what one call holds at its peak beside that of merged ones.

    python3 -m headless run benchmarks/region_lora.py --out benchmarks/results/region_lora_cost.json
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
STRENGTH = 0.8


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


def make_loras(model: Any, n: int, rank: int, dtype: Any) -> tuple[Any, ...]:
    """One LoRA for each of n regions."""
    from regional_dit.attention.lora.spec import RegionLora

    return tuple(
        RegionLora(f"lora {i}", lora_tensors(model, rank, dtype, i), str(i + 1), STRENGTH)
        for i in range(n)
    )


def make_run(model: Any, n: int, loras: tuple[Any, ...], latent: Any) -> Any:
    """A ``SamplingRun`` with n columns."""
    import torch
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.families import find_family
    from regional_dit.attention.lora.bind import bound_loras
    from regional_dit.attention.lora.run import LoraRun
    from regional_dit.attention.rules import Bind
    from regional_dit.attention.sampling.run import RegionalPatch
    from regional_dit.attention.text.prompts import RegionalPrompts

    family = find_family(model.model)
    states = tuple({"cross_attn": torch.randn(1, TEXT_TOKENS, flux.TEXT_WIDTH)} for _ in range(n))
    prompts = RegionalPrompts(UID, split_canvas(1, n), states, ("",) * n, loras=loras)
    layers = tuple(range(family.n_layers(model.model)))
    patch = RegionalPatch(prompts, Bind(0.0, 0.0, 1.0), layers, PercentRange())
    run = sampling_run(model, (patch,), tuple(latent.shape[-2:]))
    return replace(run, loras=LoraRun(family, bound_loras(family, model.model, prompts)))


def merged_model(args: Any, device: Any, dtype: Any, loras: tuple[Any, ...]) -> Any:
    """A model of its own with all LoRAs in its weights."""
    import comfy.sd

    model = flux.build(args.depth, args.single, dtype, device)
    for lora in loras:
        model = comfy.sd.load_lora_for_models(model, None, lora.tensors, STRENGTH, 0.0)[0]
    model.patch_model(device_to=device)
    return model


def measure(tokens: int, args: Any, model: Any, device: Any, dtype: Any) -> list[dict[str, Any]]:
    import torch

    inputs = flux.make_inputs(tokens, device, dtype)
    rows = []
    for n in args.n:
        loras = make_loras(model, n, args.rank, dtype)
        merged = merged_model(args, device, dtype, loras)
        calls = {
            "merged": flux.caller(merged, make_run(merged, n, (), inputs["x"]), inputs),
            "routed": flux.caller(model, make_run(model, n, loras, inputs["x"]), inputs),
        }
        with torch.inference_mode():
            kept = {name: flux.held_bytes(call, device).kept for name, call in calls.items()}
        cost = flux.compared(calls, "merged", args.rounds, device)["routed"]
        row = {"regions": n, "tokens": tokens, "rank": args.rank, **cost.row()}
        size = kept["routed"] - kept["merged"]
        rows.append(shown({**row, "lora_mib": round(size / 2**20, 1)}))
        del calls, merged
    return rows


def main() -> None:
    parser = cost_parser(__doc__, ["float32", "bfloat16"], "float32")
    parser.add_argument("--n", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rank", type=int, default=16)
    flux.run_by_tokens(parser, measure)


if __name__ == "__main__":
    main()

"""Cost of regions in joint attention, as a ratio to the unpatched model in the same run.

One double and one single block of Flux at their real width (hidden 3072, 24 heads, 512 tokens of
global text), random weights, one row (Flux samples at CFG 1). Every round calls all variants one
after the other, so that they share what else the machine does. Compared are:

    open       rule 'bind', base ratio 0.3, image self-attention open (soft merge)
    hard       rule 'bind', base ratio 0, image self-attention open (hard groups)
    isolated   rule 'bind' in its isolated layers
    dense      what 'hard' computes, by one masked attention call over the whole sequence

    python3 -m headless run benchmarks/joint_cost.py --out benchmarks/results/joint_cost.json
    python3 -m headless run benchmarks/joint_cost.py --depth 19 --single 38 --dtype bfloat16  # GPU
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host

HIDDEN, HEADS, TEXT_WIDTH, POOLED, BASE_TOKENS = 3072, 24, 4096, 768, 512
GRIDS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 4), 16: (4, 4)}
FLUX_BYTES = 23.8e9  # weights of Flux.1 dev in bfloat16
VARIANTS = ("open", "hard", "isolated", "dense")


def build(depth: int, single: int, dtype: Any, device: Any) -> Any:
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    config = comfy.supported_models.Flux(
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "vec_in_dim": POOLED,
            "context_in_dim": TEXT_WIDTH,
            "hidden_size": HIDDEN,
            "mlp_ratio": 4.0,
            "num_heads": HEADS,
            "depth": depth,
            "depth_single_blocks": single,
            "axes_dim": [16, 56, 56],
            "theta": 10000,
            "patch_size": 2,
            "qkv_bias": True,
            "guidance_embed": True,
            "dtype": dtype,
        }
    )
    model = comfy.model_base.Flux(config, device=device).to(dtype)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.02)
    return comfy.model_patcher.ModelPatcher(model, device, device)


def make_run(model: Any, n: int, text_tokens: int, variant: str, latent: Any) -> Any:
    """A ``SamplingRun`` with n regions in a grid, or None for the unpatched model."""
    import torch
    from regional_dit.attention.families import find_family
    from regional_dit.attention.prompts import RegionalPrompts
    from regional_dit.attention.rules import Bind
    from regional_dit.attention.sampling import Entry, RegionalPatch, SamplingRun, TextCache
    from regional_dit.attention.schedule import PercentRange
    from regional_dit.attention.split import split_canvas

    family = find_family(model.model)
    layers = tuple(range(family.n_layers(model.model)))
    texts = tuple({"cross_attn": torch.randn(1, text_tokens, TEXT_WIDTH)} for _ in range(n))
    regional = RegionalPrompts("bench", split_canvas(*GRIDS[n]), texts, ("",) * n)
    rule = {
        "open": Bind(0.3, 0.0, 1.0),
        "hard": Bind(0.0, 0.0, 1.0),
        "dense": Bind(0.0, 0.0, 1.0),
        "isolated": Bind(0.0, 1.0, 1.0, isolated_layers=(0, len(layers) - 1)),
    }[variant]
    return SamplingRun(
        family=family,
        patches=(RegionalPatch(regional, rule, layers, PercentRange()),),
        entries={"cond": Entry("bench", None)},
        latent_size=tuple(latent.shape[-2:]),
        cache=TextCache(0),
        schedule=[1.0, 0.0],
        percent_to_sigma=lambda percent: 1.0 - percent,
    )


def caller(model: Any, run: Any, inputs: dict[str, Any], dense: bool) -> Any:
    """A function without arguments that calls the network once, as ComfyUI's sampler would."""
    import torch
    from regional_dit.attention.families import CallInputs

    base, x, context = model.model, inputs["x"], inputs["context"]
    extra = {"y": inputs["y"], "guidance": inputs["guidance"]}
    sigma = torch.full((1,), 0.9, device=x.device)

    def network(call: Any) -> Any:
        return base.diffusion_model(
            x, sigma.to(x), context=call.context, transformer_options=call.options, **call.extra
        )

    def regional() -> Any:
        plan = run.plan(base, x, ["cond"], sigma)
        with run.family.patched(base, plan, run.cache, CallInputs(context, {}, extra)) as call:
            if dense:
                override = call.options["optimized_attention_override"]
                call.options["optimized_attention_override"] = DenseMask(run, plan, override)
            return network(call)

    if run is None:
        return lambda: network(CallInputs(context, {}, extra))
    return regional


class DenseMask:
    """The same groups as one boolean mask over the whole sequence, made once per plan."""

    def __init__(self, run: Any, plan: Any, override: Any) -> None:
        self._plan = plan

    def __call__(self, func: Any, q: Any, k: Any, v: Any, heads: int, **kw: Any) -> Any:
        mask = self._plan.memo.get("dense")
        if mask is None:
            mask = self._plan.memo["dense"] = self._mask(q.shape[2], q.device, q.dtype)
        kw["mask"] = mask
        return func(q, k, v, heads, **kw)

    def _mask(self, n_tokens: int, device: Any, dtype: Any) -> Any:
        import torch
        from regional_dit.attention.groups import BASE, IMAGE

        job = self._plan.layers[0][0]
        n_image = job.grid.n_tokens
        lengths = [text.states.shape[1] for text in job.texts]
        place = {
            IMAGE: torch.arange(n_tokens - n_image, n_tokens),
            BASE: torch.arange(n_tokens - n_image - BASE_TOKENS, n_tokens - n_image),
        }
        end = sum(lengths)
        for r, length in enumerate(lengths, start=1):
            place[r] = torch.arange(end - length, end)
            end -= length
        seen = torch.zeros(n_tokens, n_tokens, dtype=torch.bool)
        for group in job.groups:
            rows = place[group.source]
            rows = rows if group.queries is None else rows[group.queries.cpu()]
            for block in group.blocks:
                columns = place[block.source]
                columns = columns if block.tokens is None else columns[block.tokens.cpu()]
                seen[rows[:, None], columns[None]] = True
        bias = torch.zeros(n_tokens, n_tokens, dtype=dtype)
        return bias.masked_fill_(~seen, float("-inf")).to(device)


def peak_bytes(call: Any, device: Any) -> int:
    """Most bytes of tensors above the resting level during one call."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        resting = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - resting
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        call()
    profiler: Any = prof.profiler
    held = peak = 0
    for event in profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def make_inputs(side: int, device: Any, dtype: Any) -> dict[str, Any]:
    """A latent of side x side, global text, pooled vector and guidance."""
    import torch

    return {
        "x": torch.randn(1, 16, side, side, device=device, dtype=dtype),
        "context": torch.randn(1, BASE_TOKENS, TEXT_WIDTH, device=device, dtype=dtype),
        "y": torch.randn(1, POOLED, device=device, dtype=dtype),
        "guidance": torch.full((1,), 3.5, device=device, dtype=dtype),
    }


def measure(tokens: int, args: argparse.Namespace, model: Any, device: Any, dtype: Any) -> list:
    import torch

    side = int(tokens**0.5) * 2
    inputs = make_inputs(side, device, dtype)
    calls: dict[tuple[str, int, int], Any] = {
        ("unpatched", 0, 0): caller(model, None, inputs, False)
    }
    for text_tokens in args.text:
        for n in args.n:
            for variant in args.variants:
                run = make_run(model, n, text_tokens, variant, inputs["x"])
                calls[variant, n, text_tokens] = caller(model, run, inputs, variant == "dense")
    wall: dict[tuple[str, int, int], list[float]] = {key: [] for key in calls}
    busy: dict[tuple[str, int, int], list[float]] = {key: [] for key in calls}
    memory = {}
    with torch.inference_mode():
        for key, call in calls.items():
            memory[key] = peak_bytes(call, device)  # warms up as well: plans are made here
        for _ in range(args.rounds):
            for key, call in calls.items():
                wait(device)
                start, start_busy = time.perf_counter(), time.process_time()
                call()
                wait(device)
                wall[key].append(time.perf_counter() - start)
                busy[key].append(time.process_time() - start_busy)
    stock = ("unpatched", 0, 0)
    rows = []
    for key in calls:
        extra = memory[key] - memory[stock]
        row = {
            "tokens": tokens,
            "variant": key[0],
            "regions": key[1],
            "text_tokens": key[2],
            "fastest_s": round(min(wall[key]), 3),
            "ratio": round(min(wall[key]) / min(wall[stock]), 3),
            "ratio_processor_time": round(
                statistics.median(busy[key]) / statistics.median(busy[stock]), 3
            ),
            "extra_mib": round(extra / 2**20),
            "extra_of_flux": round(extra / FLUX_BYTES, 4),
        }
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return rows


def wait(device: Any) -> None:
    """Until the device has done all that was asked of it."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--n", type=int, nargs="+", default=[1, 2, 4, 8, 16], choices=list(GRIDS))
    parser.add_argument("--text", type=int, nargs="+", default=[512, 64], help="tokens a prompt")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--depth", type=int, default=1, help="double blocks (Flux has 19)")
    parser.add_argument("--single", type=int, default=1, help="single blocks (Flux has 38)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    args = parser.parse_args()
    host.load()
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    dtype = getattr(torch, args.dtype)
    model = build(args.depth, args.single, dtype, device)
    result: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": args.dtype,
        "blocks": [args.depth, args.single],
        "rows": [],
    }
    for tokens in args.tokens:
        result["rows"] += measure(tokens, args, model, device, dtype)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

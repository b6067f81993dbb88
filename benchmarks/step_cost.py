"""Cost of one denoising step with regions, as a ratio to the unpatched model in the same run.

HunyuanDiT blocks at their real width (hidden 1408, 16 heads, 77 + 256 text tokens), random weights,
ComfyUI's own sampler with cond and uncond in one batch. Patched and unpatched runs alternate; the
first step of each run, in which one-off work is done, is reported apart.

    python3 -m headless run benchmarks/step_cost.py            # 1024 and 4096 image tokens
    python3 -m headless run benchmarks/step_cost.py --layer    # the cross-attention layer alone
    python3 -m headless run benchmarks/step_cost.py --full     # one 40-layer forward at 512 x 512

The layer alone is the sharper figure on a busy machine: the patch changes nothing else, and stock
and patched calls follow each other within a second.
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

CLIP_LEN, T5_LEN, CLIP_DIM, T5_DIM = 77, 256, 1024, 2048
GRIDS = {2: (1, 2), 4: (2, 2), 9: (3, 3), 16: (4, 4)}


def build(depth: int, dtype: Any, device: Any) -> Any:
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    config = comfy.supported_models.HunyuanDiT(
        {
            "image_model": "hydit",
            "depth": depth,
            "hidden_size": 1408,
            "num_heads": 16,
            "mlp_ratio": 4.3637,
            "text_states_dim": CLIP_DIM,
            "text_states_dim_t5": T5_DIM,
            "text_len": CLIP_LEN,
            "text_len_t5": T5_LEN,
            "qk_norm": True,
            "learn_sigma": True,
            "dtype": dtype,
        }
    )
    model = comfy.model_base.HunyuanDiT(config, device=device)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.02)
    return comfy.model_patcher.ModelPatcher(model, device, device)


def conditioning(seed: int, **extra: Any) -> list[Any]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    clip_mask, t5_mask = torch.zeros(1, CLIP_LEN), torch.zeros(1, T5_LEN)
    clip_mask[:, :20] = 1
    t5_mask[:, :24] = 1
    options = {
        "conditioning_mt5xl": torch.randn(1, T5_LEN, T5_DIM, generator=generator),
        "attention_mask": clip_mask,
        "attention_mask_mt5xl": t5_mask,
        "pooled_output": None,
        **extra,
    }
    return [[torch.randn(1, CLIP_LEN, CLIP_DIM, generator=generator), options]]


def patch(model: Any, n: int, base_ratio: float) -> Any:
    from regional_dit.attention.host import install
    from regional_dit.attention.prompts import RegionalPrompts, text_from_conditioning
    from regional_dit.attention.rules import Couple
    from regional_dit.attention.sampling import RegionalPatch
    from regional_dit.attention.schedule import PercentRange
    from regional_dit.attention.split import split_canvas

    texts = tuple(text_from_conditioning(conditioning(10 + i), str(i)) for i in range(n))
    regional = RegionalPrompts("bench", split_canvas(*GRIDS[n]), texts, ("",) * n)
    layers = tuple(range(len(model.model.diffusion_model.blocks)))
    return install(model, RegionalPatch(regional, Couple(base_ratio), layers, PercentRange()))


def step_times(model: Any, size: tuple[int, int], steps: int) -> list[float]:
    """Seconds of each model call in one sampling."""
    import comfy.sample
    import torch
    from comfy.patcher_extension import WrappersMP
    from regional_dit.attention.prompts import MARKER

    times: list[float] = []

    def clock(executor: Any, *args: Any, **kwargs: Any) -> Any:
        _wait()
        start = time.perf_counter()
        out = executor(*args, **kwargs)
        _wait()
        times.append(time.perf_counter() - start)
        return out

    # A fresh clone in which the clock comes first, so that it times our wrapper as well.
    timed = model.clone()
    wrappers = timed.wrappers.pop(WrappersMP.APPLY_MODEL, {})
    timed.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "clock", clock)
    timed.wrappers[WrappersMP.APPLY_MODEL].update(wrappers)
    latent = torch.zeros(1, 4, *size)
    positive = conditioning(1, **{MARKER: "bench"})
    with torch.inference_mode():
        comfy.sample.sample(
            timed,
            comfy.sample.prepare_noise(latent, 0),
            steps,
            6.0,
            "euler",
            "sgm_uniform",
            positive,
            conditioning(2),
            latent,
            disable_pbar=True,
            seed=0,
        )
    return times


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratios(tokens: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    dtype = getattr(torch, args.dtype)
    model = build(args.depth, dtype, device)
    side = int(tokens**0.5) * 2
    variants = {"unpatched": model}
    for base_ratio in args.base_ratio:
        for n in args.n:
            variants[f"N={n} base={base_ratio:g}"] = patch(model, n, base_ratio)
    later: dict[str, list[float]] = {name: [] for name in variants}
    first: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(args.rounds + 1):
        for name, variant in variants.items():
            times = step_times(variant, (side, side), args.steps)
            if round_:  # the first round warms up
                first[name].append(times[0])
                later[name] += times[1:]
    stock = statistics.median(later["unpatched"])
    rows = []
    for name, times in later.items():
        row = {
            "tokens": tokens,
            "variant": name,
            "step_s": round(statistics.median(times), 4),
            "ratio": round(statistics.median(times) / stock, 3),
            "ratio_of_fastest": round(min(times) / min(later["unpatched"]), 3),
            "first_step_ratio": round(statistics.median(first[name]) / stock, 3),
        }
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return rows


def layer_ratios(tokens: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time ``attn2.forward`` with and without the patch, alternating call by call."""
    import comfy.model_management
    import torch
    from regional_dit.attention.families.hunyuan_dit import HunyuanDiT, regional_forward
    from regional_dit.attention.host import patches_of
    from regional_dit.attention.sampling import Entry, SamplingRun, TextCache

    device = comfy.model_management.get_torch_device()
    dtype = getattr(torch, args.dtype)
    model = build(1, dtype, device)
    attn2 = model.model.diffusion_model.blocks[0].attn2
    side = int(tokens**0.5) * 2
    x = torch.randn(2, tokens, 1408, device=device, dtype=dtype)
    y = torch.randn(2, CLIP_LEN + T5_LEN, CLIP_DIM, device=device, dtype=dtype)
    rope = tuple(torch.randn(tokens, 88, device=device, dtype=dtype) for _ in range(2))
    latent = torch.zeros(2, 4, side, side, device=device)
    forwards = {"unpatched": attn2.forward}
    for base_ratio in args.base_ratio:
        for n in args.n:
            run = SamplingRun(
                family=HunyuanDiT(),
                patches=patches_of(patch(model, n, base_ratio)),
                entries={"uncond": Entry(None, None), "cond": Entry("bench", None)},
                latent_size=(side, side),
                cache=TextCache(1 << 30),
                schedule=[1.0, 0.0],
                percent_to_sigma=lambda percent: 1.0 - percent,
            )
            plan = run.plan(model.model, latent, ["uncond", "cond"], torch.ones(1))
            if plan is None:
                raise SystemExit("The benchmark's patch is not active; this is a fault of ours.")
            name = f"N={n} base={base_ratio:g}"
            forwards[name] = regional_forward(attn2, 0, plan.layers[0], plan, run.cache)
    times: dict[str, list[float]] = {name: [] for name in forwards}
    with torch.inference_mode():
        for round_ in range(args.rounds * 4 + 1):
            for name, forward in forwards.items():
                _wait()
                start = time.perf_counter()
                forward(x, y, rope)
                _wait()
                if round_:  # the first round warms up and fills the cache
                    times[name].append(time.perf_counter() - start)
    rows = []
    for name, seconds in times.items():
        row = {
            "tokens": tokens,
            "variant": name,
            "layer_ms": round(min(seconds) * 1000, 1),
            "ratio_of_fastest": round(min(seconds) / min(times["unpatched"]), 3),
            "ratio_of_medians": round(
                statistics.median(seconds) / statistics.median(times["unpatched"]), 3
            ),
        }
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return rows


def full_forward() -> dict[str, Any]:
    """One sampling of two steps of the whole 40-layer network at 512 x 512, stock and with N=4."""
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    model = build(40, torch.bfloat16, device)
    stock = step_times(model, (64, 64), 2)
    regional = step_times(patch(model, 4, 0.0), (64, 64), 2)
    parameters = sum(p.numel() for p in model.model.parameters())
    result = {
        "parameters_million": round(parameters / 1e6),
        "stock_steps_s": [round(t, 2) for t in stock],
        "regional_n4_steps_s": [round(t, 2) for t in regional],
    }
    print(json.dumps(result))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--n", type=int, nargs="+", default=[2, 4, 9, 16], choices=list(GRIDS))
    parser.add_argument("--base-ratio", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--layer", action="store_true")
    parser.add_argument("--host-attention", action="store_true", help="ComfyUI's own choice")
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    args = parser.parse_args()
    host.load(pytorch_attention=not args.host_attention)
    import torch

    result: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": args.dtype,
    }
    if args.full:
        result["full_forward"] = full_forward()
    else:
        measure = layer_ratios if args.layer else ratios
        result["rows"] = [row for tokens in args.tokens for row in measure(tokens, args)]
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

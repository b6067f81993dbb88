"""Cost of one denoising step with regions, as a ratio to the unpatched model in the same run.

Blocks at the real width of each cross-attention family, random weights, ComfyUI's own sampler with
cond and uncond in one batch. Patched and unpatched runs alternate; the first step of each run, in
which one-off work is done, is reported apart.

    python3 -m headless run benchmarks/step_cost.py                    # whole steps, HunyuanDiT
    python3 -m headless run benchmarks/step_cost.py --layer            # cross-attention alone
    python3 -m headless run benchmarks/step_cost.py --layer --family wan ltxv
    python3 -m headless run benchmarks/step_cost.py --full             # 40 layers, 512 x 512

The layer alone is the sharper figure on a busy machine: the patch changes nothing else, and stock
and patched calls follow each other within a second. ``step_ratio`` is then calculated: the stock
step of a model of one block, with the difference of its cross-attentions added. ``--cpu-time``
counts the seconds that this process computed, whatever else the machine did; use it with
OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
from cost_layers import layer_ratios
from cost_models import MODELS, CostModel
from cost_report import cost_parser, machine, shown, write
from cost_runs import GRIDS, built, clock, patch, step_times


def ratios(family: CostModel, tokens: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Whole steps, patched and unpatched by turns."""
    model = built(family, args.depth, args)
    variants = {"unpatched": model}
    for base_ratio in args.base_ratio:
        for n in args.n:
            variants[f"N={n} base={base_ratio:g}"] = patch(family, model, n, base_ratio)
    later: dict[str, list[float]] = {name: [] for name in variants}
    first: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(args.rounds + 1):
        for name, variant in variants.items():
            times = step_times(family, variant, tokens, args.steps)
            if round_:  # the first round warms up
                first[name].append(times[0])
                later[name] += times[1:]
    stock = statistics.median(later["unpatched"])
    rows = []
    for name, times in later.items():
        row = {
            "model": family.model,
            "tokens": tokens,
            "variant": name,
            "step_s": round(statistics.median(times), 4),
            "ratio": round(statistics.median(times) / stock, 3),
            "ratio_of_fastest": round(min(times) / min(later["unpatched"]), 3),
            "first_step_ratio": round(statistics.median(first[name]) / stock, 3),
        }
        rows.append(shown(row))
    return rows


def full_forward(args: argparse.Namespace) -> dict[str, Any]:
    """One sampling of two steps of the whole HunyuanDiT at 512 x 512, stock and with N=4."""
    family = MODELS["hunyuan_dit"]
    args.dtype = "bfloat16"
    model = built(family, 40, args)
    stock = step_times(family, model, 1024, 2)
    regional = step_times(family, patch(family, model, 4, 0.0), 1024, 2)
    parameters = sum(p.numel() for p in model.model.parameters())
    return shown(
        {
            "parameters_million": round(parameters / 1e6),
            "stock_steps_s": [round(t, 2) for t in stock],
            "regional_n4_steps_s": [round(t, 2) for t in regional],
        }
    )


def main() -> None:
    parser = cost_parser(__doc__, ["float32", "bfloat16", "float16"], "float32")
    parser.add_argument("--family", nargs="+", default=["hunyuan_dit"], choices=list(MODELS))
    parser.add_argument("--n", type=int, nargs="+", default=[2, 4, 9, 16], choices=list(GRIDS))
    parser.add_argument("--base-ratio", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--depth", type=int, default=2, help="blocks, for whole steps")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--layer", action="store_true")
    parser.add_argument(
        "--cpu-time", action="store_true", help="seconds that this process computed"
    )
    parser.add_argument("--host-attention", action="store_true", help="ComfyUI's own choice")
    args = parser.parse_args()
    host.load(pytorch_attention=not args.host_attention)
    if args.cpu_time:
        clock.cpu_time = True
    result = machine(args.dtype)
    result["clock"] = "process time" if args.cpu_time else "wall time"
    if args.full:
        result["full_forward"] = full_forward(args)
    else:
        measure = layer_ratios if args.layer else ratios
        result["rows"] = [
            row
            for name in args.family
            for tokens in args.tokens
            for row in measure(MODELS[name], tokens, args)
        ]
    write(result, args.out)


if __name__ == "__main__":
    main()

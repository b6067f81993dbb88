"""Cost of regions in joint attention, as a ratio to the unpatched model in the same run.

One double and one single block of Flux, by default (see ``flux_block``). Compared are:

    open       rule 'bind', base ratio 0.3, image self-attention open (soft merge)
    hard       rule 'bind', base ratio 0, image self-attention open (hard groups)
    isolated   rule 'bind' in its isolated layers
    dense      what 'hard' computes, by one masked attention call over the whole sequence

    python3 -m headless run benchmarks/joint_cost.py --out benchmarks/results/joint_cost.json
    python3 -m headless run benchmarks/joint_cost.py --depth 19 --single 38 --dtype bfloat16  # GPU
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import flux_block as flux
from cost_report import cost_parser, shown
from cost_runs import UID

GRIDS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 4), 16: (4, 4)}
FLUX_BYTES = 23.8e9  # weights of Flux.1 dev in bfloat16
VARIANTS = ("open", "hard", "isolated", "dense")


def make_run(model: Any, n: int, text_tokens: int, variant: str, latent: Any) -> Any:
    """A ``SamplingRun`` with n regions in a grid."""
    import torch
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.families import find_family
    from regional_dit.attention.rules import Bind
    from regional_dit.attention.text.prompts import RegionalPrompts

    n_layers = find_family(model.model).n_layers(model.model)
    texts = tuple({"cross_attn": torch.randn(1, text_tokens, flux.TEXT_WIDTH)} for _ in range(n))
    regional = RegionalPrompts(UID, split_canvas(*GRIDS[n]), texts, ("",) * n)
    rule = {
        "open": Bind(0.3, 0.0, 1.0),
        "hard": Bind(0.0, 0.0, 1.0),
        "dense": Bind(0.0, 0.0, 1.0),
        "isolated": Bind(0.0, 1.0, 1.0, isolated_layers=(0, n_layers - 1)),
    }[variant]
    return flux.make_run(model, regional, rule, latent)


class DenseMask:
    """The same groups as one boolean mask over the whole sequence, made once per plan."""

    def __init__(self, plan: Any) -> None:
        self._plan = plan

    def __call__(self, func: Any, q: Any, k: Any, v: Any, heads: int, **kw: Any) -> Any:
        mask = self._plan.memo.get("dense")
        if mask is None:
            mask = self._plan.memo["dense"] = self._mask(q.shape[2], q.device, q.dtype)
        kw["mask"] = mask
        return func(q, k, v, heads, **kw)

    def _mask(self, n_tokens: int, device: Any, dtype: Any) -> Any:
        import torch
        from regional_dit.attention.engine.groups import BASE, IMAGE

        job = self._plan.layers[0][0]
        n_image = job.grid.n_tokens
        lengths = [text.states.shape[1] for text in job.texts]
        place = {
            IMAGE: torch.arange(n_tokens - n_image, n_tokens),
            BASE: torch.arange(n_tokens - n_image - flux.BASE_TOKENS, n_tokens - n_image),
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


def measure(tokens: int, args: argparse.Namespace, model: Any, device: Any, dtype: Any) -> list:
    inputs = flux.make_inputs(tokens, device, dtype)
    stock = ("unpatched", 0, 0)
    calls: dict[tuple[str, int, int], Any] = {stock: flux.caller(model, None, inputs)}
    for text_tokens in args.text:
        for n in args.n:
            for variant in args.variants:
                run = make_run(model, n, text_tokens, variant, inputs["x"])
                override = DenseMask if variant == "dense" else None
                calls[variant, n, text_tokens] = flux.caller(model, run, inputs, override)
    costs = flux.compared(calls, stock, args.rounds, device)
    return [
        shown(
            {
                "tokens": tokens,
                "variant": variant,
                "regions": n,
                "text_tokens": text_tokens,
                **cost.row(),
                "extra_of_flux": round(cost.extra_bytes / FLUX_BYTES, 4),
            }
        )
        for (variant, n, text_tokens), cost in costs.items()
    ]


def main() -> None:
    parser = cost_parser(__doc__, ["float32", "bfloat16"], "bfloat16")
    parser.add_argument("--n", type=int, nargs="+", default=[1, 2, 4, 8, 16], choices=list(GRIDS))
    parser.add_argument("--text", type=int, nargs="+", default=[512, 64], help="tokens a prompt")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    flux.run_by_tokens(parser, measure)


if __name__ == "__main__":
    main()

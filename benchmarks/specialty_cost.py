"""Cost of Attention Specialty Tuning, as a ratio to the unpatched model in the same run.

One double and one single block of Flux at their real width, random weights, four regions with a
phrase of four tokens each. Compared are the additive form (fused attention, merged by log-sum-exp),
the exact form (the softmaxed map in slices of queries) and a dense one that holds the whole map of
every head, as the public code of arXiv 2504.10148 does.

    python3 -m headless run benchmarks/specialty_cost.py --out results.json
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
import joint_cost as flux

N_REGIONS, PHRASE_TOKENS = 4, 4
VARIANTS = ("unpatched", "additive", "exact", "dense")


def make_run(model: Any, form: str, latent: Any) -> Any:
    """A ``SamplingRun`` that tunes every layer as Flux's layers 24 to 33 (instance, attribute)."""
    import torch
    from regional_dit.attention.families import find_family
    from regional_dit.attention.phrases import BoundPhrase, PhraseBinding
    from regional_dit.attention.prompts import RegionalPrompts
    from regional_dit.attention.rules import SpecialtyTuning
    from regional_dit.attention.sampling import Entry, RegionalPatch, SamplingRun, TextCache
    from regional_dit.attention.schedule import PercentRange
    from regional_dit.attention.split import split_canvas

    class EveryLayer(SpecialtyTuning):
        """The rule with the busiest class of layers everywhere."""

        def phase(self, layer: int, n_layers: int, step: Any) -> str:
            return "instance+attribute"

    spans = [tuple(range(r * 8, r * 8 + PHRASE_TOKENS)) for r in range(N_REGIONS)]
    phrases = tuple(BoundPhrase("phrase", s, s[2:], s[:2], ()) for s in spans)
    owned = {token for span in spans for token in span}
    rest = tuple(t for t in range(flux.BASE_TOKENS) if t not in owned)
    binding = PhraseBinding("prompt", flux.BASE_TOKENS, phrases, (), rest, ())
    family = find_family(model.model)
    layers = tuple(range(family.n_layers(model.model)))
    texts = ({"cross_attn": torch.zeros(1, 1, flux.TEXT_WIDTH)},) * N_REGIONS
    regions = split_canvas(2, 2)
    regional = RegionalPrompts("bench", regions, texts, ("",) * N_REGIONS)
    rule = EveryLayer(binding, form=form, tuned_share=1.0)
    return SamplingRun(
        family=family,
        patches=(RegionalPatch(regional, rule, layers, PercentRange()),),
        entries={"cond": Entry("bench", None)},
        latent_size=tuple(latent.shape[-2:]),
        cache=TextCache(0),
        schedule=[1.0, 0.0],
        percent_to_sigma=lambda percent: 1.0 - percent,
    )


class DenseMap:
    """Every head's whole map: softmax, factors e^(lambda s (M - A)), rows anew."""

    def __init__(self, n_image: int, text: int, device: Any, dtype: Any) -> None:
        import torch

        self.text = text
        owner = torch.arange(n_image, device=device) * N_REGIONS // n_image
        self.i2i = (owner[:, None] == owner[None]).to(dtype)
        self.t2t = torch.eye(text, device=device, dtype=dtype)
        self.i2t = torch.zeros(n_image, text, device=device, dtype=dtype)

    def __call__(self, func: Any, q: Any, k: Any, v: Any, heads: int, **kw: Any) -> Any:
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        t = self.text
        for rows, columns, match in (
            (slice(t, None), slice(t, None), self.i2i),
            (slice(0, t), slice(0, t), self.t2t),
            (slice(t, None), slice(0, t), self.i2t),
        ):
            block = weights[:, :, rows, columns]
            weights[:, :, rows, columns] = block * (3.0 * (match - block)).exp()
        weights = weights / weights.sum(-1, keepdim=True)
        return (weights @ v).transpose(1, 2).flatten(2)


def dense_caller(model: Any, inputs: dict[str, Any]) -> Any:
    import torch

    x = inputs["x"]
    n_image = x.shape[-1] * x.shape[-2] // 4
    options = {
        "optimized_attention_override": DenseMap(n_image, flux.BASE_TOKENS, x.device, x.dtype)
    }
    sigma = torch.full((1,), 0.9, device=x.device)

    def call() -> Any:
        return model.model.diffusion_model(
            x,
            sigma.to(x),
            context=inputs["context"],
            y=inputs["y"],
            guidance=inputs["guidance"],
            transformer_options=dict(options),
        )

    return call


def measure(tokens: int, args: argparse.Namespace, model: Any, device: Any, dtype: Any) -> list:
    import torch

    side = int(tokens**0.5) * 2
    inputs = flux.make_inputs(side, device, dtype)
    calls = {"unpatched": flux.caller(model, None, inputs, False)}
    for form in ("additive", "exact"):
        run = make_run(model, form, inputs["x"])
        calls[form] = flux.caller(model, run, inputs, False)
    calls["dense"] = dense_caller(model, inputs)
    wall: dict[str, list[float]] = {name: [] for name in VARIANTS}
    busy: dict[str, list[float]] = {name: [] for name in VARIANTS}
    memory = {}
    with torch.inference_mode():
        for name in VARIANTS:
            calls[name]()
            memory[name] = flux.peak_bytes(calls[name], device)
        for _ in range(args.rounds):
            for name in VARIANTS:
                flux.wait(device)
                start, start_busy = time.perf_counter(), time.process_time()
                calls[name]()
                flux.wait(device)
                wall[name].append(time.perf_counter() - start)
                busy[name].append(time.process_time() - start_busy)
    rows = []
    for name in VARIANTS:
        row = {
            "tokens": tokens,
            "variant": name,
            "fastest_s": round(min(wall[name]), 3),
            "ratio": round(min(wall[name]) / min(wall["unpatched"]), 3),
            "ratio_processor_time": round(
                statistics.median(busy[name]) / statistics.median(busy["unpatched"]), 3
            ),
            "extra_mib": round((memory[name] - memory["unpatched"]) / 2**20),
        }
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    args = parser.parse_args()
    host.load()
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    dtype = getattr(torch, args.dtype)
    model = flux.build(1, 1, dtype, device)
    result: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": args.dtype,
        "rows": [],
    }
    for tokens in args.tokens:
        result["rows"] += measure(tokens, args, model, device, dtype)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

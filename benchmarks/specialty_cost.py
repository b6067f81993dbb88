"""Cost of Attention Specialty Tuning, as a ratio to the unpatched model in the same run.

One double and one single block of Flux at their real width, random weights, four regions with a
phrase of four tokens each. Compared are the additive form (fused attention, merged by log-sum-exp),
the exact form (the softmaxed map in slices of queries) and a dense one that holds the whole map of
every head, as the public code of arXiv 2504.10148 does.

    python3 -m headless run benchmarks/specialty_cost.py --out results.json
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

N_REGIONS, PHRASE_TOKENS = 4, 4


def make_run(model: Any, form: str, latent: Any) -> Any:
    """A ``SamplingRun`` that tunes every layer as Flux's layers 24 to 33 (instance, attribute)."""
    import torch
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.phrases import BoundPhrase, PhraseBinding
    from regional_dit.attention.rules import SpecialtyTuning
    from regional_dit.attention.text.prompts import RegionalPrompts

    class EveryLayer(SpecialtyTuning):
        """The rule with the busiest class of layers everywhere."""

        def phase(self, layer: int, n_layers: int, step: Any) -> str:
            return "instance+attribute"

    spans = [tuple(range(r * 8, r * 8 + PHRASE_TOKENS)) for r in range(N_REGIONS)]
    phrases = tuple(BoundPhrase("phrase", s, s[2:], s[:2], ()) for s in spans)
    owned = {token for span in spans for token in span}
    rest = tuple(t for t in range(flux.BASE_TOKENS) if t not in owned)
    binding = PhraseBinding("prompt", flux.BASE_TOKENS, phrases, (), rest, ())
    texts = ({"cross_attn": torch.zeros(1, 1, flux.TEXT_WIDTH)},) * N_REGIONS
    regions = split_canvas(2, 2)
    regional = RegionalPrompts(UID, regions, texts, ("",) * N_REGIONS)
    rule = EveryLayer(binding, form=form, tuned_share=1.0)
    return flux.make_run(model, regional, rule, latent)


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


def measure(tokens: int, args: argparse.Namespace, model: Any, device: Any, dtype: Any) -> list:
    import torch

    inputs = flux.make_inputs(tokens, device, dtype)
    runs = {form: make_run(model, form, inputs["x"]) for form in ("additive", "exact")}
    n_image = inputs["x"][0, 0].numel() // 4  # patches of 2 x 2
    dense = DenseMap(n_image, flux.BASE_TOKENS, device, dtype)
    calls = {
        "unpatched": flux.caller(model, None, inputs),
        **{form: flux.caller(model, run, inputs) for form, run in runs.items()},
        "dense": flux.caller(model, None, inputs, lambda _plan: dense),
    }
    with torch.inference_mode():
        for call in calls.values():
            call()  # so that no plan is made while the peak is measured
    costs = flux.compared(calls, "unpatched", args.rounds, device)
    return [
        shown({"tokens": tokens, "variant": name, **cost.row()}) for name, cost in costs.items()
    ]


def main() -> None:
    flux.run_by_tokens(cost_parser(__doc__, ["float32", "bfloat16"], "bfloat16"), measure)


if __name__ == "__main__":
    main()

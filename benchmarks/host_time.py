"""Time that regional prompts take on the processor besides attention, without a model.

``plan`` of a warm model call with the 57 layers of Flux, the work on painted masks before the first
step, and per step for a rule whose shares change with every step. ``--pack`` measures another
checkout of the pack, so that two can be compared in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import host

N_LAYERS, SIDE = 57, 128  # Flux, 1024 x 1024
N_STEPS = 20


class Family:
    """As much of a family as planning asks for: two latent pixels a token side."""

    def n_layers(self, model: Any) -> int:
        return N_LAYERS

    def token_shape(self, model: Any, size: Any, layer: int) -> Any:
        return SimpleNamespace(rows=size[0] // 2, cols=size[1] // 2, patch=2, frames=1)

    def text_states(self, model: Any, text: Any, device: Any) -> Any:
        return text["cross_attn"]


def sampling(rule: Any, regions: Any) -> Callable[[int], Any]:
    """A new sampling; the function plans the model call of a step."""
    import torch
    from regional_dit.attention.calls.call_plan import TextCache
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.rules import BlockKinds
    from regional_dit.attention.sampling.entries import Entry
    from regional_dit.attention.sampling.run import RegionalPatch, SamplingRun
    from regional_dit.attention.text.prompts import RegionalPrompts

    fitted = getattr(rule, "fitted", None)
    if fitted:
        rule = fitted(BlockKinds(N_LAYERS, 19))
    n = len(regions)
    text = {"cross_attn": torch.zeros(1, 512, 16)}
    prompts = RegionalPrompts("uid", regions, (text,) * n, ("",) * n)
    patch = RegionalPatch(prompts, rule, tuple(range(N_LAYERS)), PercentRange())
    model: Any = SimpleNamespace(manual_cast_dtype=None, get_dtype=lambda: torch.float32)
    family: Any = Family()
    schedule = [1.0 - i / N_STEPS for i in range(N_STEPS + 1)]
    entries = {0: Entry("uid", None), 1: Entry(None, None)}
    run = SamplingRun(
        family, (patch,), entries, (SIDE, SIDE), TextCache(0), schedule, lambda share: 1.0 - share
    )
    x = torch.zeros(2, 16, SIDE, SIDE)
    return lambda step: run.plan(model, x, (0, 1), run.step(torch.tensor([schedule[step]] * 2)))


def tuning(n_regions: int) -> Any:
    from regional_dit.attention.phrases import BoundPhrase, PhraseBinding
    from regional_dit.attention.rules import SpecialtyTuning

    spans = [tuple(range(4 * r, 4 * r + 4)) for r in range(n_regions)]
    phrases = tuple(BoundPhrase("phrase", s, s[2:], s[:2], ()) for s in spans)
    rest = tuple(range(4 * n_regions, 512))
    return SpecialtyTuning(PhraseBinding("prompt", 512, phrases, (), rest, ()))


def masks(n: int, side: int) -> Any:
    """Regions side by side, painted with soft edges; new ones, of which nothing is known yet."""
    import torch
    from regional_dit.attention.canvas.regions import RegionSet

    ramp = torch.arange(side) / side * n
    return RegionSet.from_masks(
        [(1.5 - (ramp - r - 0.5).abs() * 2).clamp(0, 1).expand(side, side) for r in range(n)]
    )


def seconds(plan: Callable[[int], Any], *steps: int) -> float:
    start = time.perf_counter()
    for step in steps:
        plan(step)
    return time.perf_counter() - start


def measured(rounds: int) -> dict[str, float]:
    """Medians."""
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.rules import Bind, LaRender

    results = {}
    for name, rule in (("bind", Bind()), ("specialty tuning", tuning(4))):
        plan = sampling(rule, split_canvas(1, 4))
        plan(0)
        times = [seconds(plan, 0) for _ in range(20 * rounds)]
        results[f"warm plan, {name}, ms"] = 1000 * statistics.median(times)
    for n, side in ((9, 2048), (4, 4096)):
        times = []
        for _ in range(rounds):
            regions = masks(n, side)
            plan = sampling(Bind(), regions)
            # The first step, and the first one of the next phase.
            times.append(seconds(plan, 0, N_STEPS // 2 - 1))
        results[f"bind, {n} masks of {side}^2, s before the first step"] = statistics.median(times)
    regions = masks(9, 2048)
    plan = sampling(LaRender(), regions)
    plan(0)
    times = [seconds(plan, step) for step in range(1, 1 + 2 * rounds)]
    results["larender falling, 9 masks of 2048^2, ms per step"] = 1000 * statistics.median(times)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="1 to 9")
    parser.add_argument("--pack", type=Path, default=host.ROOT, help="checkout to measure")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()
    host.ROOT = args.pack.resolve()
    host.load()
    import torch

    torch.set_num_threads(1)
    results = measured(min(9, args.rounds))
    for name, value in results.items():
        print(f"{name}: {value:.3f}")
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""The cross-attention layer alone, stock and patched by turns; a mode of ``step_cost.py``."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

from cost_models import CostModel
from cost_report import shown
from cost_runs import built, clock, patch, sampling_run, step_times


def layer_ratios(family: CostModel, tokens: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time the first cross-attention of each width, stock and patched, call by call in turns."""
    from regional_dit.attention.families import find_family

    model = built(family, 1, args)
    found: Any = find_family(model.model)
    modules = found.modules(model.model)
    latent = family.latent(tokens)
    size = latent[2:]
    grids = [found.token_shape(model.model, size, layer) for layer in range(len(modules))]
    layers = [layer for layer, grid in enumerate(grids) if grid not in grids[:layer]]
    calls = recorded_calls(family, model, tokens, [modules[layer] for layer in layers])
    steps = [t for _ in range(3) for t in step_times(family, model, tokens, 1)]
    rows = []
    more_per_step: dict[str, float] = {}
    for layer, (call_args, call_kwargs) in zip(layers, calls, strict=True):
        forwards = {"unpatched": modules[layer].forward}
        for base_ratio in args.base_ratio:
            for n in args.n:
                patched = patch(family, model, n, base_ratio)
                forwards[f"N={n} base={base_ratio:g}"] = regional_forward(
                    found, patched, layer, latent
                )
        times = alternated(forwards, call_args, call_kwargs, args.rounds * 4)
        stock = statistics.median(times["unpatched"])
        for name, seconds in times.items():
            # Of pairs that follow each other, so that slow spells of the machine cancel.
            pairs = zip(seconds, times["unpatched"], strict=True)
            more = statistics.median(ours - theirs for ours, theirs in pairs)
            per_step = grids.count(grids[layer]) * more
            more_per_step[name] = more_per_step.get(name, 0.0) + per_step
            row = {
                "model": family.model,
                "layer_tokens": grids[layer].frames * grids[layer].rows * grids[layer].cols,
                "variant": name,
                "layer_ms": round(statistics.median(seconds) * 1000, 1),
                "layer_ratio": round(1 + more / stock, 3),
                "layer_ratio_of_fastest": round(min(seconds) / min(times["unpatched"]), 3),
            }
            rows.append(shown(row))
    for name, more in more_per_step.items():
        row = {
            "model": family.model,
            "step_tokens": tokens,
            "variant": name,
            "step_s": round(min(steps), 3),
            "step_ratio": round(1 + more / min(steps), 3),
        }
        rows.append(shown(row))
    return rows


def alternated(
    forwards: dict[str, Callable[..., Any]], args: Any, kwargs: Any, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each forward's calls, all forwards by turns."""
    import torch

    times: dict[str, list[float]] = {name: [] for name in forwards}
    with torch.inference_mode():
        for round_ in range(rounds + 1):
            for name, forward in forwards.items():
                start = clock()
                forward(*args, **kwargs)
                seconds = clock() - start
                if round_:  # the first round warms up and fills the cache
                    times[name].append(seconds)
    return times


def recorded_calls(family: CostModel, model: Any, tokens: int, modules: list[Any]) -> list[Any]:
    """(args, kwargs) of each module's call in a stock step."""
    calls: dict[Any, Any] = {}

    def recording(module: Any) -> Callable[..., Any]:
        stock = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            calls[module] = args, dict(kwargs)
            return stock(*args, **kwargs)

        return forward

    for module in modules:
        module.forward = recording(module)
    try:
        step_times(family, model, tokens, 1)
    finally:
        for module in modules:
            del module.forward
    for _, kwargs in calls.values():
        # ComfyUI changes these options while the network runs on.
        kwargs.pop("transformer_options", None)
    return [calls[module] for module in modules]


def regional_forward(found: Any, patched: Any, layer: int, latent: tuple[int, ...]) -> Any:
    """What stands in for the layer's forward when the second of two rows has regions."""
    import torch
    from regional_dit.attention.families import CallInputs
    from regional_dit.attention.families.cross_attention import RegionalLayer
    from regional_dit.attention.sampling.host import patches_of

    run = sampling_run(patched, patches_of(patched), latent[2:], cache_bytes=1 << 30)
    with torch.inference_mode():
        x = torch.zeros(2, *latent[1:], device=patched.load_device)
        plan = run.plan(patched.model, x, ["uncond", "cond"], run.step(torch.ones(1)))
        if plan is None:
            raise SystemExit("The benchmark's patch is not active; this is a fault of ours.")
        inputs = CallInputs(torch.zeros(2, 77, 8), {}, {})
        inputs = found.prepared(patched.model, plan, inputs)
    module = found.modules(patched.model)[layer]
    jobs = plan.layers[layer]
    return found.forward(module, RegionalLayer(found.name, layer, jobs, plan, run.cache, inputs))

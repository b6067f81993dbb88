"""One double and one single block of Flux at their real width: how they are made and timed.

Hidden 3072, 24 heads, 512 tokens of global text, random weights, one row (Flux samples at CFG 1).
Every round calls all variants one after the other, so that they share what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import host
from cost_report import machine, write
from cost_runs import sampling_run

HIDDEN, HEADS, TEXT_WIDTH, POOLED, BASE_TOKENS = 3072, 24, 4096, 768, 512
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls of one variant cost beside calls of the stock model.

    Attributes:
        fastest_s: the fastest call.
        ratio: of the fastest calls.
        ratio_processor_time: of the medians of what this process computed.
        ratio_paired: median of the ratios of calls that follow each other.
        extra_bytes: at the peak of one call.
    """

    fastest_s: float
    ratio: float
    ratio_processor_time: float
    ratio_paired: float
    extra_bytes: int

    def row(self) -> dict[str, Any]:
        """The figures, rounded."""
        return {
            "fastest_s": round(self.fastest_s, 3),
            "ratio": round(self.ratio, 3),
            "ratio_processor_time": round(self.ratio_processor_time, 3),
            "ratio_paired": round(self.ratio_paired, 3),
            "extra_mib": round(self.extra_bytes / 2**20),
        }


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


def make_inputs(tokens: int, device: Any, dtype: Any) -> dict[str, Any]:
    """A square latent of that many image tokens, global text, pooled vector and guidance."""
    import torch

    side = int(tokens**0.5) * 2
    return {
        "x": torch.randn(1, 16, side, side, device=device, dtype=dtype),
        "context": torch.randn(1, BASE_TOKENS, TEXT_WIDTH, device=device, dtype=dtype),
        "y": torch.randn(1, POOLED, device=device, dtype=dtype),
        "guidance": torch.full((1,), 3.5, device=device, dtype=dtype),
    }


def make_run(model: Any, regional: Any, rule: Any, latent: Any) -> Any:
    """A ``SamplingRun`` by this rule in all layers."""
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.families import find_family
    from regional_dit.attention.sampling.run import RegionalPatch

    layers = tuple(range(find_family(model.model).n_layers(model.model)))
    patch = RegionalPatch(regional, rule, layers, PercentRange())
    return sampling_run(model, (patch,), tuple(latent.shape[-2:]))


def caller(
    model: Any,
    run: Any,
    inputs: dict[str, Any],
    override: Callable[[Any], Any] | None = None,
) -> Callable[[], Any]:
    """A function without arguments that calls the network once, as ComfyUI's sampler would.

    Args:
        model: a ``ModelPatcher``.
        run: a ``SamplingRun``, or None for the stock model.
        inputs: of ``make_inputs``.
        override: makes another attention override, from the plan of the call (None without a run).
    """
    import torch
    from regional_dit.attention.families import CallInputs

    base, x, context = model.model, inputs["x"], inputs["context"]
    extra = {"y": inputs["y"], "guidance": inputs["guidance"]}
    sigma = torch.full((1,), 0.9, device=x.device)

    def network(call: Any) -> Any:
        return base.diffusion_model(
            x, sigma.to(x), context=call.context, transformer_options=call.options, **call.extra
        )

    def stock() -> Any:
        options = {} if override is None else {"optimized_attention_override": override(None)}
        return network(CallInputs(context, options, extra))

    def regional() -> Any:
        routing = run.routing(base, x, ["cond"], run.step(sigma))
        with routing.active() if routing is not None else nullcontext():
            plan = run.plan(base, x, ["cond"], run.step(sigma), routing)
            inputs = CallInputs(context, {}, extra, routing)
            with run.family.patched(base, plan, run.cache, inputs) as call:
                if override is not None:
                    call.options["optimized_attention_override"] = override(plan)
                return network(call)

    return stock if run is None else regional


def compared(
    calls: Mapping[Key, Callable[[], Any]], stock: Key, rounds: int, device: Any
) -> dict[Key, Cost]:
    """Call everything by turns; what each costs beside ``calls[stock]``."""
    import torch

    wall: dict[Key, list[float]] = {key: [] for key in calls}
    busy: dict[Key, list[float]] = {key: [] for key in calls}
    memory = {}
    with torch.inference_mode():
        for key, call in calls.items():
            memory[key] = peak_bytes(call, device)  # warms up as well
        for _ in range(rounds):
            for key, call in calls.items():
                wait(device)
                start, start_busy = time.perf_counter(), time.process_time()
                call()
                wait(device)
                wall[key].append(time.perf_counter() - start)
                busy[key].append(time.process_time() - start_busy)
    return {
        key: Cost(
            min(wall[key]),
            min(wall[key]) / min(wall[stock]),
            statistics.median(busy[key]) / statistics.median(busy[stock]),
            statistics.median(a / b for a, b in zip(wall[key], wall[stock], strict=True)),
            memory[key] - memory[stock],
        )
        for key in calls
    }


class Held(NamedTuple):
    """Bytes of tensors above the resting level: at most during a call, and still after it."""

    peak: int
    kept: int


def peak_bytes(call: Callable[[], Any], device: Any) -> int:
    """Most bytes of tensors above the resting level during one call."""
    return held_bytes(call, device).peak


def held_bytes(call: Callable[[], Any], device: Any) -> Held:
    """What tensors one call makes."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        resting = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        peak, kept = torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated()
        return Held(peak - resting, kept - resting)
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        call()
    profiler: Any = prof.profiler
    held = peak = 0
    for event in profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return Held(peak, held)


def wait(device: Any) -> None:
    """Until the device has done all that was asked of it."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def run_by_tokens(
    parser: argparse.ArgumentParser,
    measure: Callable[[int, Any, Any, Any, Any], list[dict[str, Any]]],
) -> None:
    """A benchmark from its command line to its file, written after each number of image tokens.

    Args:
        parser: of ``cost_parser``, with the benchmark's own options.
        measure: (image tokens, options, model, device, dtype) -> rows.
    """
    parser.add_argument("--depth", type=int, default=1, help="double blocks (Flux has 19)")
    parser.add_argument("--single", type=int, default=1, help="single blocks (Flux has 38)")
    args = parser.parse_args()
    host.load()
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    dtype = getattr(torch, args.dtype)
    model = build(args.depth, args.single, dtype, device)
    result = {**machine(args.dtype), "blocks": [args.depth, args.single], "rows": []}
    for tokens in args.tokens:
        result["rows"] += measure(tokens, args, model, device, dtype)
        write(result, args.out)

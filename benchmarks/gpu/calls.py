"""One call of a model, as the host's sampler makes it, with regions and without; and its cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .models import REAL_DEPTH, BenchModel

GRIDS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 4), 9: (3, 3), 16: (4, 4), 64: (8, 8)}
Call = Callable[[], Any]


class Subject:
    """A model on the device with what its calls need.

    Args:
        bench_model: which.
        tokens: of the image.
        model: its ModelPatcher, from ``build``.
        rehearse: whether the small one is meant.
    """

    def __init__(self, bench_model: BenchModel, tokens: int, model: Any, rehearse: bool) -> None:
        import comfy.sampler_helpers
        import comfy.samplers
        import torch

        self.kind, self.model = bench_model.sized(rehearse), model
        self.entries, self._any_text = bench_model.entries, bench_model.any_text
        device = model.load_device
        shape = (self.entries, *self.kind.latent(tokens)[1:])
        generator = torch.Generator(device).manual_seed(0)
        self.x = torch.randn(shape, device=device, generator=generator)
        self.sigma = torch.full((self.entries,), 0.9, device=device)
        if not bench_model.joint and "Flow" not in type(model.model.model_sampling).__name__:
            self.sigma = torch.full((self.entries,), 5.0, device=device)
        chosen = comfy.sampler_helpers.convert_cond(self.kind.conditioning(1))
        encoded = comfy.samplers.encode_model_conds(
            model.model.extra_conds, chosen, self.x[:1], device, "positive"
        )
        self.conds = {
            name: cond.process_cond(self.entries, area=None).cond
            for name, cond in encoded[0]["model_conds"].items()
        }

    def caller(self, rule: Any = None, n: int = 0, text: int = 64, override: Any = None) -> Call:
        """A function that calls the network once; with ``n`` regions by the rule, if any.

        Args:
            rule: or None for the stock model.
            n: regions, a grid.
            text: tokens of a regional prompt.
            override: makes another attention override, of a plan.
        """
        base, options = self.model.model, {}
        conds = dict(self.conds)
        context, concat = conds.pop("c_crossattn"), conds.pop("c_concat", None)

        def stock() -> Any:
            given = {"cond_or_uncond": [0] * self.entries}
            return base._apply_model(self.x, self.sigma, concat, context, None, given, **conds)

        if rule is None:
            return stock
        from regional_dit.attention.families import CallInputs

        run = self._run(rule, n, text)
        names = ["cond", "uncond"][: self.entries]

        def regional() -> Any:
            plan = run.plan(base, self.x, names, run.step(self.sigma))
            inputs = CallInputs(context, {"cond_or_uncond": [0] * self.entries, **options}, conds)
            with run.family.patched(base, plan, run.cache, inputs) as call:
                if override is not None:
                    call.options["optimized_attention_override"] = override(plan)
                return base._apply_model(
                    self.x, self.sigma, concat, call.context, None, call.options, **call.extra
                )

        return regional

    def _run(self, rule: Any, n: int, text: int) -> Any:
        from cost_runs import UID, sampling_run
        from regional_dit.attention.calls.schedule import PercentRange
        from regional_dit.attention.canvas.split import split_canvas
        from regional_dit.attention.sampling.host import install, patches_of
        from regional_dit.attention.sampling.run import RegionalPatch
        from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning

        text = text if self._any_text else self.kind.text[0]
        shorter = replace(self.kind, text=(text, self.kind.text[1]))
        texts = tuple(
            text_from_conditioning(shorter.conditioning(10 + i), str(i)) for i in range(n)
        )
        prompts = RegionalPrompts(UID, split_canvas(*GRIDS[n]), texts, ("",) * n)
        layers = tuple(range(self.n_layers))
        patched = install(self.model, RegionalPatch(prompts, rule, layers, PercentRange()))
        return sampling_run(patched, patches_of(patched), tuple(self.x.shape[2:]), 1 << 30)

    @property
    def n_layers(self) -> int:
        from regional_dit.attention.families import find_family

        return find_family(self.model.model).n_layers(self.model.model)


def build(bench_model: BenchModel, device: Any, dtype: Any, rehearse: bool) -> Any:
    """The ModelPatcher with random weights, made on the device."""
    from .correct import positions

    model = bench_model.sized(rehearse).build(REAL_DEPTH, dtype, device)
    for _, buffer in positions(model.model.diffusion_model):
        buffer.normal_(std=0.02)
    return model


def seconds_of(call: Call, device: Any) -> float:
    """Of one call: between two events of the device, where it has any."""
    import torch

    if device.type != "cuda":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


def by_turns(calls: Sequence[Call], rounds: int, device: Any, warm_up: int = 2) -> list[float]:
    """Median seconds of each, all called by turns, so that a drift of clocks falls on all."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(warm_up + rounds):
        for call, found in zip(calls, times, strict=True):
            seconds = seconds_of(call, device)
            if turn >= warm_up:
                found.append(seconds)
    return [statistics.median(found) for found in times]


def free(device: Any) -> None:
    """Give back what no tensor holds."""
    import gc

    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()

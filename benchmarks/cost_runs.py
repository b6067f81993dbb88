"""Runs of patched and unpatched models, shared by the cost benchmarks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from cost_models import CostModel

UID = "bench"  # of the regional prompts
GRIDS = {2: (1, 2), 4: (2, 2), 9: (3, 3), 16: (4, 4)}


class Clock:
    """Seconds, of the wall or of this process's own computing."""

    cpu_time = False

    def __call__(self) -> float:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.process_time() if self.cpu_time else time.perf_counter()


clock = Clock()


def patch(family: CostModel, model: Any, n: int, base_ratio: float) -> Any:
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.families import find_family
    from regional_dit.attention.rules import Couple
    from regional_dit.attention.sampling.host import install
    from regional_dit.attention.sampling.run import RegionalPatch
    from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning

    texts = tuple(text_from_conditioning(family.conditioning(10 + i), str(i)) for i in range(n))
    regional = RegionalPrompts(UID, split_canvas(*GRIDS[n]), texts, ("",) * n)
    layers = tuple(range(find_family(model.model).n_layers(model.model)))
    return install(model, RegionalPatch(regional, Couple(base_ratio), layers, PercentRange()))


def step_times(family: CostModel, model: Any, tokens: int, steps: int) -> list[float]:
    """Seconds of each model call in one sampling."""
    import comfy.sample
    import torch
    from comfy.patcher_extension import WrappersMP
    from regional_dit.attention.text.prompts import MARKER

    times: list[float] = []

    def timing(executor: Any, *args: Any, **kwargs: Any) -> Any:
        start = clock()
        out = executor(*args, **kwargs)
        times.append(clock() - start)
        return out

    # A fresh clone in which the clock comes first, so that it times our wrapper as well.
    timed = model.clone()
    wrappers = timed.wrappers.pop(WrappersMP.APPLY_MODEL, {})
    timed.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "clock", timing)
    timed.wrappers[WrappersMP.APPLY_MODEL].update(wrappers)
    latent = torch.zeros(family.latent(tokens))
    with torch.inference_mode():
        comfy.sample.sample(
            timed,
            comfy.sample.prepare_noise(latent, 0),
            steps,
            6.0,
            "euler",
            "sgm_uniform",
            family.conditioning(1, **{MARKER: UID}),
            family.conditioning(2),
            latent,
            disable_pbar=True,
            seed=0,
        )
    return times


def built(family: CostModel, depth: int, args: argparse.Namespace) -> Any:
    import comfy.model_management
    import torch

    device = comfy.model_management.get_torch_device()
    return family.build(depth, getattr(torch, args.dtype), device)


def sampling_run(
    model: Any, patches: Sequence[Any], latent_size: tuple[int, ...], cache_bytes: int = 0
) -> Any:
    """A ``SamplingRun`` of one step, whose entries are "cond" with regions and "uncond" without."""
    from regional_dit.attention.calls.call_plan import TextCache
    from regional_dit.attention.families import find_family
    from regional_dit.attention.sampling.run import Entry, SamplingRun

    return SamplingRun(
        family=find_family(model.model),
        patches=patches,
        entries={"uncond": Entry(None, None), "cond": Entry(UID, None)},
        latent_size=latent_size,
        cache=TextCache(cache_bytes),
        schedule=[1.0, 0.0],
        percent_to_sigma=lambda percent: 1.0 - percent,
    )

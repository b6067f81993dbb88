"""Stages about what stays behind: jobs after each other, memory that grows, weights elsewhere."""

from __future__ import annotations

import gc
import sys
from typing import Any

from .bench import Bench, Failed
from .correct import default_rule, small
from .models import BENCH, MAKES

MIB = 2**20


def sampled(name: str, model: Any, n: int, seed: int = 1, steps: int = 2) -> Any:
    """The latent, on the CPU, of a sampling by the host's sampler; with n regions, or none."""
    import comfy.sample
    import torch
    from cost_runs import UID
    from regional_dit.attention.text.prompts import MARKER

    kind = BENCH[name].small
    model = regional(name, model, n) if n else model
    latent = torch.zeros(kind.latent(64))
    with torch.inference_mode():
        out = comfy.sample.sample(
            model,
            comfy.sample.prepare_noise(latent, seed),
            steps,
            3.0,
            "euler",
            "sgm_uniform",
            kind.conditioning(1, **({MARKER: UID} if n else {})),
            kind.conditioning(2),
            latent,
            disable_pbar=True,
            seed=seed,
        )
    return out.cpu()


def regional(name: str, model: Any, n: int) -> Any:
    """The model with the patch that a node would install."""
    from cost_runs import UID
    from regional_dit.attention.calls.schedule import PercentRange
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.families import find_family
    from regional_dit.attention.sampling.host import install
    from regional_dit.attention.sampling.run import RegionalPatch
    from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning

    kind = BENCH[name].small
    texts = tuple(text_from_conditioning(kind.conditioning(10 + i), str(i)) for i in range(n))
    prompts = RegionalPrompts(UID, split_canvas(1, n), texts, ("",) * n)
    layers = tuple(range(find_family(model.model).n_layers(model.model)))
    return install(model, RegionalPatch(prompts, default_rule(name), layers, PercentRange()))


def working_dtype(device: Any) -> Any:
    import torch

    return torch.bfloat16 if device.type == "cuda" else torch.float32


def jobs(bench: Bench) -> None:
    """Stock, two regions, three regions, stock, two regions: like follows from like."""
    import torch

    def one(name: str) -> dict[str, Any]:
        model = small(name, working_dtype(bench.device), bench.device)
        stock, two = sampled(name, model, 0), sampled(name, model, 2)
        three = sampled(name, model, 3)
        again = sampled(name, model, 0), sampled(name, model, 2)
        row = {
            "stock_again": float((again[0] - stock).abs().max()),
            "regional_again": float((again[1] - two).abs().max()),
        }
        if max(row.values()) > 1e-4 * float(stock.abs().max()):
            raise Failed("a job leaves something to the next", **row)
        if torch.equal(two, stock) or torch.equal(two, three):
            raise Failed("regions change nothing", **row)
        return row

    for name in MAKES:
        bench.cell(BENCH[name].title, lambda: one(name))  # noqa: B023


def growth(bench: Bench) -> None:
    """Tensors and memory after each of many samplings with regions."""

    def one(name: str) -> dict[str, Any]:
        import torch

        on_gpu = bench.device.type == "cuda"
        model = small(name, working_dtype(bench.device), bench.device)
        tensors, held = [], []
        for seed in range(bench.size(100, 24)):
            sampled(name, model, 2 + seed % 3, seed, steps=1)
            gc.collect()
            tensors.append(sum(isinstance(found, torch.Tensor) for found in gc.get_objects()))
            held.append(torch.cuda.memory_allocated() if on_gpu else resident())
        early, late = slice(10, 15), slice(-5, None)
        before, after = min(held[early]), min(held[late])
        row = {
            "samplings": len(tensors),
            "tensors": [max(tensors[early]), max(tensors[late])],
            "mib": [round(before / MIB, 2), round(after / MIB, 2)],
        }
        if max(tensors[late]) > max(tensors[early]):
            raise Failed("tensors stay behind", **row)
        # The process as a whole moves with the allocator's moods; the device's count is exact.
        if after - before > (0 if on_gpu else 64 * MIB):
            raise Failed("memory grows", **row)
        return row

    for name in ("flux", "hunyuan_dit"):
        bench.cell(BENCH[name].title, lambda: one(name))  # noqa: B023


def resident() -> int:
    """Bytes of the process, without what its allocator keeps for later where that can be told."""
    import ctypes

    import psutil

    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim is not None:
            trim(0)
    return psutil.Process().memory_info().rss


def offload(bench: Bench) -> None:
    """Weights that are brought in as they are needed, as ComfyUI does with little memory."""
    import comfy.model_patcher
    import torch

    def one(name: str) -> dict[str, Any]:
        device = bench.device
        whole = small(name, working_dtype(device), device)
        wanted = sampled(name, whole, 2), sampled(name, whole, 0)
        cpu = torch.device("cpu")
        part = comfy.model_patcher.ModelPatcher(whole.model.to(cpu), device, cpu)
        allowed = part.model_size() // 3
        part.load(device, lowvram_model_memory=allowed, full_load=False)
        casting = sum(
            bool(getattr(module, "comfy_cast_weights", False)) for module in part.model.modules()
        )
        if not casting:
            raise Failed("ComfyUI loaded all of the weights")
        # ``sampled`` lets the host load what it likes, so the network is called as it stands.
        from .calls import Subject

        with torch.inference_mode():
            subject = Subject(BENCH[name], 64, part, True)
            out = subject.caller(default_rule(name), 2, 24)()
            stock = subject.caller()()
            part.detach()
            whole.model.to(device)
            full = Subject(BENCH[name], 64, whole, True)
            expected, plain = full.caller(default_rule(name), 2, 24)(), full.caller()()
        row = {
            "modules_brought_in": casting,
            "ours": float((out - expected).abs().max()),
            "stock": float((stock - plain).abs().max()),
        }
        if not row["ours"] <= row["stock"] + 1e-4 * float(expected.abs().max()):
            raise Failed("regions differ with weights brought in as needed", **row)
        if not bool((wanted[0] != wanted[1]).any()):
            raise Failed("regions change nothing", **row)
        return row

    for name in MAKES:
        bench.cell(BENCH[name].title, lambda: one(name))  # noqa: B023

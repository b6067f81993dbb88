"""Stages that show that regions mean on this device what they mean on paper."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .bench import Bench, Failed, Skipped
from .layer import layer_rules, make
from .models import BENCH, MAKES, REAL_DEPTH

ROOT = Path(__file__).resolve().parent.parent.parent
# Root mean square of the error over that of the result.
TOLERANCE = {"float32": 2e-3, "float16": 5e-3, "bfloat16": 1.5e-2}  # float32: TF32 may be on


def _relative(out: Any, wanted: Any) -> float:
    wanted = wanted.double().cpu()
    apart = out.double().cpu() - wanted
    return float(apart.pow(2).mean().sqrt() / wanted.pow(2).mean().sqrt())


def engine(bench: Bench) -> None:
    """Cross-attention rules in every precision against float64."""
    import torch
    from regional_dit.attention import rules
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.canvas.tokens import TokenGrid
    from regional_dit.attention.engine.attend import attend
    from regional_dit.attention.engine.groups import groups_to
    from regional_dit.attention.engine.reference import attend_dense

    from .layer import host_attention

    side = bench.size(24, 10)
    grid = TokenGrid(side, side, 2, 2 * side, 2 * side, 0, 0, 2 * side, 2 * side)
    listed = {
        "couple": rules.Couple(0.3), "couple hard": rules.Couple(0.0), "joint": rules.Joint(0.3),
        "omost": rules.Omost(), "rpg": rules.RPG(0.5), "rcac": rules.RCAC(),
    }  # fmt: skip

    def one(rule: Any, dtype_name: str) -> dict[str, Any]:
        dtype, device = getattr(torch, dtype_name), bench.device
        generator = torch.Generator().manual_seed(0)
        lengths = [77, 12, 40, 77, 9]
        q = torch.randn(1, 4, side * side, 64, generator=generator).to(device, dtype)
        texts = [
            tuple(torch.randn(1, 4, n, 64, generator=generator).to(device, dtype) for _ in "kv")
            for n in lengths
        ]
        groups = groups_to(rule.groups(split_canvas(2, 2), grid, phase_of(rule)), device, dtype)
        apart = _relative(attend(q, texts, groups, host_attention), attend_dense(q, texts, groups))
        return judged(apart, dtype_name)

    with torch.inference_mode():
        for dtype_name in TOLERANCE:
            for name, rule in listed.items():
                bench.cell(f"{name}, {dtype_name}", lambda: one(rule, dtype_name))  # noqa: B023


def phase_of(rule: Any) -> Any:
    """Of the first of 40 layers at the start of the sampling."""
    import torch
    from regional_dit.attention.calls.step import Step

    return rule.phase(0, 40, Step(torch.ones(1), [1.0, 0.5, 0.0], lambda share: 1.0 - share))


def judged(apart: float, dtype_name: str) -> dict[str, Any]:
    row = {"relative_error": float(f"{apart:.2g}"), "allowed": TOLERANCE[dtype_name]}
    if not apart <= TOLERANCE[dtype_name]:
        raise Failed(f"{apart:.2g} off", **row)
    return row


def joint(bench: Bench) -> None:
    """Joint attention in pieces against one dense softmax in float64."""
    import torch

    def one(name: str, n: int, dtype_name: str) -> dict[str, Any]:
        side = bench.size(24, 12)
        dtype = getattr(torch, dtype_name)
        layer = make(name, n, side, 64, 4, 64, dtype, bench.device)
        q, k, v = (t.double().cpu() for t in (layer.q, layer.k, layer.v))
        asks = layer.asks.cpu()
        scores = q[:, :, asks] @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + layer.bias.cpu()[asks]
        wanted = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return judged(_relative(layer.ours()[:, layer.asks], wanted), dtype_name)

    with torch.inference_mode():
        for dtype_name in TOLERANCE:
            for name in layer_rules():
                for n in (2, 4, 16):
                    cell = f"{name}, N = {n}, {dtype_name}"
                    bench.cell(cell, lambda: one(name, n, dtype_name))  # noqa: B023


def precisions(bench: Bench) -> None:
    """Small models: regions add no more rounding than the precision costs the stock model."""
    import torch

    for name in MAKES:
        for dtype in ("bfloat16", "float16", "float8_e4m3fn"):
            cell = f"{BENCH[name].title}, {dtype}"
            bench.cell(cell, lambda: rounding(bench, name, getattr(torch, dtype)))  # noqa: B023


def rounding(bench: Bench, name: str, dtype: Any) -> dict[str, Any]:
    import torch

    exact, low = small(name, torch.float32, bench.device), small(name, dtype, bench.device)
    with torch.inference_mode():
        stock, regional = both(name, exact)
        low_stock, low_regional = both(name, low)
    if not bool(low_regional.isfinite().all()):
        raise Failed("the result has numbers that are not finite")
    cost, ours = _relative(low_stock, stock), _relative(low_regional, regional)
    row = {"stock_error": float(f"{cost:.2g}"), "ours_error": float(f"{ours:.2g}")}
    if not cost < 0.5:
        raise Failed("the stock model's own rounding hides what regions do", **row)
    if not ours < 3 * cost + 1e-3:
        raise Failed("regions cost more precision than the stock model loses", **row)
    if not _relative(regional, stock) > 1e-3:
        raise Failed("regions change nothing", **row)
    return row


def small(name: str, dtype: Any, device: Any) -> Any:
    """A small model; weights are the same in every precision but for rounding."""
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    kind = BENCH[name].small
    config = getattr(comfy.supported_models, kind.config)(kind.settings(REAL_DEPTH))
    config.unet_config["dtype"] = dtype
    if dtype == torch.float8_e4m3fn:  # computed in another type, as the host does it
        half = torch.bfloat16 if device.type == "cuda" else torch.float32
        config.set_inference_dtype(dtype, half)
    model = getattr(comfy.model_base, kind.base)(config, device=device)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network = model.diffusion_model
        learned = [*network.named_parameters(), *positions(network)]
        for parameter_name, tensor in learned:
            # By the inputs of a layer, so that numbers neither grow nor vanish with the depth.
            inputs = tensor[0].numel() if tensor.ndim > 1 else 64
            noise = torch.randn(tensor.shape, generator=generator) * 0.7 / inputs**0.5
            is_norm = tensor.ndim == 1 and parameter_name.endswith(("scale", "weight"))
            tensor.copy_((noise + float(is_norm)).to(tensor.dtype))
    return comfy.model_patcher.ModelPatcher(model, device, device)


def positions(network: Any) -> list[tuple[str, Any]]:
    """Learned positions that a network keeps as a buffer, and leaves unset (SD3)."""
    return [(n, b) for n, b in network.named_buffers() if n.endswith("pos_embed")]


def default_rule(name: str) -> Any:
    from regional_dit.attention.rules import Bind, Couple

    return Bind(0.3, 0.0, 1.0) if BENCH[name].joint else Couple(0.3)


def both(name: str, model: Any) -> tuple[Any, Any]:
    """Steps of a small model, without regions and with four."""
    from .calls import Subject

    subject = Subject(BENCH[name], 64, model, True)
    return subject.caller()(), subject.caller(default_rule(name), 4, 24)()


def backend(bench: Bench, name: str) -> None:
    """Small models with another attention backend of the host, against PyTorch's attention."""
    import comfy.ldm.modules.attention as attention
    import comfy.model_management as management
    import torch

    used = getattr(attention.optimized_attention, "__name__", "")
    wanted = {"sub-quadratic": "attention_sub_quad"}.get(name, f"attention_{name}")
    if name == "xformers" and not management.xformers_enabled():
        raise Skipped("xformers is not installed, or does not know this device")
    if used != wanted:
        raise Skipped(f"ComfyUI chose {used} here")
    dtype = torch.bfloat16 if bench.device.type == "cuda" else torch.float32

    def one(model_name: str) -> dict[str, Any]:
        model = small(model_name, dtype, bench.device)
        with torch.inference_mode():
            stock, regional = both(model_name, model)
            # Networks hold the chosen function by name, and so it is swapped in every module.
            with swapped(attention.optimized_attention, attention.attention_pytorch):
                plain, expected = both(model_name, model)
        cost, ours = _relative(stock, plain), _relative(regional, expected)
        row = {"stock_error": float(f"{cost:.2g}"), "ours_error": float(f"{ours:.2g}")}
        if not ours < 3 * cost + (1e-3 if dtype == torch.float32 else 3e-2):
            raise Failed("regions differ from PyTorch's attention more than the stock does", **row)
        if not _relative(regional, stock) > 3 * ours:
            raise Failed("regions change nothing", **row)
        return row

    for model_name in MAKES:
        bench.cell(BENCH[model_name].title, lambda: one(model_name))  # noqa: B023


class swapped:
    """While it holds, every loaded module that has one attention function by name has another."""

    def __init__(self, old: Any, new: Any) -> None:
        self._old, self._new = old, new
        self._undo: list[tuple[Any, str]] = []

    def __enter__(self) -> None:
        for module in list(sys.modules.values()):
            if not getattr(module, "__name__", "").startswith("comfy."):
                continue
            for name, value in list(vars(module).items()):
                if value is self._old and name.startswith("optimized_attention"):
                    setattr(module, name, self._new)
                    self._undo.append((module, name))

    def __exit__(self, *_: Any) -> None:
        for module, name in self._undo:
            setattr(module, name, self._old)


def pictures(bench: Bench) -> None:
    """Pictures of the demo model: the device's against the CPU's in another process."""
    if importlib.util.find_spec("av") is None:
        raise Skipped("av is not installed, which ComfyUI's nodes need")
    folder = bench.results.path.parent / "pictures"
    folder.mkdir(parents=True, exist_ok=True)

    def one() -> dict[str, Any]:
        import numpy as np

        here, there = folder / "device.npy", folder / "cpu.npy"
        for path, cpu in ((here, bench.rehearse), (there, True)):
            command = [sys.executable, str(Path(__file__).parent / "picture.py"), str(path)]
            command += ["--cpu"] if cpu else []
            subprocess.run(command, check=True)
        device, cpu = np.load(here), np.load(there)
        apart = np.abs(device - cpu)
        row = {"largest": round(float(apart.max()), 4), "mean": round(float(apart.mean()), 6)}
        plain = float(np.abs(cpu[0] - cpu[1]).mean())
        row["regional_against_stock"] = round(plain, 4)
        if not apart.mean() < 2 / 255:
            raise Failed("the pictures differ", **row)
        if not plain > 0.01:
            raise Failed("regions change nothing in the picture", **row)
        return row

    bench.cell("four regions, 256 x 256", one)


def tests(bench: Bench) -> None:
    """The pack's own tests in the host, each file a cell, so that they go on where they stopped."""
    try:
        import hypothesis  # noqa: F401
        import pytest  # noqa: F401
    except ImportError as error:
        raise Skipped(f"{error.name} is not installed") from None
    files = sorted((ROOT / "tests" / "host").glob("**/test_*.py"))
    files += sorted((ROOT / "tests" / "attention").glob("**/test_*.py"))
    chosen = bench.size(files, [f for f in files if f.stem in ("test_formula", "test_engine")])
    for file in chosen:
        name = str(file.relative_to(ROOT))
        bench.cell(name, lambda: test_file(name, bench.rehearse))  # noqa: B023


def test_file(name: str, rehearse: bool) -> dict[str, Any]:
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if rehearse else {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", name]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **hidden}, capture_output=True, text=True, timeout=400
    )
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]]
    summary = lines[-1].strip("= ")
    if done.returncode not in (0, 5):
        wrong = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        raise Failed(f"{summary}; {'; '.join(wrong[:5])}"[:600])
    return {"summary": summary}

"""Where the time of one step goes: kernels, the gaps between them, copies, and device syncs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from .bench import Bench, Failed
from .calls import Subject, build, seconds_of
from .correct import small
from .models import BENCH, MAKES
from .steps import is_joint, rules

# What makes the host wait for the device, as the dispatcher sees it.
SYNCING = (
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "unique",
    "_unique2", "unique_dim", "unique_consecutive", "bincount", "histc",
)  # fmt: skip


def places_of_syncs(call: Callable[[], Any], device: Any) -> list[str]:
    """Where one call waits for the device: "file:line (what)"."""
    import torch

    if device.type != "cuda":
        with SyncFinder() as finder:
            call()
        return finder.found
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return [
        f"{str(w.filename).split('/')[-1]}:{w.lineno}"
        for w in caught
        if "synchroniz" in str(w.message)
    ]


def SyncFinder() -> Any:
    """A mode that lists what would make the host wait, were the tensors on a device."""
    import traceback

    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Finder(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            name = func.overloadpacket.__name__
            by_mask = name in ("index", "index_put", "index_put_") and any(
                isinstance(i, torch.Tensor) and i.dtype in (torch.bool, torch.uint8)
                for i in args[1]
            )
            by_count = func is torch.ops.aten.repeat_interleave.Tensor
            if name in SYNCING or by_mask or by_count:
                frames = [f for f in traceback.extract_stack() if "/torch/" not in f.filename]
                at = frames[-2]
                self.found.append(f"{at.filename.split('/')[-1]}:{at.lineno} ({name})")
            return func(*args, **(kwargs or {}))

    return Finder()


def syncs(bench: Bench) -> None:
    """A warm step with regions waits for the device no more often than the stock step."""
    import torch

    def one(name: str, rule_name: str, rule: Any) -> dict[str, Any]:
        model = small(name, torch.float32, bench.device)
        subject = Subject(BENCH[name], 64, model, True)
        rule = rule(4, subject.kind.text[0]) if callable(rule) else rule
        stock, ours = subject.caller(), subject.caller(rule, 4, 24)
        for _ in range(2):
            stock()
            ours()
        found = [places_of_syncs(call, bench.device) for call in (stock, ours)]
        more = Counter(found[1]) - Counter(found[0])
        # Rules that change with the steps read the current sigma, once for all layers.
        allowed = sum(n for at, n in more.items() if at.startswith("step.py")) == 1
        row = {"stock": len(found[0]), "ours": len(found[1]), "where": dict(more)}
        if more and not (allowed and sum(more.values()) == 1):
            raise Failed("the hot path waits for the device", **row)
        return row

    with torch.inference_mode():
        for name in MAKES:
            listed = dict(rules(BENCH[name].joint))
            listed.pop("dense mask", None)
            if BENCH[name].joint:
                from regional_dit.attention.rules import Bind

                listed["bind, released half-way"] = Bind()
            if name != "flux":
                for only in ("rpf", "AST additive", "AST exact"):
                    listed.pop(only, None)
            for rule_name, rule in listed.items():
                cell = f"{BENCH[name].title}, {rule_name}"
                bench.cell(cell, lambda: one(name, rule_name, rule))  # noqa: B023


def profile(bench: Bench, name: str) -> None:
    """One step at 4096 tokens, patched and unpatched, with four regions."""
    import torch

    listed = ("bind", "bind hard") if BENCH[name].joint else ("couple 0", "couple 0.3")
    if not bench.left(["unpatched", *listed]):
        return
    device = bench.device
    dtype = bench.size(torch.bfloat16, torch.float32)
    model = build(BENCH[name], device, dtype, bench.rehearse)
    subject = Subject(BENCH[name], bench.size(4096, 64), model, bench.rehearse)
    with torch.inference_mode():
        bench.cell("unpatched", lambda: taken_apart(subject.caller(), subject, device))
        for rule_name in listed:
            call = subject.caller(rules(is_joint(subject))[rule_name], 4, 64)
            bench.cell(rule_name, lambda: taken_apart(call, subject, device))  # noqa: B023


def taken_apart(call: Callable[[], Any], subject: Subject, device: Any) -> dict[str, Any]:
    """Figures of one profiled call."""
    import torch
    from torch.profiler import ProfilerActivity

    for _ in range(3):
        call()
    seconds = seconds_of(call, device)
    operators = count_operators(call)
    row = {
        "seconds": round(seconds, 5),
        "operators": operators,
        "operators_a_layer": round(operators / subject.n_layers, 1),
        "syncs": len(places_of_syncs(call, device)),
    }
    if device.type != "cuda":
        return row
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as prof:
        call()
        torch.cuda.synchronize()
    kernels = [e for e in prof.events() or () if "CUDA" in str(e.device_type)]
    copies = [e for e in kernels if e.name.startswith(("Memcpy", "Memset"))]
    busy, start, end = 0.0, float("inf"), 0.0
    reached = 0.0
    for event in sorted(kernels, key=lambda e: e.time_range.start):
        first, last = event.time_range.start, event.time_range.end
        busy += max(0.0, last - max(first, reached))
        reached = max(reached, last)
        start, end = min(start, first), max(end, last)
    slowest = Counter()
    for event in kernels:
        slowest[event.name[:60]] += event.time_range.end - event.time_range.start
    return {
        **row,
        "kernels": len(kernels) - len(copies),
        "copies": len(copies),
        "busy_ms": round(busy / 1000, 3),
        "gaps_ms": round((end - start - busy) / 1000, 3),
        "most_time": {n: round(t / 1000, 3) for n, t in slowest.most_common(8)},
    }


def count_operators(call: Callable[[], Any]) -> int:
    """Operators that are no views, as the dispatcher sees them."""
    from launches import Counter as Operators

    return Operators()(call)

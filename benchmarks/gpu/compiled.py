"""torch.compile with inductor around a model with regions: breaks, recompiles, and the result."""

from __future__ import annotations

import shutil
from typing import Any

from .bench import Bench, Failed, Skipped
from .calls import Subject, by_turns
from .correct import _relative, default_rule, small
from .memory import working_dtype
from .models import BENCH

OWN = ("torch.compiler.disable", "torch._dynamo.disable")  # how the pack keeps its code out


def stage(bench: Bench) -> None:
    import torch

    names = bench.size(("flux", "sd35_large", "hunyuan_dit"), ("flux", "hunyuan_dit"))
    compiler = bench.device.type == "cuda" or shutil.which("g++") or shutil.which("clang++")

    def inductor(name: str) -> dict[str, Any]:
        if not compiler:
            raise Skipped("inductor needs a C++ compiler on the CPU: install g++")
        return one(bench, name, "inductor")

    with torch.inference_mode(False), torch.no_grad():
        for name in names:  # what is captured is the same, whoever compiles it
            bench.cell(f"{BENCH[name].title}, graphs", lambda: one(bench, name, "eager"))  # noqa: B023
        for name in bench.size(names, names[:1]):
            bench.cell(f"{BENCH[name].title}, inductor", lambda: inductor(name))  # noqa: B023


def one(bench: Bench, name: str, backend: str) -> dict[str, Any]:
    """Compile the whole network, as the host's node does, and take five steps."""
    import torch
    import torch._dynamo
    from torch._dynamo.utils import counters

    model = small(name, working_dtype(bench.device), bench.device)
    base = model.model
    subject = Subject(BENCH[name], 64, model, True)
    calls = subject.caller(), subject.caller(default_rule(name), 4, 24)
    first = subject.sigma.clone()
    wanted = [call() for call in calls]
    eager = by_turns(calls, 3, bench.device)
    network = base.diffusion_model
    row: dict[str, Any] = {}
    torch._dynamo.reset()
    try:
        base.diffusion_model = torch.compile(network, backend=backend)
        for label, call, expected in zip(("stock", "ours"), calls, wanted, strict=True):
            counters.clear()
            apart = _relative(call(), expected)
            breaks = counters["graph_break"]
            other = {
                k.splitlines()[0]: n for k, n in breaks.items() if not any(o in k for o in OWN)
            }
            graphs = [counters["stats"]["unique_graphs"]]
            for share in (0.7, 0.5, 0.3, 0.1):
                subject.sigma.copy_(share * first)
                call()
                graphs.append(counters["stats"]["unique_graphs"])
            subject.sigma.copy_(first)
            row[label] = {
                "apart": float(f"{apart:.2g}"),
                "breaks": sum(breaks.values()),
                "breaks_of_other_kinds": other,
                "graphs_after_each_step": graphs,
            }
        compiled = by_turns(calls, 3, bench.device)
    finally:
        base.diffusion_model = network
        torch._dynamo.reset()
    names = ("stock", "ours")
    row["eager_s"] = dict(zip(names, (round(s, 4) for s in eager), strict=True))
    row["compiled_s"] = dict(zip(names, (round(s, 4) for s in compiled), strict=True))
    ours, stock = row["ours"], row["stock"]
    if not ours["apart"] < 3 * stock["apart"] + 1e-3:
        raise Failed("the compiled step differs", **row)
    if ours["graphs_after_each_step"][1] != ours["graphs_after_each_step"][-1]:
        raise Failed("it is compiled anew from step to step", **row)
    if set(ours["breaks_of_other_kinds"]) - set(stock["breaks_of_other_kinds"]):
        raise Failed("the graph breaks in our code", **row)
    return row

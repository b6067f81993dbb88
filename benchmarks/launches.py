"""Kernels and host time that one layer of regional joint attention costs, against the stock layer.

On a GPU a kernel takes about 5 us to launch, so that small layers are bound by their number. They
are counted as PyTorch's dispatcher sees them (views are free); the variable-length kernel, which
runs on CUDA alone, counts as the one launch that it is there. Times are of the host, on few tokens,
where the arithmetic hardly counts: best of many calls.

    python3 -m headless run benchmarks/launches.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
from cost_report import machine, write

VIEWS = (
    "view", "reshape", "_unsafe_view", "transpose", "permute", "slice", "select", "unsqueeze",
    "squeeze", "expand", "alias", "detach", "split", "split_with_sizes", "narrow", "unbind", "t",
    "lift_fresh", "as_strided", "unflatten", "empty",
)  # fmt: skip
HEADS, WIDTH = 2, 64  # small: what counts here does not depend on them
TEXT_TOKENS = 16
GRIDS = {2: (1, 2), 4: (2, 2), 9: (3, 3), 16: (4, 4)}


def rules() -> dict[str, Any]:
    from regional_dit.attention.rules import Bias, Bind, BlockKinds, EliGen

    blocks = BlockKinds(57, 19, takes_stream=True)
    return {
        "bind, open": (Bind(0.3, 0.0, 1.0).fitted(blocks), "open"),
        "bind, open, base ratio 0": (Bind(0.0, 0.0, 1.0).fitted(blocks), "open"),
        "bind, isolated": (Bind().fitted(blocks), "isolated"),
        "eligen": (EliGen(), "always"),
        "bias": (Bias(blocks=blocks), "biased"),
    }


def scene(rule: Any, phase: str, n: int, side: int) -> Callable[[], Any]:
    """One call of a layer with ``n`` regions on ``side`` x ``side`` tokens."""
    import torch
    from regional_dit.attention.calls.call_plan import CallPlan, LayerJob, TextStates
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.canvas.tokens import TokenGrid
    from regional_dit.attention.engine.partial import WithLse
    from regional_dit.attention.joint.call import joint_call
    from regional_dit.attention.joint.context import Layout
    from regional_dit.attention.joint.places import places_of

    size = 2 * side
    grid = TokenGrid(side, side, 2, size, size, 0, 0, size, size)
    groups = rule.groups(split_canvas(*GRIDS[n]), grid, phase)
    texts = tuple(TextStates(r, TEXT_TOKENS + 8 * (r % 3)) for r in range(n))
    rows = slice(0, 1)
    plan = CallPlan((rows,), {0: (LayerJob(rows, grid, groups, texts),)})
    call = joint_call(plan, (TEXT_TOKENS,), lambda states: (states,))
    image = call.n_text, call.n_text + grid.n_tokens
    layout = Layout(lambda spans: spans, image=(image,))
    places = places_of(call, 0, image[1], lambda _end: layout, torch.device("cpu"))
    assert places is not None
    q, k, v = (torch.randn(1, HEADS, image[1], WIDTH) for _ in range(3))
    return lambda: places.attend(0, q, k, v, stock, WithLse())


def stock(q: Any, k: Any, v: Any) -> Any:
    """The host's PyTorch attention: [B, H, T, D] -> [B, T, C]."""
    import torch

    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


class Counter:
    """Counts operators that are no views; what runs while it is paused counts as one."""

    def __init__(self) -> None:
        self.number = 0
        self.paused = False

    def __call__(self, call: Callable[[], Any]) -> int:
        """Operators of one call."""
        from torch.utils._python_dispatch import TorchDispatchMode

        counter = self

        class Count(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
                if func.overloadpacket.__name__ not in VIEWS and not counter.paused:
                    counter.number += 1
                return func(*args, **(kwargs or {}))

        self.number = 0
        with Count():
            call()
        return self.number


def as_on_cuda(counter: Counter) -> None:
    """Let the variable-length kernel be there, as one operator."""
    import torch
    from regional_dit.attention.engine import varlen
    from regional_dit.attention.engine.partial import WithLse

    def packed(q: Any, k: Any, v: Any, queries: Any, keys: Any, _scale: Any) -> Any:
        counter.number += 1
        counter.paused = True
        parts = zip(q.split(queries, 2), k.split(keys, 2), v.split(keys, 2), strict=True)
        outs, lses = zip(*(WithLse()(*part) for part in parts), strict=True)
        # Like the kernel's own, with the heads of a token side by side in memory.
        out = torch.cat([part.transpose(1, 2) for part in outs], 1).transpose(1, 2)
        result = out, torch.cat(lses, 2)
        counter.paused = False
        return result

    varlen.is_usable = lambda q: True
    varlen.attend_with_lse = packed


def best(call: Callable[[], Any], repeats: int) -> float:
    """Milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kernels and host time of a regional layer.")
    parser.add_argument("--side", type=int, default=12, help="image tokens a side")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    sys.argv[1:] = []
    host.load()
    import torch

    torch.set_num_threads(1)
    chosen, count = rules(), Counter()
    rows: dict[str, dict[str, Any]] = {}
    with torch.inference_mode():
        for name, (rule, phase) in chosen.items():
            for n in GRIDS:
                call = scene(rule, phase, n, options.side)
                call()
                rows[f"{name}, R = {n}"] = {
                    "ms": round(best(call, options.repeats), 3),
                    "kernels on the CPU": count(call),
                }
        sequence = options.side**2 + TEXT_TOKENS
        q = torch.randn(1, HEADS, sequence, WIDTH)
        rows["stock"] = {
            "ms": round(best(lambda: stock(q, q, q), options.repeats), 3),
            "kernels on the CPU": count(lambda: stock(q, q, q)),
        }
        as_on_cuda(count)
        for name, (rule, phase) in chosen.items():
            for n in GRIDS:
                call = scene(rule, phase, n, options.side)
                call()
                rows[f"{name}, R = {n}"]["kernels as on CUDA"] = count(call)
        rows["stock"]["kernels as on CUDA"] = rows["stock"]["kernels on the CPU"]
    for name, row in rows.items():
        print(f"{name:<34}" + "  ".join(f"{key} {value}" for key, value in row.items()))
    write({"machine": machine("float32"), "rows": rows}, options.out)


if __name__ == "__main__":
    main()

"""One layer's attention with regions by the pack, a dense mask, FlexAttention, and without any.

Which of them wins where cannot be known without the device: the report names it for every cell, and
a second engine is worth having only where it wins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from .bench import Bench, Failed
from .calls import by_turns, free
from .layer import Layer, host_attention, layer_rules, make


def layers(bench: Bench) -> None:
    """Measure every rule, number of regions and size of the picture."""
    import torch

    heads, width = bench.size((24, 128), (2, 64))
    with torch.inference_mode():
        for side in bench.size((64, 32, 128), (8,)):
            for n in bench.size((2, 4, 8, 16), (2, 16)):
                for rule in layer_rules():
                    name = f"{side * side} tokens, {rule}, N = {n}, text 64"
                    bench.cell(name, lambda: one(bench, rule, n, side, heads, width))  # noqa: B023
                    if bench.unfinished:
                        return


def one(bench: Bench, rule: str, n: int, side: int, heads: int, width: int) -> dict[str, Any]:
    """Milliseconds of each way, and which is the fastest that means the same."""
    import torch

    device, dtype = bench.device, bench.size(torch.bfloat16, torch.float32)
    layer = make(rule, n, side, 64, heads, width, dtype, device)
    ways: dict[str, Callable[[], Any]] = {"ours": layer.ours}
    reasons = {}
    for name, way in (("dense mask", dense_mask(layer)), ("FlexAttention", flex(layer, bench))):
        try:
            apart = difference(way(), layer)
            if not apart < 0.02:
                raise Failed(f"{name} and the pack's pieces are {apart:.2g} apart")
            ways[name] = way
        except Failed:
            raise
        except Exception as error:  # a PyTorch or a device without it
            reasons[f"no {name}"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]
    if device.type == "cuda":
        ways["ours, a call each"] = without_varlen(layer.ours)
    stock = lambda: host_attention(layer.q, layer.k, layer.v)  # noqa: E731
    times = by_turns([*ways.values(), stock], bench.size(11, 3), device)
    row = {name: round(1000 * t, 4) for name, t in zip([*ways, "no regions"], times, strict=True)}
    fastest = min(ways, key=lambda name: row[name])
    free(device)
    return {"ms": row, "fastest": fastest, **reasons}


def difference(out: Any, layer: Layer) -> float:
    """Root mean square of the difference from the pack's own, over that of the latter."""
    own = layer.ours()[:, layer.asks].float()
    return float((out[:, layer.asks].float() - own).pow(2).mean().sqrt() / own.pow(2).mean().sqrt())


def dense_mask(layer: Layer) -> Callable[[], Any]:
    """By scaled_dot_product_attention with the mask; tokens that ask nothing see all."""
    import torch

    mask = layer.bias.masked_fill(~layer.asks[:, None], 0.0).to(layer.q.dtype)

    def run() -> Any:
        out = torch.nn.functional.scaled_dot_product_attention(
            layer.q, layer.k, layer.v, attn_mask=mask
        )
        return out.transpose(1, 2).flatten(2)

    return run


def flex(layer: Layer, bench: Bench) -> Callable[[], Any]:
    """By FlexAttention: a BlockMask of what is seen, and log-weights as a score_mod."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    # Its kernels are made for the shapes; at the rehearsal it runs as written.
    run = flex_attention if bench.rehearse else torch.compile(flex_attention, dynamic=False)
    seen, bias = layer.bias > float("-inf"), layer.bias.clamp_min(-1e4)
    weighted = bool((bias[seen] != 0).any())
    n_tokens = seen.shape[0]
    kept: dict[str, Any] = {}

    def score_mod(score: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
        return score + bias[q, k]

    def call() -> Any:
        if not kept:  # once for all layers and steps, so it is not part of a layer's time
            kept["mask"] = create_block_mask(
                lambda b, h, q, k: seen[q, k], None, None, n_tokens, n_tokens, layer.q.device
            )
        out = run(
            layer.q, layer.k, layer.v, block_mask=kept["mask"],
            score_mod=score_mod if weighted else None,
        )  # fmt: skip
        return out.transpose(1, 2).flatten(2)

    return call


def without_varlen(call: Callable[[], Any]) -> Callable[[], Any]:
    """The same with a launch for every segment, by the person's backend."""

    def run() -> Any:
        with _no_varlen():
            return call()

    return run


@contextmanager
def _no_varlen() -> Any:
    from regional_dit.attention.engine import varlen

    usable = varlen.is_usable
    varlen.is_usable = lambda q: False
    try:
        yield
    finally:
        varlen.is_usable = usable

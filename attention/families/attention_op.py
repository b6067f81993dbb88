"""Regional attention as one operator, which torch.compile keeps whole.

Traced code cannot hold what a call of ours consists of (index tensors by layer, caches that fill
themselves), so the compiler is given an operator that it does not look into: no graph break, and
nothing to compile anew from step to step. What runs behind it is found when it runs: the regional
call that the thread is in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

# (layer, q, k, v, mask, function, scale) -> the attention, as in `regional_attention`.
Attends = Callable[
    [int, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, str, float | None],
    torch.Tensor,
]


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[Attends] = []


_calls = _Calls()


@contextmanager
def running(attends: Attends) -> Iterator[None]:
    """The operator is this function for as long, in this thread."""
    _calls.stack.append(attends)
    try:
        yield
    finally:
        _calls.stack.pop()


_SCHEMA = (
    "(Tensor q, Tensor k, Tensor v, Tensor? mask, int layer, str function, float? scale) -> Tensor"
)


@torch.library.custom_op("regional_dit::attention", mutates_args=(), schema=_SCHEMA)
def regional_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    layer: int,
    function: str,
    scale: float | None,
) -> torch.Tensor:
    """[B, H, N, D] or [B, N, C] each -> [B, N, C].

    Args:
        mask: of the stock call, if it has one.
        layer: index of the block.
        function: name of the host's attention function, where the call does not know it.
        scale: of the scores, if another than 1 / sqrt(D).
    """
    return _calls.stack[-1](layer, q, k, v, mask, function, scale)


@regional_attention.register_fake
def _(q: torch.Tensor, *_: Any) -> torch.Tensor:
    if q.ndim == 3:
        return torch.empty_like(q, memory_format=torch.contiguous_format)
    batch, heads, n_tokens, width = q.shape
    return q.new_empty(batch, n_tokens, heads * width)

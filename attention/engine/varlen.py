"""PyTorch's variable-length attention kernel, for packed sequences of unequal lengths (CUDA)."""

from __future__ import annotations

import logging
from functools import cache
from itertools import accumulate
from typing import Any

import torch

from .kernels import fault_of

_LOG = logging.getLogger(__name__)


def is_usable(q: torch.Tensor) -> bool:
    """Whether the kernel is there and gives the right numbers for such queries [B, H, Q, D]."""
    if q.device.type != "cuda" or q.dtype not in (torch.float16, torch.bfloat16):
        return False
    fault = _fault(q.device, q.dtype, q.shape[-1])
    return fault is None


def attend_with_lse(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    queries: tuple[int, ...],
    keys: tuple[int, ...],
    scale: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of packed sequences, each with its own keys.

    Args:
        q: [B, H, sum of queries, D].
        k, v: [B, H_kv, sum of keys, D].
        queries, keys: lengths of the sequences.
        scale: of the scores; None for 1 / sqrt(D).

    Returns:
        [B, H, sum of queries, D] in q's dtype, and [B, H, sum of queries] float32.
    """
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    batch, heads = q.shape[:2]
    options: dict[str, Any] = {"scale": scale, "return_aux": AuxRequest(lse=True)}
    if k.shape[1] != heads:
        options["enable_gqa"] = True
    asked, seen, values = (t.transpose(1, 2).flatten(0, 1) for t in (q, k, v))
    where = _starts(queries * batch, q.device), _starts(keys * batch, q.device)
    out, lse = varlen_attn(asked, seen, values, *where, max(queries), max(keys), **options)
    apart = out.unflatten(0, (batch, -1)).transpose(1, 2)
    return apart, lse.unflatten(1, (batch, -1)).transpose(0, 1)


@cache
def _starts(lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """[n + 1] int32: where each sequence begins, and where the last one ends."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


@cache
def _fault(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """What keeps the kernel from being used; tried once on three short sequences."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = (5, 33, 80), (16, 7, 129)
    q, k, v = (
        torch.randn(2, 2, sum(lengths), width, generator=generator).to(device, dtype)
        for lengths in (queries, keys, keys)
    )
    fault = None
    try:
        out, lse = attend_with_lse(q, k, v, queries, keys, width**-0.5)
        got = zip(out.split(queries, 2), lse.split(queries, 2), strict=True)
        given = zip(q.split(queries, 2), k.split(keys, 2), v.split(keys, 2), strict=True)
        faults = (fault_of(part, *own) for part, own in zip(got, given, strict=True))
        fault = next(filter(None, faults), None)
    except Exception as error:  # an older PyTorch, a device without it
        fault = f"{type(error).__name__}: {error}"
    if fault is not None:
        _LOG.info("Regional prompts: variable-length attention is not used: %s", fault)
    return fault

"""Attention with its log-sum-exp, so that partial results over several key blocks can be merged.

A kernel of ``kernels`` where one works; elsewhere the scores of a bounded slice of queries are
written out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .kernels import kernel_for

# Memory of the written-out form, in elements of float32 (256 MiB); it holds about four tensors of
# the scores' size at a time.
MAX_SCORES = 1 << 26

Partial = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class WithLse:
    """softmax(q K^T scale + bias) V and the log of the softmax's denominator.

    Attributes:
        host: name of the host's attention function, whose kernel is preferred.
        scale: of the scores; None for 1 / sqrt(D).
    """

    host: str = ""
    scale: float | None = None

    def __call__(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> Partial:
        """Run it.

        Args:
            q, k, v: [B, H, Q, D], [B, H_kv, T, D], [B, H_kv, T, D] of one dtype, H a multiple of
                H_kv; no mask.
            bias: [Q, T] added to the scores, for small blocks of text; None for zero.

        Returns:
            ([B, H, Q, D] in q's dtype, [B, H, Q] float32).
        """
        if k.shape[1] != q.shape[1]:
            k, v = (repeated(t, q.shape[1]) for t in (k, v))
        factor: float = q.shape[-1] ** -0.5 if self.scale is None else self.scale
        kernel = None if bias is not None else kernel_for(q, self.host)
        if kernel is None:
            return written_out(q, k, v, factor, bias)
        return kernel.run(q, k, v, factor)


def attention_with_lse(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None = None,
    scale: float | None = None,
) -> Partial:
    """:class:`WithLse` by PyTorch's kernels."""
    return WithLse(scale=scale)(q, k, v, bias)


def repeated(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Keys or values [B, H_kv, T, D] of grouped queries, once for each of ``heads``."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def slices(n_queries: int, held: int) -> list[slice]:
    """Slices of the queries whose written-out scores stay within the memory.

    Args:
        held: elements that one query takes at the peak.
    """
    rows = max(1, MAX_SCORES // max(1, held))
    return [slice(start, min(start + rows, n_queries)) for start in range(0, n_queries, rows)]


def written_out(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    bias: torch.Tensor | None = None,
) -> Partial:
    """The same by plain matrix products, in slices of queries that bound the memory."""
    batch, heads, n_queries, _ = q.shape
    keys = k.float().transpose(-1, -2)
    out = torch.empty_like(q)
    lse = torch.empty(batch, heads, n_queries, dtype=torch.float32, device=q.device)
    for part in slices(n_queries, 4 * batch * heads * k.shape[2]):
        scores = (q[:, :, part].float() * scale) @ keys
        if bias is not None:
            scores += bias[part]
        lse[:, :, part] = scores.logsumexp(-1)
        out[:, :, part] = (scores - lse[:, :, part, None]).exp().to(v.dtype) @ v
    return out, lse


def score_extremes(q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest and smallest of the scores q K^T / sqrt(D), in slices of queries.

    Args:
        q, k: [B, H, Q, D], [B, H, T, D].

    Returns:
        Two [B, H, Q] float32.
    """
    batch, heads, n_queries, head_dim = q.shape
    keys = k.float().transpose(-1, -2) * head_dim**-0.5
    high = torch.empty(batch, heads, n_queries, dtype=torch.float32, device=q.device)
    low = torch.empty_like(high)
    for part in slices(n_queries, batch * heads * k.shape[2]):
        scores = q[:, :, part].float() @ keys
        high[:, :, part], low[:, :, part] = scores.amax(-1), scores.amin(-1)
    return high, low

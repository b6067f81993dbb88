"""Attention with its log-sum-exp, so that partial results over several key blocks can be merged.

The host's attention functions return no log-sum-exp. PyTorch's own kernels do, on CPU and on CUDA;
elsewhere, and for inputs that no kernel takes, the scores of a bounded slice of queries are written
out.
"""

from __future__ import annotations

import torch

# Scores that the written-out form holds at a time, in elements (float32: 256 MiB).
MAX_SCORES = 1 << 26

Partial = tuple[torch.Tensor, torch.Tensor]


def attention_with_lse(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None = None,
    scale: float | None = None,
) -> Partial:
    """softmax(q K^T scale + bias) V and the log of the softmax's denominator.

    Args:
        q, k, v: [B, H, Q, D], [B, H, T, D], [B, H, T, D] of one dtype; no mask.
        bias: [Q, T] added to the scores, for small blocks of text; None for zero.
        scale: of the scores; None for 1 / sqrt(D).

    Returns:
        ([B, H, Q, D] in q's dtype, [B, H, Q] float32).
    """
    factor: float = q.shape[-1] ** -0.5 if scale is None else scale
    if bias is not None:
        return written_out(q, k, v, factor, bias)
    if q.device.type == "cpu" and q.dtype in (torch.float32, torch.bfloat16):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, scale=factor)
    if q.device.type == "cuda" and torch.version.cuda:
        return _cuda(q, k, v, factor)
    return written_out(q, k, v, factor)


def _cuda(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> Partial:
    params = torch.backends.cuda.SDPAParams(q, k, v, None, 0.0, False, False)
    # The kernel itself wants widths in steps of 8; PyTorch pads others before it gets there.
    if q.shape[-1] % 8 == 0 and torch.backends.cuda.can_use_flash_attention(params):
        out = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, scale=scale)
        return out[0], out[1]
    if torch.backends.cuda.can_use_efficient_attention(params):
        out = torch.ops.aten._scaled_dot_product_efficient_attention(
            q, k, v, None, True, scale=scale
        )
        return out[0], out[1][..., : q.shape[2]]  # the kernel pads its log-sum-exp
    return written_out(q, k, v, scale)


def written_out(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    bias: torch.Tensor | None = None,
) -> Partial:
    """The same by plain matrix products, in slices of queries that bound the memory."""
    batch, heads, n_queries, _ = q.shape
    rows = max(1, MAX_SCORES // max(1, batch * heads * k.shape[2]))
    keys = k.float().transpose(-1, -2)
    out = torch.empty_like(q)
    lse = torch.empty(batch, heads, n_queries, dtype=torch.float32, device=q.device)
    for start in range(0, n_queries, rows):
        part = slice(start, start + rows)
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
    rows = max(1, MAX_SCORES // max(1, batch * heads * k.shape[2]))
    keys = k.float().transpose(-1, -2) * head_dim**-0.5
    high = torch.empty(batch, heads, n_queries, dtype=torch.float32, device=q.device)
    low = torch.empty_like(high)
    for start in range(0, n_queries, rows):
        part = slice(start, start + rows)
        scores = q[:, :, part].float() @ keys
        high[:, :, part], low[:, :, part] = scores.amax(-1), scores.amin(-1)
    return high, low

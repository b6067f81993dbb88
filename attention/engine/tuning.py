"""Attention specialty tuning in its exact, multiplicative form.

The softmaxed map itself is tuned and normalised anew (arXiv 2504.10148), which needs every score of
a query at once: it is done in slices of queries, so that memory stays bounded. The additive form,
of which this is the original, runs through the engine's merge and needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .groups import KeyBlock
from .partial import repeated, slices


def as_column(boost: float | torch.Tensor) -> float | torch.Tensor:
    """A boost per query [P] as a factor of [P, T]."""
    return boost[:, None] if isinstance(boost, torch.Tensor) else boost


def tuned(
    q: torch.Tensor,
    pairs: Sequence[tuple[torch.Tensor, torch.Tensor]],
    blocks: Sequence[KeyBlock],
    scale: float | None = None,
) -> torch.Tensor:
    """A' = A e^(boost (match - A)) block by block, rows normalised anew, times V.

    A is the softmax over all blocks; blocks without boost keep their part of it.

    Args:
        q: [B, H, Q, D].
        pairs: (k, v) [B, H_kv, T_b, D] of each block, H a multiple of H_kv.
        blocks: the same number.
        scale: of the scores; None for 1 / sqrt(D).

    Returns:
        [B, Q, C] in q's dtype.
    """
    batch, heads, n_queries, head_dim = q.shape
    keys, values = (repeated(torch.cat(listed, 2), heads) for listed in zip(*pairs, strict=True))
    keys = keys.float().transpose(-1, -2) * (head_dim**-0.5 if scale is None else scale)
    sizes = [k.shape[2] for k, _ in pairs]
    shifts = [_shift(block, n_queries) for block in blocks]
    out = torch.empty_like(q)
    # The map, its exponents and their product are held at a time.
    for part in slices(n_queries, 4 * batch * heads * sum(sizes)):
        scores = q[:, :, part].float() @ keys
        for shift, columns in zip(shifts, scores.split(sizes, -1), strict=True):
            if shift is not None:
                columns += (shift if shift.numel() == 1 else shift[part])[:, None]
        weights = scores.softmax(-1)
        for block, columns in zip(blocks, weights.split(sizes, -1), strict=True):
            if block.boost is not None:
                match = block.match[part] if isinstance(block.match, torch.Tensor) else block.match
                boost = block.boost[part] if isinstance(block.boost, torch.Tensor) else block.boost
                columns.mul_((as_column(boost) * (float_of(match) - columns)).exp_())
        weights /= weights.sum(-1, keepdim=True)
        out[:, :, part] = weights.to(values.dtype) @ values
    return out.transpose(1, 2).reshape(batch, n_queries, heads * head_dim)


def float_of(match: bool | torch.Tensor) -> float | torch.Tensor:
    """True and False as the 1 and 0 that they stand for."""
    return match if isinstance(match, torch.Tensor) else float(match)


def _shift(block: KeyBlock, n_queries: int) -> torch.Tensor | None:
    """Log-weights [Q] or [1], -inf for queries that do not see the block; None for zero.

    Places are written by index: choosing the queries of a slice by a mask would make the host wait
    for the device, block by block and layer by layer.
    """
    weight = block.log_weight
    if block.queries is None:
        return weight
    if weight is None:
        weight = torch.zeros(1, device=block.queries.device)
    shift = weight.new_full((n_queries,), float("-inf"))
    return shift.index_copy_(0, block.queries, weight.expand(block.queries.shape))

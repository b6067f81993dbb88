"""The slow, obvious, dense statement of what the engine computes: the oracle of the tests.

Every score is materialised; nothing is gathered, skipped or cached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from .attend import KeysValues, KeyValue
from .groups import Groups, KeyBlock


def attend_dense(
    q: torch.Tensor, sources: KeysValues | Mapping[int, KeyValue], groups: Groups
) -> torch.Tensor:
    """O[n] = sum_g weight_g[n] softmax_{blocks of g}(scale q_n K^T / sqrt(D) + log_weight) V.

    Further terms of the scores as ``KeyBlock`` and ``Group`` name them.

    Args and result as ``engine.attend``, ``sources`` being (k, v) [B, H, T, D] by source index;
    computed in float64.
    """
    batch, heads, n_tokens, head_dim = q.shape
    out = torch.zeros(batch, heads, n_tokens, head_dim, dtype=torch.float64)
    for group in groups:
        chosen = torch.arange(n_tokens) if group.queries is None else group.queries.cpu()
        asking = q.double().cpu()[:, :, chosen]
        if group.query_scale is not None:
            asking = asking * group.query_scale.double().cpu()[:, None]
        raw, values = [], []
        for block in group.blocks:
            k, v = (t.double().cpu() for t in sources[block.source])
            if block.tokens is not None:
                k, v = k[:, :, block.tokens.cpu()], v[:, :, block.tokens.cpu()]
            raw.append(asking @ k.transpose(-1, -2) / head_dim**0.5)
            values.append(v)
        largest = torch.cat(raw, -1).amax(-1, keepdim=True)
        smallest = torch.cat(raw, -1).amin(-1, keepdim=True)
        scores = [
            _block_scores(block, score, largest, smallest, tuned=not group.exact)
            for block, score in zip(group.blocks, raw, strict=True)
        ]
        weights = torch.cat(scores, -1).softmax(-1)
        if group.exact:
            parts = weights.split([score.shape[-1] for score in scores], -1)
            tuned = [part * _factor(b, part) for b, part in zip(group.blocks, parts, strict=True)]
            weights = torch.cat(tuned, -1)
            weights = weights / weights.sum(-1, keepdim=True)
        result = weights @ torch.cat(values, -2)
        weight = 1.0 if group.weight is None else group.weight.double().cpu()[:, None]
        out[:, :, chosen] += weight * result
    return out.transpose(1, 2).reshape(batch, n_tokens, heads * head_dim)


def _block_scores(
    block: KeyBlock,
    raw: torch.Tensor,
    largest: torch.Tensor,
    smallest: torch.Tensor,
    *,
    tuned: bool,
) -> torch.Tensor:
    """Scores [B, H, Q, T] of one block from its plain scores; -inf where it is not seen."""
    seen = torch.arange(raw.shape[2]) if block.queries is None else block.queries.cpu()
    scores = raw[:, :, seen] * block.scale
    if block.log_weight is not None:
        scores = scores + block.log_weight.double().cpu()[:, None]
    if block.to_max is not None and block.to_min is not None:
        scores = scores + block.to_max.double().cpu()[:, None] * largest[:, :, seen]
        scores = scores + block.to_min.double().cpu()[:, None] * smallest[:, :, seen]
    if tuned and block.boost is not None:
        boost, match = _boost_and_match(block)
        scores = scores + boost * match
    if block.per_token:
        scores = scores - math.log(raw.shape[-1])
    result = torch.full_like(raw, float("-inf"))
    result[:, :, seen] = scores
    return result


def _boost_and_match(block: KeyBlock) -> tuple[torch.Tensor, torch.Tensor]:
    """Both broadcastable to [P, T]."""
    boost = torch.as_tensor(block.boost, dtype=torch.float64).cpu()
    match = torch.as_tensor(block.match, dtype=torch.float64).cpu()
    return (boost[:, None] if boost.ndim else boost), match


def _factor(block: KeyBlock, weights: torch.Tensor) -> torch.Tensor:
    """e^(boost (match - A)) of an exact group."""
    if block.boost is None:
        return torch.ones_like(weights)
    boost, match = _boost_and_match(block)
    return (boost * (match - weights)).exp()

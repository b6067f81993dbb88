"""The slow, obvious, dense statement of what the engine computes: the oracle of the tests.

Every score is materialised; nothing is gathered, skipped or cached.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .engine import KeysValues, KeyValue
from .groups import Groups


def attend_dense(
    q: torch.Tensor, sources: KeysValues | Mapping[int, KeyValue], groups: Groups
) -> torch.Tensor:
    """O[n] = sum_g weight_g[n] softmax_{blocks of g}(scale q_n K^T / sqrt(D) + log_weight) V.

    Args and result as ``engine.attend``, ``sources`` being (k, v) [B, H, T, D] by source index;
    computed in float64.
    """
    batch, heads, n_tokens, head_dim = q.shape
    out = torch.zeros(batch, heads, n_tokens, head_dim, dtype=torch.float64)
    for group in groups:
        chosen = torch.arange(n_tokens) if group.queries is None else group.queries.cpu()
        scores, values = [], []
        for block in group.blocks:
            k, v = (t.double().cpu() for t in sources[block.source])
            if block.tokens is not None:
                k, v = k[:, :, block.tokens.cpu()], v[:, :, block.tokens.cpu()]
            score = q.double().cpu()[:, :, chosen] @ k.transpose(-1, -2) / head_dim**0.5
            seen = torch.zeros(len(chosen), 1, dtype=torch.float64)
            if block.log_weight is not None and block.queries is None:
                seen = block.log_weight.double().cpu()[:, None]
            elif block.queries is not None:
                seen.fill_(float("-inf"))
                seen[block.queries.cpu(), 0] = (
                    0.0 if block.log_weight is None else block.log_weight.double().cpu()
                )
            scores.append(score * block.scale + seen)
            values.append(v)
        result = torch.cat(scores, -1).softmax(-1) @ torch.cat(values, -2)
        weight = 1.0 if group.weight is None else group.weight.double().cpu()[:, None]
        out[:, :, chosen] += weight * result
    return out.transpose(1, 2).reshape(batch, n_tokens, heads * head_dim)

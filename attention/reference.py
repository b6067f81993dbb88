"""The slow, obvious, dense statement of what the engine computes: the oracle of the tests.

Every score is materialised; nothing is gathered, skipped or cached.
"""

from __future__ import annotations

import torch

from .engine import KeysValues
from .groups import Groups


def attend_dense(q: torch.Tensor, texts: KeysValues, groups: Groups) -> torch.Tensor:
    """O[n] = sum_g weight_g[n] softmax_{blocks of g}(q_n K^T / sqrt(D) + log_weight) V.

    Args and result as ``engine.attend``; computed in float64.
    """
    batch, heads, n_tokens, head_dim = q.shape
    out = torch.zeros(batch, heads, n_tokens, head_dim, dtype=torch.float64)
    for group in groups:
        chosen = torch.arange(n_tokens) if group.queries is None else group.queries.cpu()
        scores, values = [], []
        for block in group.blocks:
            k, v = (t.double().cpu() for t in texts[block.prompt])
            score = q.double().cpu()[:, :, chosen] @ k.transpose(-1, -2) / head_dim**0.5
            if block.log_weight is not None:
                score = score + block.log_weight.double().cpu()[:, None]
            scores.append(score)
            values.append(v)
        result = torch.cat(scores, -1).softmax(-1) @ torch.cat(values, -2)
        weight = 1.0 if group.weight is None else group.weight.double().cpu()[:, None]
        out[:, :, chosen] += weight * result
    return out.transpose(1, 2).reshape(batch, n_tokens, heads * head_dim)

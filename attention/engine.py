"""Fast execution of groups: gather the queries, call the host's attention, scatter the result.

No mask of any kind reaches the attention backend, so flash, Sage and memory-efficient kernels keep
working, and with hard regions the number of query-key products does not depend on R. Equals
``reference.py`` (tested to 1e-5 in fp32).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .errors import RegionalError
from .groups import Attention, Group, Groups

KeysValues = Sequence[tuple[torch.Tensor, torch.Tensor]]


def attend(
    q: torch.Tensor, texts: KeysValues, groups: Groups, attention: Attention
) -> torch.Tensor:
    """Run attention as the groups say.

    Args:
        q: [B, H, N, D] queries, positions already applied.
        texts: per prompt (k, v), each [B, H, T_r, D]; index 0 is the global prompt. Prompts that
            no group names may be missing (shape is not looked at).
        groups: from a rule, tensors on q's device.
        attention: the host's attention function.

    Returns:
        [B, N, C] in q's dtype, before the output projection.
    """
    batch, heads, n_tokens, head_dim = q.shape
    if len(groups) == 1 and groups[0].queries is None:
        return _one_group(q, texts, groups[0], attention)
    out = q.new_zeros(batch, n_tokens, heads * head_dim)
    for group in groups:
        if group.queries is None:
            out += _one_group(q, texts, group, attention)
        else:
            picked = q.index_select(2, group.queries)
            out.index_add_(1, group.queries, _one_group(picked, texts, group, attention))
    return out


def _one_group(
    q: torch.Tensor, texts: KeysValues, group: Group, attention: Attention
) -> torch.Tensor:
    if len(group.blocks) != 1:
        raise RegionalError(
            f"A group has {len(group.blocks)} key blocks; this engine mixes groups of one block."
        )
    keys, values = texts[group.blocks[0].prompt]
    out = attention(q, keys, values)
    if group.weight is None:
        return out
    return out * group.weight[:, None].to(out.dtype)

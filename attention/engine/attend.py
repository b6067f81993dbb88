"""Fast execution of groups: gather the queries, call attention, scatter the result.

No mask of any kind reaches the attention backend, so flash, Sage and memory-efficient kernels keep
working, and with hard regions the number of query-key products does not depend on R. Where every
block counts alike, one call of the host's own attention function over all of them does it; where
log-weights differ by query, partial results are merged by their log-sum-exp. Equals
``reference.py`` (tested to 1e-5 in fp32).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import torch

from .groups import Attention, Group, Groups, KeyBlock
from .partial import Partial, attention_with_lse, score_extremes
from .tuning import as_column, tuned

KeyValue = tuple[torch.Tensor, torch.Tensor]
KeysValues = Sequence[KeyValue]
PartialAttention = Callable[..., Partial]  # (q, k, v, bias=None), see ``attention_with_lse``


class Keys(Protocol):
    """Keys and values of every source, wherever they lie."""

    def gather(self, blocks: Sequence[KeyBlock]) -> KeyValue:
        """(k, v) [B, H, T, D] of the blocks, one after the other."""
        ...


class SeparateTexts:
    """Keys of cross-attention: per prompt (k, v), each [B, H, T_r, D]; index 0 is the global one.

    Prompts that no block names may be missing (shape is not looked at).
    """

    def __init__(self, texts: KeysValues) -> None:
        self._texts = texts

    def gather(self, blocks: Sequence[KeyBlock]) -> KeyValue:
        return joined(self._pick(block) for block in blocks)

    def _pick(self, block: KeyBlock) -> KeyValue:
        k, v = self._texts[block.source]
        if block.tokens is not None:
            k, v = k.index_select(2, block.tokens), v.index_select(2, block.tokens)
        return (k if block.scale == 1.0 else k * block.scale), v


def joined(pairs: Iterable[KeyValue]) -> KeyValue:
    """Keys and values one behind the other, without a copy where there is one pair only."""
    listed = list(pairs)
    if len(listed) == 1:
        return listed[0]
    return torch.cat([k for k, _ in listed], dim=2), torch.cat([v for _, v in listed], dim=2)


def attend(
    q: torch.Tensor,
    keys: Keys | KeysValues,
    groups: Groups,
    attention: Attention,
    partial: PartialAttention = attention_with_lse,
) -> torch.Tensor:
    """Run attention as the groups say.

    Args:
        q: [B, H, N, D] queries of one source, positions already applied.
        keys: where the keys lie; a plain sequence is taken as the texts of cross-attention.
        groups: of that source, from a rule; tensors on q's device.
        attention: the host's attention function.
        partial: attention that also returns its log-sum-exp.

    Returns:
        [B, N, C] in q's dtype, before the output projection. Queries in no group get zeros.
    """
    batch, heads, n_tokens, head_dim = q.shape
    source = SeparateTexts(keys) if isinstance(keys, Sequence) else keys
    if len(groups) == 1 and groups[0].queries is None:
        return _one_group(q, source, groups[0], attention, partial).to(q.dtype)
    # See ``Group.weight``: without any, and none of all tokens, each query is in one group only.
    summed = any(group.weight is not None or group.queries is None for group in groups)
    dtype = torch.promote_types(q.dtype, torch.float32) if summed else q.dtype
    out = q.new_zeros(batch, n_tokens, heads * head_dim, dtype=dtype)
    for group in groups:
        asked = q if group.queries is None else q.index_select(2, group.queries)
        result = _one_group(asked, source, group, attention, partial).to(out.dtype)
        if group.queries is None:
            out += result
        elif summed:
            out.index_add_(1, group.queries, result)
        else:
            out.index_copy_(1, group.queries, result)
    return out.to(q.dtype)


def _one_group(
    q: torch.Tensor, keys: Keys, group: Group, attention: Attention, partial: PartialAttention
) -> torch.Tensor:
    if group.query_scale is not None:
        q = q * group.query_scale[:, None].to(q.dtype)
    if group.exact:
        pairs = [keys.gather([block]) for block in group.blocks]
        out = tuned(q, pairs, group.blocks, getattr(partial, "scale", None))
    elif is_plain(group):
        k, v = keys.gather(group.blocks)
        out = attention(q, k, v)
    else:
        out = _merge(q, keys, group.blocks, partial)
    return out if group.weight is None else out * group.weight[:, None]


def is_plain(group: Group) -> bool:
    """Whether one unweighted softmax over all blocks is what the group means."""
    if len(group.blocks) == 1:
        only = group.blocks[0]
        return only.queries is None and not isinstance(only.match, torch.Tensor)
    return not any(block.shifts_scores or block.queries is not None for block in group.blocks)


def _merge(
    q: torch.Tensor, keys: Keys, blocks: Sequence[KeyBlock], partial: PartialAttention
) -> torch.Tensor:
    """O = sum_b e^(LSE_b + lambda_b) O_b / sum_b e^(LSE_b + lambda_b), without any N x T tensor.

    Block after block into a running result, so that memory does not grow with their number; in
    float32, so that it is rounded once.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    extremes: Partial | None = None
    if any(block.to_max is not None for block in blocks):
        k, _ = keys.gather([replace(block, scale=1.0) for block in blocks])
        extremes = score_extremes(q, k)
    result: Partial | None = None
    for listed in _alike(blocks):
        block = listed[0]
        k, v = keys.gather(listed)
        asked = q if block.queries is None else q.index_select(2, block.queries)
        if isinstance(block.match, torch.Tensor) and block.boost is not None:
            out, lse = partial(asked, k, v, as_column(block.boost) * block.match)
        else:
            out, lse = partial(asked, k, v)
            if block.boost is not None and block.match:
                lse = lse + block.boost
        if block.log_weight is not None:
            lse = lse + block.log_weight
        if block.per_token:
            lse = lse - math.log(k.shape[2])
        if extremes is not None and block.to_max is not None and block.to_min is not None:
            who = slice(None) if block.queries is None else block.queries
            lse = lse + block.to_max * extremes[0][..., who] + block.to_min * extremes[1][..., who]
        if block.queries is None:
            found = out, lse
            result = merged_pair(result, found) if result else (out.to(dtype), lse)
            continue
        if result is None:
            unseen = q.new_full(q.shape[:3], float("-inf"), dtype=torch.float32)
            result = torch.zeros_like(q, dtype=dtype), unseen
        before = result[0].index_select(2, block.queries), result[1].index_select(2, block.queries)
        for whole, part in zip(result, merged_pair(before, (out, lse)), strict=True):
            whole.index_copy_(2, block.queries, part)
    assert result is not None  # a group has at least one block
    return result[0].transpose(1, 2).flatten(2)


def merged_pair(first: Partial, second: Partial) -> Partial:
    """Two partial results of the same queries as one, by their log-sum-exp.

    The first, in float32, may have seen nothing yet (-inf); the second must be finite.
    """
    share = torch.sigmoid(second[1] - first[1])[..., None]
    out = torch.addcmul(first[0], second[0] - first[0], share)
    return out, torch.logaddexp(first[1], second[1])


def _alike(blocks: Sequence[KeyBlock]) -> list[list[KeyBlock]]:
    """Blocks that every query sees with log-weight zero need one call, not one each."""
    plain = [b for b in blocks if not b.shifts_scores and b.queries is None]
    others = [[b] for b in blocks if b.shifts_scores or b.queries is not None]
    return ([plain] if plain else []) + others

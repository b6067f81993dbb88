"""Encode the global prompt and all regional prompts with the model's own text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

Conditioning = list[Any]  # ComfyUI's [[cross_attn [1, T, C], {key: value}]]


def encode_prompts(clip: Any, prompts: Sequence[str]) -> list[Conditioning]:
    """One CONDITIONING per prompt, encoded in one batch where the encoder allows it.

    ComfyUI's encoders run the chunks of one long prompt as one batch and join the results along
    the token axis. So all prompts are handed over as chunks of one prompt, and the result is cut
    into pieces again. That holds where every prompt has equally many chunks of equal length and no
    token weights; otherwise, and where the joined length is not the sum of the parts (encoders
    that cut a template away), the prompts are encoded one by one.

    Args:
        clip: ComfyUI's CLIP object.
        prompts: the global prompt, then the regional ones; repeated texts are encoded once. In a
            batch the pooled vector of the first prompt stands in all results: it steers the whole
            picture, and regional prompts have no say in it.
    """
    unique = list(dict.fromkeys(prompts))
    tokens = [clip.tokenize(text) for text in unique]
    encoded = _encode_batch(clip, tokens) if len(unique) > 1 and _same_layout(tokens) else None
    if encoded is None:
        encoded = [clip.encode_from_tokens_scheduled(t) for t in tokens]
    by_text = dict(zip(unique, encoded, strict=True))
    return [by_text[text] for text in prompts]


def _same_layout(tokens: Sequence[Any]) -> bool:
    """Whether all prompts have the same chunks, and none has token weights."""
    layouts = []
    for per_prompt in tokens:
        if not isinstance(per_prompt, Mapping):
            return False
        layout = []
        for name, chunks in per_prompt.items():
            if not isinstance(chunks, list) or not all(isinstance(c, list) for c in chunks):
                return False
            if any(token[1] != 1.0 for chunk in chunks for token in chunk):
                return False
            layout.append((name, [len(chunk) for chunk in chunks]))
        layouts.append(layout)
    return all(layout == layouts[0] for layout in layouts)


def _encode_batch(clip: Any, tokens: Sequence[Mapping[str, list]]) -> list[Conditioning] | None:
    joined = {name: [c for t in tokens for c in t[name]] for name in tokens[0]}
    conditioning = clip.encode_from_tokens_scheduled(joined)
    if len(conditioning) != 1:
        return None  # a scheduled text encoder: one entry per part of the run
    cross_attn, extra = conditioning[0]
    n_chunk_tokens = {sum(map(len, chunks)) for chunks in joined.values()}
    if cross_attn.shape[0] != 1 or cross_attn.shape[1] not in n_chunk_tokens:
        return None
    pieces: list[Conditioning] = []
    parts = len(tokens)
    for index in range(parts):
        cut = {
            key: _piece(value, index, parts, n_chunk_tokens)
            if isinstance(value, torch.Tensor)
            else value
            for key, value in extra.items()
        }
        pieces.append([[_piece(cross_attn, index, parts, n_chunk_tokens), cut]])
    return pieces


def _piece(value: torch.Tensor, index: int, parts: int, joined_lengths: set[int]) -> torch.Tensor:
    """Part ``index`` of a tensor [1, T, ...] that was joined along T; others are left whole."""
    if value.ndim < 2 or value.shape[1] not in joined_lengths or value.shape[1] % parts:
        return value
    return value.chunk(parts, dim=1)[index].clone()

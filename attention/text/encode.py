"""Encode the global prompt and all regional prompts with the model's own text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

Conditioning = list[Any]  # ComfyUI's [[cross_attn [1, T, C], {key: value}]]

# The host's text encoders (by class, as nothing here imports the host) that can take several
# prompts at once: they give the states of chunk after chunk and nothing for the prompt as a whole
# that a model reads. Others differ: Flux and SD3 have a pooled vector per prompt, language models
# cut a template away, HiDream drops the first token.
TAKES_SEVERAL_PROMPTS = frozenset({"HyditModel"})


def encode_prompts(clip: Any, prompts: Sequence[str]) -> list[Conditioning]:
    """One CONDITIONING per prompt, each equal to what a text encode node gives for it.

    ComfyUI's encoders run the chunks of one long prompt as one batch and join the results along
    the token axis. Where the encoder is known to do nothing else (``TAKES_SEVERAL_PROMPTS``), all
    prompts are handed over as chunks of one prompt and the result is cut into pieces again; that
    needs equally many chunks of equal length and no token weights. Every other encoder is called
    once per prompt.

    Args:
        clip: ComfyUI's CLIP object.
        prompts: the global prompt, then the regional ones; repeated texts are encoded once.
    """
    unique = list(dict.fromkeys(prompts))
    tokens = [clip.tokenize(text) for text in unique]
    encoded = None
    if len(unique) > 1 and _takes_several(clip) and _same_layout(tokens):
        encoded = _encode_batch(clip, tokens)
    if encoded is None:
        encoded = [clip.encode_from_tokens_scheduled(t) for t in tokens]
    by_text = dict(zip(unique, encoded, strict=True))
    return [by_text[text] for text in prompts]


def _takes_several(clip: Any) -> bool:
    encoder = type(getattr(clip, "cond_stage_model", None))
    return not TAKES_SEVERAL_PROMPTS.isdisjoint(base.__name__ for base in encoder.__mro__)


def _same_layout(tokens: Sequence[Mapping[str, list]]) -> bool:
    """Whether all prompts have the same chunks, and none has token weights."""
    layouts = []
    for per_prompt in tokens:
        if any(t[1] != 1.0 for chunks in per_prompt.values() for chunk in chunks for t in chunk):
            return False
        layouts.append({name: [len(c) for c in chunks] for name, chunks in per_prompt.items()})
    return all(layout == layouts[0] for layout in layouts)


def _encode_batch(clip: Any, tokens: Sequence[Mapping[str, list]]) -> list[Conditioning] | None:
    joined = {name: [c for t in tokens for c in t[name]] for name in tokens[0]}
    conditioning = clip.encode_from_tokens_scheduled(joined)
    if len(conditioning) != 1:
        return None  # a scheduled text encoder: one entry per part of the run
    cross_attn, extra = conditioning[0]
    lengths = {sum(map(len, chunks)) for chunks in joined.values()}
    parts = len(tokens)
    pieces: list[Conditioning] = []
    for index in range(parts):
        cut = {
            key: _piece(value, index, parts) if _is_per_token(key, value, lengths) else value
            for key, value in extra.items()
        }
        pieces.append([[_piece(cross_attn, index, parts), cut]])
    return pieces


def _is_per_token(key: str, value: Any, lengths: set[int]) -> bool:
    """Whether a tensor [1, T, ...] was joined along T. A pooled vector may well be T wide."""
    if not isinstance(value, torch.Tensor) or key == "pooled_output" or value.ndim < 2:
        return False
    return value.shape[1] in lengths


def _piece(value: torch.Tensor, index: int, parts: int) -> torch.Tensor:
    return value.chunk(parts, dim=1)[index].clone()

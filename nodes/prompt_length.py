"""Token limits of a connected CLIP, found with its own tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..planner.length import TokenLimit


def token_limits(clip: Any) -> tuple[TokenLimit, ...]:
    """One limit per text encoder that pads to a fixed length (HunyuanDiT: CLIP 77, mT5 256).

    A padded encoder gives the same number of tokens for nothing and for a few words; that number
    is its limit. Encoders that do not pad (language models as text encoders) have none.
    """
    empty, short = _lengths(clip, ""), _lengths(clip, "a red chair")
    return tuple(
        TokenLimit(lambda text, name=name: _lengths(clip, text).get(name, 0), limit, name)
        for name, limit in empty.items()
        if limit == short.get(name)
    )


def _lengths(clip: Any, text: str) -> dict[str, int]:
    """Tokens per encoder, padding counted."""
    tokens = clip.tokenize(text)
    if not isinstance(tokens, Mapping):
        return {}
    return {
        name: sum(len(chunk) for chunk in chunks)
        for name, chunks in tokens.items()
        if isinstance(chunks, list) and all(isinstance(chunk, list) for chunk in chunks)
    }

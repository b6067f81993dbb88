"""Prompts kept within the length of a connected text encoder, found with its own tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...planner.length import TokenLimit, bound_plan
from ...planner.plan import Plan


def length_clip_input() -> io.Input:
    """The optional text encoder of nodes that make plans; ``shortened`` takes what it gives."""
    return io.Clip.Input(
        "clip",
        optional=True,
        tooltip="With a text encoder connected, prompts that it would cut off are "
        "shortened here, with a note that says what was left out.",
    )


def shortened(plan: Plan, clip: Any) -> Plan:
    """The plan within the encoder's length; as it is where no encoder is connected."""
    return plan if clip is None else bound_plan(plan, token_limits(clip))


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

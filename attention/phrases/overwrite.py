"""Embedding overwrite: a phrase's own encoding in place of its span (arXiv 2504.10148)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import PromptError
from .binding import BoundPhrase

Pair = tuple[int, int]  # token of the master prompt, token of the phrase encoded alone


def matching_tokens(master: BoundPhrase, alone: BoundPhrase) -> tuple[Pair, ...]:
    """Pair the tokens of a phrase in two prompts that stand for the same characters.

    Tokens at the border of a phrase may be cut otherwise when the phrase stands alone; those have
    no partner and keep the master prompt's embedding.
    """
    by_key: dict[tuple[int, int, int], list[int]] = {}
    for key, token in zip(alone.keys, alone.tokens, strict=True):
        by_key.setdefault(key, []).append(token)
    pairs = []
    for key, token in zip(master.keys, master.tokens, strict=True):
        partners = by_key.get(key)
        if partners:
            pairs.append((token, partners.pop(0)))
    return tuple(pairs)


def overwrite_spans(
    master: torch.Tensor, phrases: Sequence[torch.Tensor], pairs: Sequence[Sequence[Pair]]
) -> torch.Tensor:
    """Put the phrases' own embeddings into the master prompt's.

    Args:
        master: [1, T, C] float, the encoded master prompt; not changed.
        phrases: R encodings [1, T_r, C] of the phrases alone, any lengths.
        pairs: per phrase the token pairs from ``matching_tokens``.

    Returns:
        [1, T, C], a copy with the paired tokens replaced, dtype and device of ``master``.

    Raises:
        PromptError: counts or widths differ, or an index is out of range.
    """
    if len(phrases) != len(pairs):
        raise PromptError(f"Got {len(phrases)} encoded phrases and {len(pairs)} lists of pairs.")
    result = master.clone()
    for number, (phrase, chosen) in enumerate(zip(phrases, pairs, strict=True), start=1):
        if phrase.shape[-1] != master.shape[-1]:
            raise PromptError(
                f"Phrase {number} was encoded {phrase.shape[-1]} wide, the master prompt "
                f"{master.shape[-1]} wide. Encode both with the same CLIP."
            )
        if not chosen:
            continue
        to, source = (list(side) for side in zip(*chosen, strict=True))
        if max(to) >= master.shape[1] or max(source) >= phrase.shape[1]:
            raise PromptError(
                f"Phrase {number} has tokens up to {max(to)} and {max(source)}, but the encodings "
                f"are {master.shape[1]} and {phrase.shape[1]} tokens long."
            )
        result[:, to] = phrase[:, source].to(result)
    return result

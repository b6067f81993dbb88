"""Embedding overwrite: a phrase's own encoding in place of its span (arXiv 2504.10148)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import PromptError
from .binding import BoundPhrase

Pair = tuple[int, int]  # token of the master prompt, token of the phrase encoded alone


def matching_tokens(master: BoundPhrase, alone: BoundPhrase) -> tuple[Pair, ...]:
    """Pair the tokens of a phrase in two prompts that stand for the same characters.

    Words at the border of a phrase may be cut otherwise when the phrase stands alone ("▁dash"
    after a space, "d" and "ash" after a dash): then the token that shares most characters is the
    partner, the last one of equals, which in a language model has seen the whole word. Tokens that
    reach beyond the phrase, and space without a partner, keep the master prompt's embedding.
    """
    length = max((key[2] for key in alone.keys), default=0)
    pairs = []
    for key, token in zip(master.keys, master.tokens, strict=True):
        shares = [_shared(key, other) for other in alone.keys]
        best = max(range(len(shares)), key=lambda i: (shares[i], i), default=0)
        within = key[1] >= 0 and key[2] <= length
        if within and shares and shares[best] > 0:
            pairs.append((token, alone.tokens[best]))
    return tuple(pairs)


def _shared(key: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Characters in common, with a preference for tokens of the same extent."""
    if key[0] != other[0]:
        return 0.0
    overlap = min(key[2], other[2]) - max(key[1], other[1])
    return overlap + 0.5 if key == other else max(overlap, 0)


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

"""Which characters of a text each token stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .pieces import TokenChar

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Tokens and text side by side.

    Attributes:
        ranges: per token the characters [start, end) of the folded text, or None for a token
            without any (space, template).
        unknown: tokens for which the tokenizer knows no piece: they stand for the characters of
            their range, but the model cannot tell which.
    """

    ranges: tuple[Range | None, ...]
    unknown: frozenset[int]


def align(chars: Sequence[TokenChar], n_tokens: int, text: str) -> Alignment | None:
    """Match the characters of the tokens with those of the text, all of both.

    An unknown piece takes as little text as lets the rest match.

    Returns:
        None where they differ.
    """
    places: list[Range | None] = []  # per element of ``chars``
    position = 0
    for run in _runs(chars):
        if run[0].char is None:
            places += [None] * len(run)
            continue
        literal = "".join(item.char or "" for item in run)
        if places and places[-1] is None:
            last = len(places) + len(run) == len(chars)
            start = len(text) - len(literal) if last else text.find(literal, position + 1)
            if start <= position or not text.startswith(literal, start):
                return None
        else:
            start = position
            if not text.startswith(literal, start):
                return None
        places += [(start + i, start + i + 1) for i in range(len(run))]
        position = start + len(literal)
    if places and places[-1] is not None and position != len(text):
        return None
    if not places and text:
        return None
    return Alignment(
        _by_token(chars, _fill_unknown(places, len(text)), n_tokens),
        frozenset(item.first for item in chars if item.char is None),
    )


def _runs(chars: Sequence[TokenChar]) -> list[list[TokenChar]]:
    """Maximal runs of known and of unknown elements."""
    runs: list[list[TokenChar]] = []
    for item in chars:
        if runs and (runs[-1][0].char is None) == (item.char is None):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def _fill_unknown(places: Sequence[Range | None], length: int) -> list[Range]:
    """Give unknown elements the text between their known neighbours."""
    filled: list[Range] = []
    for index, place in enumerate(places):
        if place is not None:
            filled.append(place)
            continue
        start = next((p[1] for p in reversed(places[:index]) if p is not None), 0)
        end = next((p[0] for p in places[index + 1 :] if p is not None), length)
        filled.append((start, end))
    return filled


def _by_token(
    chars: Sequence[TokenChar], places: Sequence[Range], n_tokens: int
) -> tuple[Range | None, ...]:
    ranges: list[Range | None] = [None] * n_tokens
    for item, (start, end) in zip(chars, places, strict=True):
        for token in range(item.first, item.last + 1):
            old = ranges[token]
            ranges[token] = (start, end) if old is None else (min(old[0], start), max(old[1], end))
    return tuple(ranges)

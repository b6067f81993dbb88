"""A binding in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .binding import PhraseBinding, token_ranges

# Class of tokens -> ranges of layers (first, last), both inclusive, in which a rule boosts it.
Layers = Mapping[str, Sequence[tuple[int, int]]]


def binding_report(binding: PhraseBinding, layers: Layers | None = None) -> str:
    """One line per phrase, one per class of tokens, and the notes."""
    parts = ", ".join(f"{name} {start}-{stop - 1}" for name, start, stop in binding.parts)
    lines = [f"{binding.n_tokens} text tokens ({parts})"]
    for index, phrase in enumerate(binding.phrases, start=1):
        lines.append(
            f"{index}. {phrase.text!r}: tokens {show_tokens(phrase.tokens)}; instance "
            f"{show_tokens(phrase.instance)}; attributes {show_tokens(phrase.attributes)}"
        )
    lines.append(f"background: tokens {show_tokens(binding.background)}")
    lines += [f"layers of {name}: {show_layers(ranges)}" for name, ranges in (layers or {}).items()]
    return "\n".join([*lines, *binding.notes])


def show_tokens(tokens: Sequence[int]) -> str:
    """ "3-5, 80-83"; "none" without any."""
    shown = (f"{a}-{b - 1}" if b - a > 1 else f"{a}" for a, b in token_ranges(tokens))
    return ", ".join(shown) or "none"


def show_layers(ranges: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in ranges) or "none"

"""A prompt as its text encoder reads it: without weight marks, character by character."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_OPEN, _CLOSE = "\ue000", "\ue001"  # stand for escaped parentheses while marks are read


@dataclass(frozen=True, slots=True)
class PlainText:
    """Text without marks.

    Attributes:
        text: what is tokenized.
        folded: its characters in the form in which texts are compared, see ``fold``.
        source: for each character of ``folded``, the index in ``text`` that it came from.
    """

    text: str
    folded: str
    source: tuple[int, ...]

    def to_text(self, start: int, end: int) -> tuple[int, int]:
        """Range of ``text`` for a range of ``folded`` that is not empty."""
        return self.source[start], self.source[end - 1] + 1

    def to_folded(self, start: int, end: int) -> tuple[int, int]:
        """Range of ``folded`` for a range of ``text``."""
        inside = [i for i, s in enumerate(self.source) if start <= s < end]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


def plain_text(prompt: str, *, marks: bool) -> PlainText:
    r"""Read a prompt.

    Args:
        prompt: as the user wrote it.
        marks: whether "(red:1.2)", "(red)" and "((red))" are weights, as for CLIP and T5, or
            literal text, as for language models. "\(" is a literal parenthesis in both.
    """
    text = prompt.replace("\\(", _OPEN).replace("\\)", _CLOSE)
    if marks:
        text = "".join(_unmarked(text))
    text = text.replace(_OPEN, "(").replace(_CLOSE, ")")
    pairs = [(c, index) for index, char in enumerate(text) for c in fold(char)]
    return PlainText(text, "".join(c for c, _ in pairs), tuple(i for _, i in pairs))


def fold(text: str) -> str:
    """The form in which a text and its tokens are compared.

    Tokenizers lower case, strip accents, replace compatibility forms (a ligature, a full-width
    letter) and treat space in their own ways; all that is left out here.
    """
    kept = [
        char
        for char in unicodedata.normalize("NFKD", text).casefold()
        if not char.isspace() and unicodedata.category(char) not in ("Mn", "Cf", "Cc", "Zs")
    ]
    return "".join(kept)


def _unmarked(text: str) -> Iterator[str]:
    for part in _parts(text):
        if len(part) < 2 or part[0] != "(" or part[-1] != ")":
            yield part
            continue
        inner = part[1:-1]
        head, colon, number = inner.rpartition(":")
        yield from _unmarked(head if colon and head and _is_number(number) else inner)


def _parts(text: str) -> Iterator[str]:
    """Cut into balanced parenthesised parts and what lies between them."""
    depth, start = 0, 0
    for index, char in enumerate(text):
        if char == "(":
            if depth == 0 and index > start:
                yield text[start:index]
                start = index
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                yield text[start : index + 1]
                start = index + 1
    if start < len(text):
        yield text[start:]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

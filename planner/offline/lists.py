"""Lists by number or bullet in any language, and where sentences end."""

from __future__ import annotations

import re

# What may mark an entry: "1.", "2)", "(3)", "①", "一、", "-", "•".
_NUMBER = r"\(?\d{1,2}\s*[.):、．）](?!\d)|[①-⑳]"
_BULLET = r"[-–—*•·]"
_STARTS = re.compile(rf"\s*(?:(?P<number>{_NUMBER})|(?P<bullet>{_BULLET})(?=\s))\s*")
_NUMBERS = re.compile(
    rf"(?:^|(?<=[\s,;，；。]))(?:{_NUMBER})\s*|(?<=[\u3400-\u9fff])\s*(?:{_NUMBER})\s*"
)
_BULLETS = re.compile(rf"(?:^|(?<=\s)){_BULLET}\s+")


def list_lines(text: str) -> str:
    """The text with each entry of a list on a line of its own, without its mark.

    A text is a list if it begins with a mark: "1. a cat 2. a dog" and "- a cat - a dog". What
    stands on lines already loses its marks, too.
    """
    lines = []
    for line in text.split("\n"):
        match = _STARTS.match(line)
        if match:
            marks = _NUMBERS if match["number"] else _BULLETS
            line = "\n".join(part.strip(" ,;，；") for part in marks.split(line) if part.strip())
        lines.append(line)
    return "\n".join(lines)


def sentence_pieces(text: str) -> list[str]:
    """The sentences and list entries of a text in a language with full stops, bare of both."""
    pieces = re.split(r"\n|;|(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s*$)|[!?]", list_lines(text))
    stripped = (piece.strip(" \t\r,.:") for piece in pieces)
    return [piece for piece in stripped if re.search(r"\w", piece)]

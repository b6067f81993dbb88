"""Phrases as a person writes them: one per line."""

from __future__ import annotations

from ..errors import PromptError
from .binding import Phrase


def parse_phrase_lines(text: str) -> tuple[Phrase, ...]:
    """Read "phrase", "phrase | instance" and "phrase | instance | #2", one per line.

    The instance is the part that names the thing ("a red sports car | sports car"); without it
    the last noun is taken. "#2" means the second occurrence in the prompt. Empty lines are skipped.

    Raises:
        PromptError: no phrase, a line with too many parts, or a wrong number.
    """
    phrases = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        head, *rest = (part.strip() for part in line.split("|"))
        indices = [part for part in rest if part.startswith("#")]
        names = [part for part in rest if part and not part.startswith("#")]
        if not head or len(indices) > 1 or len(names) > 1:
            raise PromptError(
                f"Line {number} of the phrases is {line.strip()!r}, expected 'phrase', "
                "'phrase | instance' or 'phrase | instance | #2'."
            )
        occurrence = None
        if indices:
            digits = indices[0][1:]
            if not digits.isdecimal() or int(digits) < 1:
                raise PromptError(
                    f"Line {number} of the phrases has {indices[0]!r}, expected # and a number "
                    "from 1: which occurrence in the prompt is meant."
                )
            occurrence = int(digits)
        phrases.append(Phrase(head, names[0] if names else "", None, occurrence))
    if not phrases:
        raise PromptError("There are no phrases. Write one per region, one per line.")
    return tuple(phrases)

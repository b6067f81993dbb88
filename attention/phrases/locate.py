"""Where each phrase stands in the master prompt; every phrase has a place of its own."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence

from ..errors import PromptError
from .plain import PlainText, fold

Place = tuple[int, int]  # characters [start, end) of ``PlainText.text``


def locate_phrases(
    prompt: PlainText, phrases: Sequence[str], occurrences: Sequence[int | None]
) -> list[Place]:
    """Find all phrases.

    Upper and lower case, accents and the amount of space do not matter; words must be whole. A
    phrase takes its first occurrence that no other phrase has taken, longer phrases first, so that
    "cat" leaves "black cat" alone and equal phrases take successive occurrences.

    Args:
        prompt: the master prompt.
        phrases: R phrases, read as the prompt was (see ``plain_text``).
        occurrences: R numbers, 1 = first occurrence in the prompt; None: the first free one.

    Raises:
        PromptError: a phrase does not occur, does not occur that often, or all its places are
            taken; the message shows the nearest text.
    """
    places: list[Place | None] = [None] * len(phrases)
    found = [_occurrences(prompt, phrase) for phrase in phrases]
    order = sorted(range(len(phrases)), key=lambda i: (occurrences[i] is None, -len(phrases[i]), i))
    for index in order:
        label = f"Phrase {index + 1} ({phrases[index]!r})"
        if not found[index]:
            raise PromptError(
                f"{label} does not occur in the prompt. {_nearest(prompt, phrases[index])} Write "
                "the phrase into the prompt word for word, or change it to what stands there."
            )
        wanted = occurrences[index]
        if wanted is not None and not 1 <= wanted <= len(found[index]):
            raise PromptError(
                f"{label} is to be occurrence {wanted}, but it occurs {len(found[index])} times in "
                "the prompt. Give a number from 1 to that."
            )
        candidates = found[index] if wanted is None else [found[index][wanted - 1]]
        taken = [place for place in places if place is not None]
        free = [c for c in candidates if all(c[1] <= t[0] or t[1] <= c[0] for t in taken)]
        if not free:
            raise PromptError(
                f"{label} stands in the prompt only where other phrases stand: "
                f"{_clash(prompt, candidates, taken)}. Write it into the prompt once per region."
            )
        places[index] = free[0]
    return [place for place in places if place is not None]


def _occurrences(prompt: PlainText, phrase: str) -> list[Place]:
    needle = fold(phrase)
    if not needle:
        return []
    hits = (m.start() for m in re.finditer(f"(?={re.escape(needle)})", prompt.folded))
    spans = [prompt.to_text(hit, hit + len(needle)) for hit in hits]
    return [span for span in spans if _is_whole(prompt.text, phrase, *span)]


def _is_whole(text: str, phrase: str, start: int, end: int) -> bool:
    """Whether the range begins and ends between words, with the words of the phrase."""
    begins = start == 0 or not _joined(text[start - 1], text[start])
    ends = end == len(text) or not _joined(text[end - 1], text[end])
    # Space is left out of the comparison; here it must agree: "a cat" is not "acat".
    return begins and ends and len(_words(text[start:end])) == len(_words(phrase))


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word. Chinese characters are words of their own."""
    return _in_word(left) and _in_word(right)


def _in_word(char: str) -> bool:
    return (char.isalnum() or unicodedata.category(char) == "Mn") and not is_wide(char)


def is_wide(char: str) -> bool:
    """Whether a character is written without spaces around words (Chinese, Japanese)."""
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or char >= "\U00020000"


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+", text)


def _clash(prompt: PlainText, candidates: Sequence[Place], taken: Sequence[Place]) -> str:
    holders = {t for t in taken for c in candidates if not (c[1] <= t[0] or t[1] <= c[0])}
    return ", ".join(repr(prompt.text[start:end]) for start, end in sorted(holders))


def _nearest(prompt: PlainText, phrase: str) -> str:
    """A sentence with the part of the prompt that is most like the phrase."""
    text = prompt.text[:4000]
    starts = [m.span() for m in re.finditer(r"[^\W\u3040-\u9fff]+|[\u3040-\u9fff]", text)]
    if not starts:
        return "The prompt is empty."
    n_words = max(1, len(re.findall(r"[^\W\u3040-\u9fff]+|[\u3040-\u9fff]", phrase)))
    best, best_ratio = "", -1.0
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(phrase.casefold()[:200])
    for first in range(len(starts)):
        for count in (n_words, n_words - 1, n_words + 1):
            if count < 1 or first + count > len(starts):
                continue
            window = text[starts[first][0] : starts[first + count - 1][1]]
            matcher.set_seq1(window.casefold())
            # Equally alike: prefer as many words as the phrase has, and the same beginning.
            ratio = matcher.ratio() + 0.15 * (count == n_words) + 0.01 * (window[0] == phrase[:1])
            if ratio > best_ratio:
                best, best_ratio = window, ratio
    return f"Nearest text: {(best or text[:60])!r}."

"""English turned into the order that the grammar reads: what is placed comes first."""

from __future__ import annotations

from dataclasses import replace

from ...compose import fit_article
from ...layout.scene import Phrase
from . import lexicon as en
from . import patterns
from .attributes import is_attribute
from .places import JOINED
from .verbs import is_finite, is_participle


def rewrite_text(text: str) -> str:
    """A whole text before it is cut into sentences."""
    if text.isupper():
        text = text.lower()
    if "foreground" in text.lower():  # then the background is a depth, too
        text = patterns.DEPTH_LABEL.sub(r"\1in the \2 ", text)
    if patterns.OTHER_HALF.search(text):
        text = patterns.FIRST_HALF.sub("the left half ", text, count=1)
        text = patterns.OTHER_HALF.sub("the right half shows ", text, count=1)
    text = patterns.PAIRS.sub(rf"\1 {JOINED} \2", text)
    return patterns.BETWEEN_AND.sub(rf"between \1 {JOINED} ", text)


def rewrite_part(part: str) -> str:
    """ "behind it a tower" is "a tower behind it", "the plate which is left of" its short form."""
    part = patterns.RELATIVE.sub(" ", part)
    part = patterns.ON_WHICH.sub("on top of it", part)
    part = patterns.INVERTED.sub(r"\3 \1 \2", part)
    return patterns.INVERTED_PRONOUN.sub(r"\3 \1 \2", part)


def participle_first(text: str) -> str:
    """ "a cat sleeping", cut before "on top of a car", is "a sleeping cat"."""
    words = text.split()
    if len(words) > 2 and words[-2] not in en.DETERMINERS and is_finite(words[-1], "it", "on"):
        return " ".join(words[:-1])  # "a robot with glowing eyes stands"
    if len(words) < 3 or not is_participle(words[-1]) or words[0].lower() not in en.DETERMINERS:
        return text
    if words[-1] in patterns.POSTURES:
        return " ".join(words[:-1])
    return fit_article(f"{words[0]} ", words[-1]) + " ".join([words[-1], *words[1:-1]])


def lower_first(text: str) -> str:
    """Lower a sentence's first letter, but not an acronym's or a name's."""
    first = text.split(maxsplit=1)[0].strip(",:")
    known = (*en.DETERMINERS, *en.NUMBERS, *en.FUNCTION_WORDS)
    if first.lower() in known or is_attribute(first):
        return text[0].lower() + text[1:]
    return text


def restore_text(text: str) -> str:
    """With the "and" that `rewrite_text` hid."""
    return text.replace(JOINED, "and")


def restore(phrase: Phrase) -> Phrase:
    """A phrase with the "and" that `rewrite_text` hid."""
    return replace(
        phrase,
        text=restore_text(phrase.text),
        trailing=tuple(restore_text(part) for part in phrase.trailing),
    )

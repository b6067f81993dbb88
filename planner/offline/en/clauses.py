"""Cutting an English text into sentences, clauses and parts that each name one thing."""

from __future__ import annotations

import re

from ..lists import sentence_pieces
from . import lexicon as en
from .attributes import is_attribute, is_attributes_only, noun_phrase_end
from .function_words import NEVER_ADJECTIVE
from .patterns import ASIDE, BARE_PLACE, CONTINUES, NUMBERED, SUBORDINATE
from .places import take_places
from .structure import ends_noun, may_be_adjective, starts_with_verb

_OPENERS = frozenset((*en.DETERMINERS, *en.NUMBERS))


def sentences(text: str) -> list[str]:
    """The sentences and list entries of a text, without bullets and numbers."""
    parts = (NUMBERED.sub("", piece).strip(" ,.") for piece in sentence_pieces(text))
    return [part for part in parts if re.search(r"\w", part)]


def clauses(sentence: str, *, prose: bool = False) -> list[str]:
    """The parts between commas; "a big, shiny apple" stays together.

    Args:
        sentence: to cut.
        prose: whether it states something with a verb; then it is cut before "while the ...", too,
            and adjectives are known by where they stand.
    """
    sentence = ASIDE.sub(_open_aside, sentence)
    if prose:
        sentence = SUBORDINATE.sub(", ", sentence)
    merged: list[str] = []
    for clause in (clause.strip() for clause in sentence.split(",")):
        if not clause:
            continue
        attributes = merged and (
            _ends_in_attribute_only(merged[-1], prose=prose)
            or (prose and _ends_in_adjective(merged[-1], clause))
        )
        if attributes and not starts_phrase(clause):
            merged[-1] = f"{merged[-1]} {clause}"
        else:
            merged.append(clause)
    return merged


def parts(clause: str) -> list[str]:
    """Split at each "and" that separates two things."""
    pieces = re.split(r"\s+(?:and|&|plus|as well as|along with|together with)\s+|^and\s+", clause)
    merged: list[str] = []
    for piece in (piece.strip() for piece in pieces):
        if not piece:
            continue
        if merged and not _separates(merged[-1], piece):
            merged[-1] = f"{merged[-1]} and {piece}"
        else:
            merged += _split_with(piece)
    return merged


def starts_phrase(text: str) -> bool:
    """Whether a part begins like something new ("a cat", "on the left a cat")."""
    first = text.split(maxsplit=1)[0].lower()
    if first in en.DETERMINERS or first in en.NUMBERS or first.isdigit():
        return first not in ("its", "their")  # "its tail" belongs to what was named before
    if first in ("there", "on", "at", "in", "to") and BARE_PLACE.match(text):
        return True
    return first in ("left", "right", "top", "bottom", "center", "centre", "middle", "there")


def _open_aside(match: re.Match[str]) -> str:
    """ "a cat (black)" is "a cat, black,"; other brackets stay (prompt weights, asides)."""
    inside = match[1].strip()
    if is_attributes_only(inside) or (take_places(inside)[1] and not take_places(inside)[0]):
        return f", {inside},"
    return match[0]


def _ends_in_attribute_only(text: str, *, prose: bool = False) -> bool:
    words = re.split(r"\band\b", text)[-1].split()
    if not words:
        return False
    if prose:  # "... hung low on the warm, summer sun": only the last noun phrase is looked at
        starts = [i for i, w in enumerate(words) if w.lower() in _OPENERS]
        words = words[starts[-1] :] if starts else words
        if take_places(" ".join(["on", *words]))[1]:
            return False
    if words[0].lower() not in _OPENERS:
        return prose and 0 < len(words) <= 2 and all(may_be_adjective(w) for w in words)
    rest = words[1:]
    if prose and rest and all(may_be_adjective(w) for w in rest):
        return True
    return bool(rest) and all(
        is_attribute(w) or w in en.SIZES or w in en.COLOUR_MODIFIERS for w in rest
    )


def _ends_in_adjective(text: str, following: str) -> bool:
    """ "The intricate" before "colorful patterns": one word after an article, a noun to come."""
    words, rest = text.split(), following.split()
    if len(words) < 2 or words[-2].lower() not in ("the", "a", "an", "its", "their"):
        return False
    if len(rest) < 2 or words[-1].lower() in NEVER_ADJECTIVE:
        return False
    if ends_noun(rest[0], words[-1], rest[1]):
        return False
    return not ends_noun(rest[1], rest[0], rest[2] if len(rest) > 2 else "")


def _split_with(part: str) -> list[str]:
    """ "a dog in the middle with a ball on the left": two things, as each has its own place."""
    left, word, right = part.partition(" with ")
    if word and take_places(left)[1] and starts_phrase(right) and take_places(right)[1]:
        return [left, right]
    return [part]


def _separates(left: str, right: str) -> bool:
    left_alone, _ = take_places(left)
    alone = re.sub(r"^(?:an?|the|two|three|four) ", "", left_alone)
    if left_alone and is_attributes_only(alone):
        return False  # "a red and white cat"
    words = alone.split()
    adjective = len(words) == 1 and words[0] != left_alone and may_be_adjective(words[0])
    if adjective and not starts_phrase(right) and len(right.split()) > 1:
        return False  # "a challenging and satisfying activity"
    if CONTINUES.match(right) and not starts_phrase(right):
        return False
    if starts_phrase(right):
        return True
    if starts_with_verb(right):
        return False  # "the audience clapped and swayed"
    if is_attributes_only(right):
        return False
    has_place = take_places(left)[1] is not None
    plain = noun_phrase_end(left_alone) >= len(left_alone)
    return has_place or plain or take_places(right)[1] is not None

"""Which characters of a phrase name the thing, and which say what it looks like.

The split of arXiv 2504.10148: the instance is the noun, attributes are adjectives and compounds.
There a dependency parser tells them apart; here word lists do, in English and Chinese. Unlike there
a few fixed compounds ("ice cream", "red panda") name the thing as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..compose import is_cjk
from ..errors import PlanError
from .en import lexicon as en
from .en.attributes import is_attribute, noun_phrase_end
from .zh.words import split_phrase_zh

CharRange = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PhraseRoles:
    """Character ranges [start, end) in a phrase, in order, not overlapping.

    Attributes:
        instance: the noun; never empty for a phrase with a word in it.
        attributes: colours, materials, adjectives and nouns before the noun.
    """

    instance: tuple[CharRange, ...]
    attributes: tuple[CharRange, ...]


_WORD = re.compile(r"[\w'’-]*\w[\w'’-]*")
_GROUP_OF = re.compile(
    r"^(?:(?:a|an|the|two|three|four|some)\s+)?"
    r"(?:pairs?|couple|groups?|bunch|sets?|herd|flock|stack|pile|rows?|bouquet|pieces?) of\s+",
    re.IGNORECASE,
)
_MADE_OF = re.compile(r"\bmade (?:out )?of ((?:[\w-]+ )*?[\w-]+)(?=$|,| and | with | in | on )")
_NO_ATTRIBUTE = en.DETERMINERS | en.FUNCTION_WORDS | frozenset(en.NUMBERS) | {"and", "of", "&"}


def phrase_roles(
    phrase: str, instance: str = "", attributes: tuple[str, ...] | None = None
) -> PhraseRoles:
    """Split a phrase.

    Args:
        phrase: "a shiny red sports car", "一只红色的猫".
        instance: what names the thing, as it stands in the phrase; empty: found by rule.
        attributes: what is said of it, as it stands in the phrase; None: found by rule. Those
            that do not stand in the phrase are left out, as a plan may word them differently.

    Raises:
        PlanError: the phrase has no word, or `instance` does not stand in it.
    """
    if not _WORD.search(phrase):
        raise PlanError(f"The phrase {phrase!r} holds no word. Write what the region shows.")
    named = [_require(phrase, instance)] if instance else _instance(phrase)
    if attributes is None:
        described = _attributes_zh(phrase, named) if is_cjk(phrase) else _attributes(phrase, named)
    else:
        described = [found for a in attributes if (found := _find(phrase, a)) is not None]
    return PhraseRoles(_merge(named), _merge(_without(described, named)))


def _find(phrase: str, part: str) -> CharRange | None:
    """The last place of `part` in the phrase, as whole words unless it is Chinese."""
    part = part.strip()
    if not part:
        return None
    edges = ("", "") if is_cjk(part) else (r"(?<!\w)", r"(?!\w)")
    places = list(re.finditer(edges[0] + re.escape(part) + edges[1], phrase, re.IGNORECASE))
    return places[-1].span() if places else None


def _require(phrase: str, instance: str) -> CharRange:
    found = _find(phrase, instance)
    if found is None:
        raise PlanError(
            f"The instance {instance!r} does not stand in the phrase {phrase!r}. Write a part of "
            "the phrase, or leave it out and the last noun is taken."
        )
    return found


def _instance(phrase: str) -> list[CharRange]:
    if is_cjk(phrase):
        noun = split_phrase_zh(phrase).instance.strip("，。！？、,.!? ")
        found = _find(phrase, noun)
        return [found if found is not None else (0, len(phrase))]
    group = _GROUP_OF.match(phrase)
    start = group.end() if group else 0
    words = list(_WORD.finditer(phrase, start, start + noun_phrase_end(phrase[start:])))
    if not words:
        words = list(_WORD.finditer(phrase))
    head = words[-1]
    if len(words) > 1 and f"{words[-2][0]} {head[0]}".lower() in en.COMPOUNDS:
        return [(words[-2].start(), head.end())]
    return [head.span()]


def _attributes(phrase: str, named: list[CharRange]) -> list[CharRange]:
    made_of = [match.span(1) for match in _MADE_OF.finditer(phrase)]
    group = _GROUP_OF.match(phrase)
    words = list(_WORD.finditer(phrase, group.end() if group else 0))
    found = list(made_of)
    for index, word in enumerate(words):
        lower = word[0].lower()
        if lower in _NO_ATTRIBUTE:
            continue
        shade = (
            lower in en.COLOUR_MODIFIERS
            and index + 1 < len(words)
            and is_attribute(words[index + 1][0])
        )
        if word.end() <= named[0][0] or is_attribute(lower) or shade:
            found.append(word.span())
    return found


def _attributes_zh(phrase: str, named: list[CharRange]) -> list[CharRange]:
    known = split_phrase_zh(phrase).attributes
    found = [place for a in known if (place := _find(phrase, a)) is not None]
    if not found and "的" in phrase[: named[0][0]]:  # whatever stands before 的 describes the noun
        end = phrase.rindex("的", 0, named[0][0])
        prefix = re.match(
            r"[一二两三四五六七八九十几多\d]*[个只条张把朵棵株辆座件匹头位名幅本杯瓶]?", phrase
        )
        start = prefix.end() if prefix else 0
        if start < end:
            found.append((start, end))
    return found


def _without(ranges: list[CharRange], taken: list[CharRange]) -> list[CharRange]:
    """The ranges, less what is taken: a word of the instance is no attribute as well."""
    left = list(ranges)
    for low, high in taken:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, low)), (max(start, high), end))
            if part[0] < part[1]
        ]
    return left


def _merge(ranges: list[CharRange]) -> tuple[CharRange, ...]:
    merged: list[CharRange] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)

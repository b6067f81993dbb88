"""An English phrase as an object and what is said of it (arXiv 2504.10148's phrase split)."""

from __future__ import annotations

import re
from functools import lru_cache

from ...compose import article_for, fit_article
from ...layout.scene import MAX_PART
from ..language import SplitPhrase
from . import lexicon as en

# Where a noun phrase's own words end and a modifier after the noun begins.
_AFTER_NOUN = re.compile(
    r"(?:^|\s)(?:with|without|in|on|at|of|under|near|by|behind|beside|inside|outside|beneath|over|"
    r"above|below|along|across|around|through|into|from|for|to|like|that|which|who|whose|made|"
    r"between|against|alongside|atop|next to|close to|left of|right of|wearing|holding|covered|"
    r"filled|surrounded|seen|looking|is|are|has|have|had|sits|stands|lies|wears?|wore|holds?|held|"
    r"carry|carries|and)(?=\s|$)|,"
)
_NOT_VERBS = en.words("""
    king ring wing string spring ceiling building painting swing sling thing earring clothing
    pudding wedding evening morning lightning viking awning bling
    seed shed sled weed reed speed steed breed
""")
_MADE_OF = re.compile(r"\s*,?\s*\b(made (?:out )?of [\w -]+?)(?=$|,| and | with | in | on )")
_THAT_IS = re.compile(r"\s+(?:that|which) (?:is|are) ([\w -]+)$")


@lru_cache(maxsize=1024)  # a phrase is looked at again for every relation that might mean it
def split_phrase(text: str, trailing: tuple[str, ...] = ()) -> SplitPhrase:
    """Split one phrase; `trailing` are attributes that followed it after a comma."""
    if len(text) > MAX_PART:
        return SplitPhrase(text, "", trailing)
    high, instance, attributes = _split(text)
    return SplitPhrase(high, instance, (*attributes, *trailing))


def is_attribute(word: str) -> bool:
    """Whether an English word describes appearance (colour, material, texture, look)."""
    word = word.lower().strip(",")
    if word in en.COLOURS or word in en.LOOKS or word in en.MATERIALS:
        return True
    if word in en.NOT_ATTRIBUTES or word in en.SIZES:
        return False
    if "-" in word and word.endswith("ed"):
        return True
    return len(word) > 5 and not word.endswith("fish") and (word.endswith(en.ATTRIBUTE_SUFFIXES))


def is_attributes_only(text: str) -> bool:
    """Whether a comma-separated part only describes what was named before ("soft and shiny")."""
    if re.match(r"made (?:out )?of ", text):
        return True
    words = [word for word in re.split(r"[\s,]+", text) if word and word != "and"]
    if not words or not is_attribute(words[-1]):
        return False  # "a blue sky": a shade alone names no look
    return all(is_attribute(w) or w in en.COLOUR_MODIFIERS for w in words)


def noun_phrase_end(text: str) -> int:
    """Index in `text` at which the modifiers after the noun begin, `len(text)` without any."""
    end = len(text)
    for match in _AFTER_NOUN.finditer(text):
        before = text[: match.start()].split()
        joins = match[0].strip() == "and" and all(
            word in en.DETERMINERS or is_attribute(word) or word in en.SIZES for word in before
        )
        if match.start() > 0 and not joins:  # "a red and white cat" goes on
            end = match.start()
            break
    words = list(re.finditer(r"\S+", text[:end]))
    for index, word in enumerate(words):
        before = [w[0].lower() for w in words[:index]]
        named = [w for w in before if w not in en.DETERMINERS and not is_attribute(w)]
        named = [w for w in named if w not in en.NUMBERS and w not in en.SIZES]
        is_verb = word[0].endswith(("ing", "ed")) and word[0].lower() not in _NOT_VERBS
        if named and is_verb and len(word[0]) > 4 and not is_attribute(word[0]):
            return word.start() - 1
    return end


@lru_cache(maxsize=1024)
def head_noun(text: str) -> str:
    """The last word of the noun phrase, in lower case ("the old fire truck by a tree": truck)."""
    text = text[:MAX_PART]
    words = re.findall(r"[\w'-]+", text[: noun_phrase_end(text)])
    return words[-1].lower() if words else ""


def _split(text: str) -> tuple[str, str, tuple[str, ...]]:
    later: list[str] = []

    def keep(match: re.Match[str]) -> str:
        later.append(match[1].strip())
        return ""

    text = _MADE_OF.sub(keep, text)
    match = _THAT_IS.search(text)
    if match and is_attributes_only(match[1]):
        later.append(match[1])
        text = text[: match.start()]
    end = noun_phrase_end(text)
    phrase, rest = text[:end], text[end:]
    words = phrase.split()
    prefix: list[str] = []
    attributes: list[str] = []
    pending: list[str] = []  # "dark", "very": part of the attribute that follows
    kept: list[str] = []
    for index, raw in enumerate(words):
        word = raw.strip(",")
        lower, last = word.lower(), index == len(words) - 1
        if not kept and not attributes and (lower in en.DETERMINERS or lower in en.NUMBERS):
            prefix.append(word)
        elif not last and lower in en.COLOUR_MODIFIERS and _modifies(words, index):
            pending.append(word)
        elif not last and lower == "and" and attributes and not kept:
            pending = [attributes.pop(), "and"]
        elif not last and is_attribute(word) and not _is_compound(word, words[index + 1]):
            attributes.append(" ".join([*pending, word]))
            pending = []
        else:
            kept += [*pending, word]
            pending = []
    named = [word for word in kept[:-1] if word.lower() not in en.SIZES]
    instance = " ".join([*named, *kept[-1:]])
    before = " ".join(prefix)
    noun = " ".join(kept)
    high = (fit_article(before + " ", noun) if before else "") + noun
    return (high + rest).strip(), instance, (*attributes, *later)


def _is_compound(word: str, following: str) -> bool:
    return f"{word} {following}".lower().strip(",") in en.COMPOUNDS


def _modifies(words: list[str], index: int) -> bool:
    """Whether the word is a shade ("dark green") and not an attribute of its own ("dark room")."""
    following = words[index + 1].lower().strip(",")
    return following in en.COLOUR_MODIFIERS or (
        is_attribute(following) and (index + 2 < len(words) or following in en.COLOURS)
    )


def take_count(text: str) -> tuple[int, str]:
    """How many of it, and the phrase for one of them ("three black kittens": 3, "a black kitten").

    A phrase without a number is 1 of itself.
    """
    match = re.match(
        r"(?:exactly |the )?(\d{1,2}|pair of|a pair of|a couple of|a dozen|[a-z]+)\s+(.+)$",
        text,
        re.IGNORECASE,
    )
    if not match:
        return 1, text
    word, rest = match[1].lower(), match[2]
    count = {"pair of": 2, "a pair of": 2, "a couple of": 2, "a dozen": 12}.get(word, 0)
    count = count or en.NUMBERS.get(word, 0) or (int(word) if word.isdigit() else 0)
    if count < 2 or count > 64:
        return 1, text
    end = noun_phrase_end(rest)
    words = rest[:end].split()
    if not words:
        return 1, text
    words[-1] = singular(words[-1])
    one = " ".join(words) + rest[end:]
    return count, f"{article_for(one)} {one}"


def singular(noun: str) -> str:
    """The singular of an English plural."""
    lower = noun.lower()
    if lower in en.IRREGULAR_SINGULARS:
        return en.IRREGULAR_SINGULARS[lower]
    if lower.endswith("ies") and len(lower) > 4:
        return noun[:-3] + "y"
    if lower.endswith(("ches", "shes", "xes", "sses", "zes")):
        return noun[:-2]
    if lower.endswith("s") and not lower.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun

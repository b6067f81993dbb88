"""Plain lists of prompts, one a line, that say themselves what a plan of them must keep.

Made for prompts such as those of T2I-CompBench (arXiv 2307.06350): "a cup on the left of a cat",
"a red car and a pink elephant", "three plates and one shrimp". Each line is read by fixed patterns
that have nothing to do with the planner's grammar; a line that none of them reads whole is checked
for soundness alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..plan import Plan
from .words import is_sound, keeps, region_of, shows

Kind = Literal["relation", "pair", "count", "sound"]

_RELATIONS = (
    ("left", r"on the left of|to the left of|left of"),
    ("right", r"on the right of|to the right of|right of"),
    ("above", r"on the top of|on top of|above"),
    ("below", r"on the bottom of|below|under|beneath"),
    ("front", r"in front of"),
    ("behind", r"hidden by|behind"),
    ("near", r"on side of|on the side of|next to|near|beside"),
)
# At most four words, so that a longer sentence is not taken for one relation.
_WORD = r"(?!(?:and|with|of|in|on|at|to|by|the|an?|as)\b)[\w'-]+"
_NAME = rf"(?:an?|the) ({_WORD}(?: {_WORD}){{0,3}}?)"
_RELATION = re.compile(
    rf"^{_NAME}(?: (?:is|was|are|were))?(?: (?:[a-z]+(?:ed|ing)|hung|set))? (?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _RELATIONS)
    + rf") {_NAME}\.?$",
    re.IGNORECASE,
)
_THING = r"(?:(?:an?|the) )?([\w-]+) ((?!and\b|of\b)[\w-]+(?: (?!and\b|of\b|with\b)[\w-]+)?)"
_PAIR = re.compile(rf"^{_THING} and {_THING}\.?$", re.IGNORECASE)
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10,
}  # fmt: skip
_COUNT = re.compile(rf"\b({'|'.join(_NUMBERS)})\b ([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line: what kind of check it allows, and the words of it."""

    text: str
    kind: Kind
    things: tuple[tuple[str, ...], ...] = ()
    relation: str = ""


def read_prompt(text: str) -> Prompt:
    """Read what a plan of this prompt must keep."""
    text = text.strip()
    match = _RELATION.match(text)
    if match:
        kind = next(kind for kind, _ in _RELATIONS if match[kind])
        names = match.groups()
        return Prompt(text, "relation", ((names[0],), (names[-1],)), kind)
    counts = [(m[1].casefold(), m[2]) for m in _COUNT.finditer(text) if not m[2].startswith("of")]
    if counts:
        return Prompt(text, "count", tuple(counts))
    match = _PAIR.match(text)
    if match:
        return Prompt(text, "pair", ((match[1], match[2]), (match[3], match[4])))
    return Prompt(text, "sound")


def prompt_problems(prompt: Prompt, plan: Plan) -> list[str]:
    """What is wrong with the plan of a prompt, in words."""
    regions = plan.regions
    texts = [region.prompt() for region in regions]
    found = [f"ends in the middle: {text!r}" for text in texts if not is_sound(text)]
    if prompt.kind == "relation":
        (first,), (second,) = prompt.things
        a = region_of(regions, first)
        b = region_of(regions, second, () if a is None else (a,))
        if a is None or b is None or a == b:
            found.append(f"one region for both: {texts}")
        elif not keeps(prompt.relation, regions[a], regions[b]) and not (
            first == second and keeps(prompt.relation, regions[b], regions[a])
        ):
            boxes = [(region.prompt(), region.box) for region in regions]
            found.append(f"not {prompt.relation}: {boxes}")
    elif prompt.kind == "pair":
        found += _pair_problems(prompt, texts)
    elif prompt.kind == "count":
        for number, name in prompt.things:
            wanted = _NUMBERS[number]
            have = sum(shows(text, name) for text in texts)
            if wanted > 1 and have != wanted:
                found.append(f"{have} regions show {name!r} instead of {wanted}: {texts}")
            elif not have:
                found.append(f"no region shows {name!r}: {texts}")
    return found


def is_whole(plan: Plan) -> bool:
    """Whether nothing was told apart: a single region."""
    return len(plan.regions) < 2


def _pair_problems(prompt: Prompt, texts: list[str]) -> list[str]:
    if len(texts) != 2:
        return [f"{len(texts)} regions: {texts}"]
    found = []
    if not all(shows(texts[0], word) for word in prompt.things[0]):
        texts = texts[::-1]  # what lies higher may come first
    for text, own, other in zip(texts, prompt.things, reversed(prompt.things), strict=True):
        if not all(shows(text, word) for word in own):
            found.append(f"{text!r} does not show {' '.join(own)!r}")
        foreign = [word for word in other if word not in own and shows(text, word)]
        if foreign and not set(own) & set(other):
            found.append(f"{text!r} shows {foreign}")
    return found

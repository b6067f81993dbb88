"""One of several things that were named together: "two circles, one red, the other blue"."""

from __future__ import annotations

import re

from ...compose import compose_prompt
from ...layout.scene import Phrase, Place
from . import lexicon as en
from . import patterns
from .attributes import is_attributes_only, singular, split_phrase, take_count
from .verbs import is_finite, is_participle, is_third_person


class Members:
    """What was named by its number, while its members may still be told apart."""

    def __init__(self) -> None:
        self._group = -1  # index of "two circles" while "one red" may still follow
        self._one = ""  # one of them
        self._lead = ""  # what one of them does: "holding"

    def count(self, text: str, index: int) -> None:
        """Take notice of a phrase, if it names several."""
        count, one = take_count(text)
        if count > 1:
            self._group, self._one = index, one

    def drop_summary(self, phrases: list[Phrase], named: int, before: int) -> None:
        """ "two people: a man and a woman": the two people are no further things."""
        if len(phrases) > named > before and self._group == named - 1:
            del phrases[named - 1]
            self._group = -1

    def name(self, text: str, place: Place | None, phrases: list[Phrase]) -> str:
        """The phrase of a member in full; `phrases` loses the one that named them together.

        "two circles, one red": the second part is "a red circle".
        """
        if not phrases and not text.startswith(("one of ", "One of ")):
            return text
        match = patterns.ONE_OF_THEM.match(text)
        if match and match["kind"] and not self._one:
            self._one = f"a {singular(match['kind'])}"
        said = (match["said"] or "") if match else ""
        whole = self._one
        if match is None:
            match = patterns.ANOTHER_ONE.match(text)
            if match is None:
                return text
            said = match[1]
            whole = self._one or phrases[-1].text
        elif not self._one:
            if place is None:
                return text
            whole = re.sub(r"^the ", "a ", phrases[-1].text)
        if said and not is_attributes_only(said):
            if not self._one or not _says_what_it_does(said, text):
                return text
            said = self._doing(said)
        if 0 <= self._group < len(phrases):
            del phrases[self._group]
            self._group = -1
        if not said:
            return whole
        if not is_attributes_only(said):
            return f"{whole} {said}"
        split = split_phrase(whole)
        return compose_prompt(split.high, "", split.instance, (said,))

    def _doing(self, said: str) -> str:
        """ "one holding a kite, the other a ball": what is left out the second time."""
        words = said.split()
        at = next((i for i, w in enumerate(words) if w in en.DETERMINERS or w in en.NUMBERS), 0)
        if at:
            self._lead = " ".join(words[:at])
            return said
        return f"{self._lead or 'with'} {said}" if words[0] in en.DETERMINERS else said


def _says_what_it_does(said: str, text: str) -> bool:
    """Whether "one ..." goes on with a verb or "with", and is no count ("one chicken")."""
    first, _, rest = said.partition(" ")
    if first in en.DETERMINERS or first in en.NUMBERS:
        return text.startswith(("the other", "another"))
    following = rest.partition(" ")[0]
    does = is_participle(first) or is_finite(first, "it", following)
    return does or first in ("with", "in", "without") or (not rest and is_third_person(first))

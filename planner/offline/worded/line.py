"""A language's table of words, and reading one part of a sentence by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...layout.relations import RelationKind
from ...layout.scene import Place, Relation
from ..draft import Draft


@dataclass(frozen=True, slots=True)
class Words:
    """A language's words, as regular expressions (case is ignored) unless said otherwise.

    Attributes:
        code: of the language.
        opens_phrase: words a noun phrase may begin with (articles, numbers).
        conjunction: between two things.
        relations: what lies how to what follows ("links von").
        relations_to_last: the same without what follows ("darunter").
        places: (pattern, x, y, depth), the longest first.
        orders: (pattern, x, y) of the first thing of a row ("von links nach rechts").
        order_words: for the notes; ``{}`` becomes the number.
        is_verb: whether a word, with the word before it, is a verb or belongs to one.
        particles: words that name nothing at the end of a phrase ("auf" of "geht auf").
        opening: "draw me", "a picture of".
        background: a whole part that is one; the group ``what`` is what it says of it.
        background_of: how that goes into a prompt; ``{}`` becomes it.
        background_end: at the end of a phrase; group 1 is kept.
        style: a whole part that is one.
        is_adjective: whether a word that stands before a noun describes it.
        is_noun: whether a word names something.
    """

    code: str
    opens_phrase: str
    conjunction: str
    relations: Mapping[RelationKind, str]
    relations_to_last: Mapping[RelationKind, str]
    places: tuple[tuple[str, float | None, float | None, int], ...]
    orders: tuple[tuple[str, float | None, float | None], ...]
    order_words: str
    is_verb: Callable[[str, str], bool]
    particles: frozenset[str]
    opening: str
    background: str
    background_of: str
    background_end: str
    style: str
    is_adjective: Callable[[str], bool]
    is_noun: Callable[[str], bool]


class Line:
    """One part, read from left to right."""

    def __init__(self, draft: Draft, words: Words) -> None:
        self._draft, self._words = draft, words
        self._before = len(draft.phrases)
        self._current: int | None = None  # what is spoken of
        self._relation: tuple[RelationKind, str] | None = None  # waits for its second thing
        self._to_last: Relation | None = None  # waits for its first thing
        self._anchor: tuple[RelationKind, str, int] | None = None  # waits for its first thing

    def take_relation(self, kind: RelationKind, words: str) -> None:
        self._relation = (kind, words)

    def take_relation_to_last(self, kind: RelationKind, words: str) -> None:
        if self._draft.phrases:
            anchor = self._draft.phrases[-1].text
            self._to_last = Relation(kind, (anchor,), words)

    def take_place(self, place: Place) -> None:
        draft = self._draft
        if self._current is not None and draft.phrases[self._current].place is None:
            draft.amend(self._current, place=place)
        else:
            draft.waiting = place if draft.waiting is None else draft.waiting.joined(place)

    def take_text(self, text: str) -> None:
        for thing in self._things(text):
            if self._relation is None:
                self._add(thing)
                continue
            kind, words = self._relation
            self._relation = None
            if kind == "between":
                self._between(thing, words)
                continue
            anchor = self._known(thing)
            if anchor is None:
                self._draft.add(thing)
                anchor = len(self._draft.phrases) - 1
            if self._current is None:  # "Auf dem Tisch steht eine Vase": what is placed comes last
                self._anchor = (kind, words, anchor)
            elif anchor != self._current:
                self._relate(self._current, kind, anchor, words)
                self._current = anchor  # a chain: what follows lies to this one

    def close(self) -> None:
        """ "..., hidden behind a cheese": said of what was named before this part."""
        if self._anchor is not None and self._before:
            kind, words, anchor = self._anchor
            if anchor >= self._before:
                self._relate(self._before - 1, kind, anchor, words)

    def _add(self, thing: str) -> None:
        draft = self._draft
        draft.add(thing, draft.with_waiting(None))
        self._current = len(draft.phrases) - 1
        if self._anchor is not None:
            kind, words, anchor = self._anchor
            self._anchor = None
            self._relate(self._current, kind, anchor, words)
        if self._to_last is not None:
            draft.amend(self._current, relation=self._to_last)
            self._to_last = None

    def _between(self, thing: str, words: str) -> None:
        pair = re.split(rf"\s+(?:{self._words.conjunction})\s+", thing, maxsplit=1)
        if self._current is None or len(pair) != 2:
            self._add(f"{words} {thing}" if self._current is None else thing)
            return
        self._draft.amend(self._current, relation=Relation("between", tuple(pair), words))

    def _relate(self, index: int, kind: RelationKind, anchor: int, words: str) -> None:
        name = self._draft.phrases[anchor].text
        self._draft.amend(index, relation=Relation(kind, (name,), f"{words} {name}"))

    def _known(self, thing: str) -> int | None:
        """The phrase that a thing names again: its last word is the same."""
        word = thing.split()[-1].lower()
        for index, phrase in enumerate(self._draft.phrases):
            if phrase.text.split()[-1].lower() == word and index != self._current:
                return index
        return None

    def _things(self, text: str) -> list[str]:
        """The noun phrases of a text; verbs part them and are left out."""
        words = self._words
        pieces: list[list[str]] = [[]]
        before = ""
        for word in text.replace(",", " ").split():
            if words.is_verb(word, before):
                pieces.append([])
            else:
                pieces[-1].append(word)
            before = word
        things = []
        for piece in pieces:
            while piece and piece[-1].lower() in words.particles:
                del piece[-1]
            joined = " ".join(piece)
            if any(words.is_noun(word) for word in piece):
                things.append(joined)
            elif joined and self._draft.phrases and piece[-1].lower() not in words.particles:
                index = len(self._draft.phrases) - 1
                if all(words.is_adjective(word) for word in piece):
                    self._draft.amend(index, trailing=joined)
        return things

"""A grammar for languages that write words apart: everything it knows is a table of words.

It looks for the words that say where something is (relations, places), cuts the text there, and
takes what lies between for things. `lang_de` is a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .draft import Draft
from .lists import list_lines
from .relations import RelationKind, kind_of, word_groups
from .scene import MAX_PART, Place, Relation, Scene

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
        background: a whole part that is one; group 1 is kept.
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
    background_end: str
    style: str
    is_adjective: Callable[[str], bool]
    is_noun: Callable[[str], bool]


class Grammar:
    """Reads texts by one table of words."""

    def __init__(self, words: Words) -> None:
        self._words = words
        places = "|".join(f"(?P<place{i}>{place[0]})" for i, place in enumerate(words.places))
        last = "|".join(f"(?P<last_{k}>{p})" for k, p in words.relations_to_last.items())
        self._where = re.compile(
            rf"(?<!\w)(?:(?:{word_groups(words.relations)})(?=\s+\S)|(?:{last})|(?:{places}))(?!\w)",
            re.IGNORECASE,
        )
        self._opens = re.compile(rf"(?:{words.opens_phrase})(?!\w)", re.IGNORECASE)
        self._opening = re.compile(words.opening, re.IGNORECASE)
        self._and = re.compile(rf"\s+(?:{words.conjunction})\s+", re.IGNORECASE)
        self._background = re.compile(words.background, re.IGNORECASE)
        self._background_end = re.compile(words.background_end, re.IGNORECASE)
        self._style = re.compile(words.style, re.IGNORECASE)
        self._orders = [
            (re.compile(rf"(?:^|[,\s]+){p}\s*:?\s*", re.IGNORECASE), x, y)
            for p, x, y in words.orders
        ]

    def read(self, text: str) -> Scene:
        """Read a sentence, a list or several sentences."""
        draft = Draft()
        for sentence in self._sentences(text):
            self._read_sentence(sentence, draft)
        return Scene(
            phrases=tuple(draft.phrases),
            background=" ".join(draft.backgrounds),
            styles=tuple(draft.styles),
            notes=draft.notes(),
            language=self._words.code,
        )

    def _sentences(self, text: str) -> list[str]:
        pieces = re.split(r"\n|;|(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s*$)|[!?]", list_lines(text))
        return [piece for piece in (piece.strip(" \t,.:") for piece in pieces) if piece]

    def _read_sentence(self, sentence: str, draft: Draft) -> None:
        sentence = self._opening.sub("", sentence, count=1)
        if self._opens.match(sentence):  # "Ein alter Mann": the capital begins the sentence only
            sentence = sentence[0].lower() + sentence[1:]
        before = len(draft.phrases)
        order = None
        for pattern, x, y in self._orders:
            match = pattern.search(sentence)
            if match:
                order = (x, y)
                sentence = f"{sentence[: match.start()]}, {sentence[match.end() :]}"
                break
        for clause in self._clauses(sentence):
            draft.clause += 1
            for part in self._parts(clause):
                self._read_part(part, draft)
        if order:
            draft.place_in_order(before, order, self._words.order_words)

    def _clauses(self, sentence: str) -> list[str]:
        """The parts between commas; adjectives before a noun stay with it."""
        merged: list[str] = []
        for clause in (piece.strip() for piece in sentence.split(",")):
            if not clause:
                continue
            if merged and self._waits_for_noun(merged[-1]) and not self._opens.match(clause):
                merged[-1] = f"{merged[-1]} {clause}"
            else:
                merged.append(clause)
        return merged

    def _waits_for_noun(self, text: str) -> bool:
        words = text.split()
        starts = [i for i, word in enumerate(words) if self._opens.fullmatch(word)]
        if not starts:
            return False
        rest = words[starts[-1] + 1 :]
        return 0 < len(rest) <= 3 and all(self._words.is_adjective(word) for word in rest)

    def _parts(self, clause: str) -> list[str]:
        """Split at each "and" that separates two things, not at the one in "between A and B"."""
        pieces = self._and.split(clause)
        merged: list[str] = []
        for piece in (piece.strip() for piece in pieces):
            if not piece:
                continue
            between = merged and self._open_between(merged[-1])
            if merged and (between or not self._names_something(merged[-1])):
                joint = self._and.search(clause)
                merged[-1] = f"{merged[-1]}{joint[0] if joint else ' '}{piece}"
            else:
                merged.append(piece)
        return merged

    def _open_between(self, text: str) -> bool:
        match = self._where.search(text)
        return bool(match and match.groupdict().get("between")) and not self._and.search(text)

    def _names_something(self, text: str) -> bool:
        return any(self._words.is_noun(word) for word in text.split())

    def _read_part(self, part: str, draft: Draft) -> None:
        if len(part) > MAX_PART:
            draft.add(part)
            return
        match = self._background.match(part)
        if match:
            draft.backgrounds.append(match[1])
            return
        if self._style.fullmatch(part):
            draft.styles.append(part)
            return
        match = self._background_end.search(part)
        if match and match.start():
            draft.backgrounds.append(match[1].strip())
            part = part[: match.start()]
        self._read_places(part, draft)

    def _read_places(self, part: str, draft: Draft) -> None:
        """Things, and the words between them that say where they are."""
        line = _Line(draft, self._words)
        at = 0
        for match in self._where.finditer(part):
            line.take_text(part[at : match.start()])
            at = match.end()
            groups = match.groupdict()
            last = next((k for k in self._words.relations_to_last if groups.get(f"last_{k}")), None)
            if last is not None:
                line.take_relation_to_last(last, match[0])
            elif any(groups.get(kind) for kind in self._words.relations):
                line.take_relation(kind_of(match), match[0])
            else:
                number = next(i for i in range(len(self._words.places)) if groups.get(f"place{i}"))
                _, x, y, depth = self._words.places[number]
                line.take_place(Place(x=x, y=y, depth=depth, words=match[0]))
        line.take_text(part[at:])
        line.close()


class _Line:
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

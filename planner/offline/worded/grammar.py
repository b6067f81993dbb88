"""A grammar for languages that write words apart: everything it knows is a table of words.

It looks for the words that say where something is (relations, places), cuts the text there, and
takes what lies between for things. `de` is a table.
"""

from __future__ import annotations

import re

from ...layout.relations import RelationKind, kind_of, word_groups
from ...layout.scene import MAX_PART, Place, Scene
from ..draft import Draft
from ..lists import sentence_pieces
from .line import Line, Words


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
        for sentence in sentence_pieces(text):
            self._read_sentence(sentence, draft)
        return Scene(
            phrases=tuple(draft.phrases),
            background=" ".join(draft.backgrounds),
            styles=tuple(draft.styles),
            notes=draft.notes(),
            language=self._words.code,
        )

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
            what = match["what"]
            draft.backgrounds.append(self._words.background_of.format(what) if what else part)
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
        line = Line(draft, self._words)
        at = 0
        for match in self._where.finditer(part):
            line.take_text(part[at : match.start()])
            at = match.end()
            groups = match.groupdict()
            last: RelationKind | None = next(
                (k for k in self._words.relations_to_last if groups.get(f"last_{k}")), None
            )
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

"""What has been read of a text so far: both grammars add to it part after part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..layout.scene import Phrase, Place, Relation


@dataclass(slots=True)
class Draft:
    """A scene in the making; later parts may add to earlier phrases.

    Attributes:
        phrases, backgrounds, setting, styles: as in `Scene`.
        waiting: a position that was said before its phrase.
        clause: number of the clause that is being read.
        sentences: the text as written, without "please draw".
        prose: whether a verb told things apart, so that only the sentences say what goes on.
    """

    phrases: list[Phrase] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    setting: str = ""
    styles: list[str] = field(default_factory=list)
    waiting: Place | None = None
    clause: int = 0
    sentences: list[str] = field(default_factory=list)
    prose: bool = False

    def add(
        self, text: str, place: Place | None = None, relations: Sequence[Relation] = ()
    ) -> None:
        """A phrase of the current clause."""
        self.phrases.append(Phrase(text, place, tuple(relations), clause=self.clause))

    def amend(
        self,
        index: int,
        *,
        trailing: str | None = None,
        place: Place | None = None,
        relation: Relation | None = None,
    ) -> None:
        """More about a phrase that is there: a new place replaces its own."""
        phrase = self.phrases[index]
        if trailing is not None:
            phrase = replace(phrase, trailing=(*phrase.trailing, trailing))
        if place is not None:
            phrase = replace(phrase, place=place)
        if relation is not None:
            phrase = replace(phrase, relations=(*phrase.relations, relation))
        self.phrases[index] = phrase

    def extend(self, index: int, words: str) -> None:
        """More words at the end of a phrase that is there."""
        phrase = self.phrases[index]
        self.phrases[index] = replace(phrase, text=f"{phrase.text}, {words}")

    def place_alone(self, place: Place) -> None:
        """A part that is only a position: of the phrase before it, unless that one has one."""
        if self.phrases and self.phrases[-1].place is None and self.waiting is None:
            self.amend(-1, place=place)
        else:
            self.waiting = place if self.waiting is None else self.waiting.joined(place)

    def with_waiting(self, place: Place | None) -> Place | None:
        """The place of the next phrase, with the position that waited for it."""
        waiting, self.waiting = self.waiting, None
        if waiting is None or place is None:
            return waiting if place is None else place
        return place.joined(waiting)

    def place_in_order(
        self,
        start: int,
        origin: tuple[float | None, float | None],
        words: str,
        end: int | None = None,
    ) -> None:
        """ "From left to right": the phrases from ``start`` on, evenly along that axis.

        Args:
            start: index of the first of them.
            origin: x and y of where they begin; None on the other axis.
            words: for the notes; ``{}`` becomes the phrase's number.
            end: index after the last of them; None: all.
        """
        count = (len(self.phrases) if end is None else end) - start
        x, y = origin
        for k in range(count if count > 1 else 0):
            share = k / (count - 1)
            place = Place(
                x=None if x is None else abs(x - share),
                y=None if y is None else abs(y - share),
                words=words.format(k + 1),
            )
            if self.phrases[start + k].place is None:
                self.amend(start + k, place=place)

    def notes(self) -> tuple[str, ...]:
        """What was said and belongs to nothing, in sentences."""
        if self.waiting is None:
            return ()
        return (f'"{self.waiting.words}" belongs to nothing that could be found.',)

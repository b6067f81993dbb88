"""What a sentence says, before anything is placed: the common result of both grammars."""

from __future__ import annotations

from dataclasses import dataclass

from .relations import RelationKind

# Longer parts between two commas are no description of one thing; they are kept as they are, since
# the grammars' patterns take time that grows faster than the text.
MAX_PART = 300


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phrase is said to be.

    Attributes:
        x, y: 0 (left, top) to 1 (right, bottom), None where nothing is said.
        row, column: 0-based, negative counts from the end; None where nothing is said.
        depth: -1 in the background, 1 in the foreground, 0 where nothing is said.
        words: the person's own words, for the notes.
    """

    x: float | None = None
    y: float | None = None
    row: int | None = None
    column: int | None = None
    depth: int = 0
    words: str = ""

    @property
    def on_canvas(self) -> bool:
        """Whether a place in the picture plane is meant, not only a depth."""
        return any(value is not None for value in (self.x, self.y, self.row, self.column))

    def joined(self, other: Place) -> Place:
        """Both statements together ("at the top" and "on the left"); the first one wins."""
        return Place(
            x=other.x if self.x is None else self.x,
            y=other.y if self.y is None else self.y,
            row=other.row if self.row is None else self.row,
            column=other.column if self.column is None else self.column,
            depth=self.depth or other.depth,
            words=" ".join(part for part in (self.words, other.words) if part),
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """How a phrase lies to others.

    Attributes:
        kind: what is said.
        anchors: the other phrases as written; two of them for "between", else one.
        words: the person's own words ("next to the window").
    """

    kind: RelationKind
    anchors: tuple[str, ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One thing to be shown.

    Attributes:
        text: as written, without its position words ("three black kittens").
        place: where it is said to be, or None.
        relations: to other phrases.
        trailing: parts said after a comma ("glossy", "made of glass").
        clause: number of the comma- or stop-separated clause it stands in.
    """

    text: str
    place: Place | None = None
    relations: tuple[Relation, ...] = ()
    trailing: tuple[str, ...] = ()
    clause: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """A parsed sentence.

    Attributes:
        phrases: the things to be shown, in the order they are named.
        background: as it is appended to a prompt ("on black background", "in a room").
        setting: the place that the sentence opens with ("a room"), if it does.
        styles: style clauses ("watercolor style").
        notes: what was not understood, in sentences.
        language: the sentence's language ("en"), which the prompts keep.
        stated: the text as written, where its verbs say more than the phrases do; else "".
    """

    phrases: tuple[Phrase, ...]
    background: str = ""
    setting: str = ""
    styles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    language: str = "en"
    stated: str = ""

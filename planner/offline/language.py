"""What the offline planner needs to know of a language, beside its grammar."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..layout.scene import Scene


@dataclass(frozen=True, slots=True)
class SplitPhrase:
    """`high` keeps the object and everything that is not appearance ("a circle").

    Attributes:
        high: the phrase without its attributes.
        instance: the object's noun or compound ("circle", "fire truck").
        attributes: in the order they were written ("dark red", "glossy").
    """

    high: str
    instance: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """One language, as a row in `languages.LANGUAGES`.

    Attributes:
        code: two letters, as in `Scene.language`.
        read: a text into a scene.
        split: a phrase and its later attributes into object and attributes.
        count: how many of it, and the phrase for one of them.
        noun: the bare noun of a phrase, in lower case, as it stands in the lists below.
        same: whether two split phrases name the same thing.
        comma: between the parts of a prompt.
        last: before the last of several things.
        between: between the others of several things.
        space: between words.
        includes: "a room with ...": setting and things.
        definite: how a phrase begins that speaks of something known; "" if that is not told.
        before_background: pattern of the words that a background loses as a prompt of its own.
        nothing: phrases that name an empty region.
        usually_high, usually_low: nouns that have their place in a picture.
        rather_low: nouns that decide between cells that fit equally well.
        wide: nouns that reach across a picture.
        sizes: words for how large a thing is, as (width, height) factors on an even cell.
        markers: words by which a text is known to be in this language.
    """

    code: str
    read: Callable[[str], Scene]
    split: Callable[[str, tuple[str, ...]], SplitPhrase]
    count: Callable[[str], tuple[int, str]]
    noun: Callable[[str], str]
    same: Callable[[SplitPhrase, SplitPhrase], bool]
    comma: str = ", "
    last: str = " and "
    between: str = ", "
    space: str = " "
    includes: str = "{} with {}"
    definite: str = ""
    before_background: str = r"(?!)"
    nothing: Collection[str] = ()
    usually_high: Collection[str] = ()
    usually_low: Collection[str] = ()
    rather_low: Collection[str] = ()
    wide: Collection[str] = ()
    sizes: Mapping[str, tuple[float, float]] | None = None
    markers: frozenset[str] = frozenset()

    def join(self, texts: Sequence[str]) -> str:
        """ "a", "a and b", "a, b and c"."""
        if len(texts) == 1:
            return texts[0]
        return self.between.join(texts[:-1]) + self.last + texts[-1]

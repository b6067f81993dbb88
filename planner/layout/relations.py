"""The relations between things: one table for every language.

A relation is a direction on the canvas or in depth. Grammars only say which of their words mean
which relation; where things then go follows from this table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RelationKind = Literal[
    "left_of", "right_of", "above", "below", "next_to", "between", "in_front_of", "behind"
]


@dataclass(frozen=True, slots=True)
class Direction:
    """Where the first thing lies, seen from the second.

    Attributes:
        dx, dy: -1 left or above, 1 right or below, 0 not said.
        depth: 1 nearer the viewer, -1 farther, 0 not said.
        inverse: what the second thing is to the first.
    """

    dx: int
    dy: int
    depth: int
    inverse: RelationKind


RELATIONS: Mapping[RelationKind, Direction] = {
    "left_of": Direction(-1, 0, 0, "right_of"),
    "right_of": Direction(1, 0, 0, "left_of"),
    "above": Direction(0, -1, 0, "below"),
    "below": Direction(0, 1, 0, "above"),
    "in_front_of": Direction(0, 0, 1, "behind"),
    "behind": Direction(0, 0, -1, "in_front_of"),
    "next_to": Direction(0, 0, 0, "next_to"),
    "between": Direction(0, 0, 0, "next_to"),
}


def word_groups(words: Mapping[RelationKind, str]) -> str:
    """One alternation of a language's words (patterns), each kind a named group."""
    return "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in words.items())


def kind_of(match: re.Match[str]) -> RelationKind:
    """The relation whose group of `word_groups` matched."""
    return next(kind for kind in RELATIONS if match.groupdict().get(kind))

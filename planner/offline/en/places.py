"""Position words of English: where they point, and how they are cut out of a phrase."""

from __future__ import annotations

import re

from ...layout.relations import kind_of, word_groups
from ...layout.scene import Place, Relation, RelationKind

JOINED = "\ue000"  # stands for an "and" that does not separate two things

_X = {"left": 0.0, "right": 1.0, "leftmost": 0.0, "rightmost": 1.0}
_Y = {"top": 0.0, "upper": 0.0, "bottom": 1.0, "lower": 1.0}
_MIDDLE = r"(?:middle|cent(?:er|re)|central)"
_ORDINALS = {
    "first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3,
    "fifth": 4, "5th": 4, "sixth": 5, "6th": 5, "seventh": 6, "7th": 6, "eighth": 7, "8th": 7,
    "last": -1,
}  # fmt: skip

_IN = (
    r"(?:(?:placed |located |positioned |standing |sitting )?"
    r"(?:on|in|at|to|towards?|along|near) )"
)
_FAR = r"(?:far |very |extreme |exact |dead |absolute )?"
_PART = (
    r"(?:[- ]?hand)?(?:[- ](?:side|half|part|third|quarter|corner|edge|area|panel|region|portion|"
    r"section|quadrant|cell|middle|cent(?:er|re)))*"
)
_CANVAS = (
    r"(?:(?: of| in) (?:the |this )?"
    r"(?:picture|image|canvas|frame|scene|composition|painting|photo|photograph|page|screen))?"
)
# "on the left wall" says where something is in the world, not on the canvas.
_NOT_WORLD = (
    r"(?![- ]?(?:hand(?! side)|handed|arm|eye|ear|leg|foot|shoulder|knee|cheek|wing|bank|lane|shoe"
    r"|sleeve|wall|page|shelf|drawer|floor|deck|hat|behind|over|angle|now)\b)(?! of\b)"
    r"(?![- ](?:hand[- ])?(?:side|part|half|end|edge|corner) of\b)"
)
_ROW = re.compile(
    r"\b(?:in|on|of) the (?P<row>first|second|third|fourth|fifth|sixth|seventh|eighth|last|top|"
    r"middle|bottom|\d(?:st|nd|rd|th)) row\b"
)
_COLUMN = re.compile(
    r"\b(?:in|on|of) the (?P<column>first|second|third|fourth|fifth|sixth|seventh|eighth|last|left|"
    r"middle|right|\d(?:st|nd|rd|th)) column\b"
)
_ROW_N = re.compile(r"\b(?:in |at )?row (?P<row>[1-8]),? (?:and )?column (?P<column>[1-8])\b")

_VERTICAL = r"(?:top|upper|bottom|lower)"
_HORIZONTAL = r"(?:left|right)"
_CORNER = re.compile(
    rf"(?:\b{_IN})?(?:\bthe )?\b{_FAR}"
    rf"(?:(?P<v>{_VERTICAL}|{_MIDDLE})[- ](?P<h>{_HORIZONTAL}|{_MIDDLE})"
    rf"|(?P<h2>{_HORIZONTAL}|{_MIDDLE})[- ](?P<v2>{_VERTICAL}))\b{_PART}{_CANVAS}{_NOT_WORLD}"
)
_SIMPLE = re.compile(
    rf"\b{_IN}(?:(?:the|its|your) )?{_FAR}(?P<word>left|right|top|bottom|upper|lower|{_MIDDLE})"
    rf"(?:most)?\b{_PART}{_CANVAS}{_NOT_WORLD}"
)
_BARE_END = re.compile(
    rf"(?:^|(?<!\bthe)(?<!\ban)(?<!\ba)(?<!\bfrom)\s)(?P<word>left|right|top|bottom|{_MIDDLE}|above|below|overhead|underneath|beneath"
    r"|centered|centred)$"
)
_BARE_START = re.compile(
    rf"^(?:the )?{_FAR}(?P<word>left|right|top|bottom|upper|lower|{_MIDDLE}|leftmost|rightmost)"
    rf"{_PART}{_CANVAS}\s*(?::|=|-|–|—|\b(?:shows|contains|has|holds|features|is|are|displays|depicts)\b"
    r"|(?=\s(?:an?|the|two|three|some|several|there)\b))\s*"
)
_CORNER_START = re.compile(r"^\s*(?::|=|-|–|—|\b(?:shows|contains|has|holds|features|is|are)\b)\s*")
_CENTERED = re.compile(r"\b(?:centered|centred)(?: in the (?:frame|picture|image))?\b")
_BACK = re.compile(
    rf"\b(?:far )?(?:in|into) the (?:far )?(?:background|distance|back)\b{_CANVAS}|\bfar away\b"
    rf"|\b(?:at|in) the back\b(?! of\b)"
)
_FRONT = re.compile(
    rf"\bin the (?:near |close )?foreground\b{_CANVAS}|\b(?:at|in) the front\b(?! of\b)"
    r"|\bclose to the (?:viewer|camera)\b|\bup close\b|\bin the front\b(?! of\b)"
)

_SIDE = r"(?:(?:immediate|far|very) )?"
_OF = (
    r"(?:[- ]?hand)?(?:[- ]?most)?(?:[- ](?:side|part|half|end|edge|corner))?(?: (?:end|side))? of"
)
_TO = r"(?:(?:up )?(?:on|to|at|in|towards?|along)(?: the)? )?"
# What the words of a relation may begin with: "is directly above", "sitting right next to".
_EXACTLY = r"(?:(?:directly|just|right|high|immediately|slightly|far|partly|partially|half) )?"
_MOVING = r"(?:(?:hovering|floating|flying|hanging|suspended|soaring|towering|looming) )?"
_NOT_OWN = r"(?! (?:his|her|its|their|my|your|one)\b)"  # "a bag over her shoulder"
# "by" says where only before something that can stand there: "a book by Tolstoy" stays.
_BY = r"|by(?= (?:an?|the) )"
RELATION_WORDS: dict[RelationKind, str] = {
    "between": r"(?:in |right )?between|in the middle of(?= .+ (?:and|\ue000) )|sandwiched between",
    "left_of": rf"{_TO}{_SIDE}left{_OF}",
    "right_of": rf"{_TO}{_SIDE}right{_OF}",
    "above": rf"{_EXACTLY}{_MOVING}(?:above|over{_NOT_OWN})|atop(?: of)?"
    rf"|{_TO}(?:very )?(?:top|upper){_OF}",
    "in_front_of": rf"{_EXACTLY}in(?: the)? front of|obscuring|hiding",
    "behind": rf"{_EXACTLY}(?:hid(?:den|ing) |concealed |obscured |blocked )?"
    r"(?:behind|in(?: the)? back of|at the back of)"
    r"|(?:hidden|concealed|obscured|covered up|blocked) by",
    "below": rf"{_EXACTLY}{_MOVING}(?:below|beneath|underneath|under)"
    rf"|{_TO}(?:very )?(?:bottom|lower|foot|base){_OF}",
    "next_to": rf"{_EXACTLY}(?:next to|beside|alongside|adjacent to|close to|near(?:by| to)?{_BY})"
    r"|(?:on|by|at) (?:the |one |either )?side of|side by side with|in the vicinity of",
}
_RELATION = re.compile(rf"\b(?:{word_groups(RELATION_WORDS)})\s+(?P<anchor>.+)$", re.IGNORECASE)
_BEGINS = re.compile(rf"(?:{word_groups(RELATION_WORDS)})\s", re.IGNORECASE)


def begins_relation(text: str) -> bool:
    """Whether a text opens with the words of a relation ("on top of the shelf")."""
    return _BEGINS.match(text) is not None


def take_places(text: str) -> tuple[str, Place | None]:
    """Cut the position words out of a phrase.

    Returns:
        the phrase without them, and where they point, or None without any.
    """
    place: Place | None = None

    def add(found: Place) -> None:
        nonlocal place
        place = found if place is None else place.joined(found)

    for pattern, read in _READERS:
        match = pattern.search(text.lower())
        if match is None:
            continue
        add(read(match))
        rest = text[match.end() :]
        if match.start() == 0:
            rest = _CORNER_START.sub("", rest)
        text = f"{text[: match.start()].rstrip()} {rest.lstrip(' ')}".strip(" ,:")
    return text, place


def take_relation(text: str) -> tuple[str, Relation | None]:
    """Cut "to the left of the cat" off the end of a phrase."""
    match = _RELATION.search(text)
    if match is None:
        return text, None
    kind = kind_of(match)
    anchor = match["anchor"].strip(" ,")
    anchors: tuple[str, ...] = (anchor,)
    if kind == "between":
        parts = re.split(rf"\s+(?:and|{JOINED})\s+", anchor, maxsplit=1)
        pair = re.match(r"(?:the )?(?:two|2) ", anchor)
        if len(parts) != 2 and not pair:
            return text, None  # "between the trees": nothing to be between can be told apart
        anchors = tuple(parts)
    return text[: match.start()].strip(" ,"), Relation(kind, anchors, match[0].strip())


def _read_corner(match: re.Match[str]) -> Place:
    vertical, horizontal = match["v"] or match["v2"], match["h"] or match["h2"]
    return Place(x=_X.get(horizontal, 0.5), y=_Y.get(vertical, 0.5), words=match[0].strip(" :"))


def _read_word(match: re.Match[str]) -> Place:
    word, words = match["word"], match[0].strip(" :")
    if word in _X:
        return Place(x=_X[word], words=words)
    if word in ("above", "overhead"):
        return Place(y=0.0, words=words)
    if word in ("below", "underneath", "beneath"):
        return Place(y=1.0, words=words)
    if word in _Y:
        return Place(y=_Y[word], words=words)
    return Place(x=0.5, y=0.5, words=words)


def _read_row(match: re.Match[str]) -> Place:
    word = match["row"]
    if word == "middle":
        return Place(y=0.5, words=match[0])
    return Place(row={"top": 0, "bottom": -1}.get(word, _ORDINALS.get(word, 0)), words=match[0])


def _read_column(match: re.Match[str]) -> Place:
    word = match["column"]
    if word == "middle":
        return Place(x=0.5, words=match[0])
    return Place(column={"left": 0, "right": -1}.get(word, _ORDINALS.get(word, 0)), words=match[0])


def _read_cell(match: re.Match[str]) -> Place:
    return Place(row=int(match["row"]) - 1, column=int(match["column"]) - 1, words=match[0])


_READERS = (
    (_ROW_N, _read_cell),
    (_ROW, _read_row),
    (_COLUMN, _read_column),
    (_CORNER, _read_corner),
    (_SIMPLE, _read_word),
    (_SIMPLE, _read_word),  # "at the top on the left"
    (_BARE_START, _read_word),
    (_CENTERED, lambda match: Place(x=0.5, y=0.5, words=match[0])),
    (_BACK, lambda match: Place(depth=-1, words=match[0])),
    (_FRONT, lambda match: Place(depth=1, words=match[0])),
    (_BARE_END, _read_word),
)

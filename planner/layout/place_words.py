"""Places of the canvas in a few words, and the words for a box: "top left", "right third"."""

from __future__ import annotations

import re

from ..plan import Box
from .cells import center

_HALVES = {"left": (0.0, 0.5), "right": (0.5, 1.0), "top": (0.0, 0.5), "bottom": (0.5, 1.0)}
_THIRDS = {
    "left": (0.0, 1 / 3),
    "center": (1 / 3, 2 / 3),
    "right": (2 / 3, 1.0),
    "top": (0.0, 1 / 3),
    "middle": (1 / 3, 2 / 3),
    "bottom": (2 / 3, 1.0),
}
_SAME = {"centre": "center", "upper": "top", "lower": "bottom", "full": "whole", "all": "whole"}
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
CENTER: Box = (0.25, 0.25, 0.75, 0.75)
_FULL_SHARE = 0.75  # of an axis; a box that takes as much lies nowhere in particular along it
PLACES = (
    "left, right, top, bottom, center, whole, top left, bottom right ..., left third, "
    "center third, right third, top third, middle third, bottom third"
)


def box_of_words(words: str) -> Box | None:
    """The box that a few words name, or None: halves, quarters, thirds, the center, the whole.

    "left" is the left half, "top left" a quarter, "left third" a third, "center" the middle half
    each way.
    """
    parts = [_SAME.get(word, word) for word in re.split(r"[\s-]+", words.strip().lower()) if word]
    parts = [word for word in parts if word not in ("half", "side", "corner", "the")]
    if parts in (["whole"], ["everywhere"]):
        return WHOLE
    if parts in (["center"], ["middle"], ["center", "center"]):
        return CENTER
    if len(parts) == 2 and parts[1] == "third" and parts[0] in _THIRDS:
        return _box_along(parts[0], _THIRDS[parts[0]])
    if len(parts) == 1 and parts[0] in _HALVES:
        return _box_along(parts[0], _HALVES[parts[0]])
    if len(parts) == 2 and parts[0] in ("top", "bottom") and parts[1] in ("left", "right"):
        (y0, y1), (x0, x1) = _HALVES[parts[0]], _HALVES[parts[1]]
        return x0, y0, x1, y1
    return None


def words_of_box(box: Box) -> str:
    """Where a box lies, as a picture's caption would say it: "on the left", "at the top right".

    An axis of which the box takes three quarters or more is not spoken of; a box that takes both
    is "across the picture".
    """
    x, y = center(box)
    tall = box[3] - box[1] >= _FULL_SHARE
    wide = box[2] - box[0] >= _FULL_SHARE
    across = "" if wide else _third_of(x, "left", "right")
    down = "" if tall else _third_of(y, "top", "bottom")
    if tall and wide:
        return "across the picture"
    if across and down:
        return f"at the {down} {across}"
    if down:
        return f"at the {down}"
    return f"on the {across}" if across else "in the center"


def _box_along(word: str, part: tuple[float, float]) -> Box:
    """A column for words of the width, a row for words of the height."""
    lo, hi = part
    return (0.0, lo, 1.0, hi) if word in ("top", "middle", "bottom") else (lo, 0.0, hi, 1.0)


def _third_of(position: float, low: str, high: str) -> str:
    return low if position < 0.4 else high if position > 0.6 else ""

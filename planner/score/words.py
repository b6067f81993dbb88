"""Whether a prompt shows a thing, and whether boxes keep a relation: what every score is made of.

Written apart from the planner's own grammar, so that a fault of the grammar cannot hide in its
score: words are compared as written, but for their number (a kitten, kittens).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..compose import is_cjk
from ..offline.en.lexicon import words
from ..plan import RegionPlan

EPS = 1e-3
_IRREGULAR = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "mice": "mouse",
    "geese": "goose", "teeth": "tooth", "feet": "foot", "wolves": "wolf", "knives": "knife",
    "leaves": "leaf", "shelves": "shelf", "loaves": "loaf", "oxen": "ox",
}  # fmt: skip
# A prompt that ends in one of these was cut in the middle of a sentence.
_CUT = words(
    """
    is are was were be been being am has have had does did will would can could should a an
    the and or but of in on at to with by from into onto over under near beside behind
    between above below through across along against for as than that which who whose its
    their his her stands stood sits sat lies lay hangs hung rests rested leans leaned runs
    ran shines shone stretched loomed drew gave made added rang flew swam sang looks looked
    contrasted
    """
)


def singular_forms(word: str) -> set[str]:
    """The word and what it may be the plural of, in lower case ("cherries": cherry, cherrie)."""
    word = word.casefold()
    forms = {word, _IRREGULAR.get(word, word)}
    if word.endswith("s") and len(word) > 3:
        forms.add(word[:-1])
        if word.endswith("es"):
            forms.add(word[:-2])
        if word.endswith("ies"):
            forms.add(word[:-3] + "y")
    return forms


def shows(prompt: str, thing: str) -> bool:
    """Whether all words of `thing` stand in the prompt, the last of them in either number."""
    return position_of(prompt, thing) is not None


def position_of(prompt: str, thing: str) -> int | None:
    """Index of the word at which `thing` begins in the prompt, of the character in Chinese."""
    if is_cjk(thing):
        index = prompt.find(thing)
        return None if index < 0 else index
    wanted = re.findall(r"[^\W_]+", thing)
    words = re.findall(r"[^\W_]+", prompt)
    if not wanted:
        return None
    for start in range(len(words) - len(wanted) + 1):
        window = words[start : start + len(wanted)]
        if all(singular_forms(a) & singular_forms(b) for a, b in zip(window, wanted, strict=True)):
            return start
    return None


def region_of(regions: Sequence[RegionPlan], thing: str, avoid: Sequence[int] = ()) -> int | None:
    """The region that shows a thing; of several the one that names it first in its prompt."""
    best: tuple[int, int, int] | None = None
    for index, region in enumerate(regions):
        found = position_of(region.prompt(), thing)
        if found is None:
            continue
        rank = (int(index in avoid), found, index)
        if best is None or rank < best:
            best = rank
    return None if best is None else best[2]


def keeps(kind: str, first: RegionPlan, second: RegionPlan) -> bool:
    """Whether the boxes (for depth also the order) of two regions keep a relation.

    Args:
        kind: left, right, above, below, front, behind or near; `first` lies so to `second`.
    """
    if first.box is None or second.box is None:
        return False
    a, b = first.box, second.box
    dx = (a[0] + a[2] - b[0] - b[2]) / 2
    dy = (a[1] + a[3] - b[1] - b[3]) / 2
    if kind == "left":
        return dx < -EPS and abs(dx) >= abs(dy) - EPS
    if kind == "right":
        return dx > EPS and abs(dx) >= abs(dy) - EPS
    if kind == "above":
        return dy < -EPS and abs(dy) >= abs(dx) - EPS
    if kind == "below":
        return dy > EPS and abs(dy) >= abs(dx) - EPS
    if kind == "front":
        return first.order > second.order
    if kind == "behind":
        return first.order < second.order
    gap_x = max(a[0], b[0]) - min(a[2], b[2])
    gap_y = max(a[1], b[1]) - min(a[3], b[3])
    return max(gap_x, gap_y) <= 0.12 and a != b


def is_sound(prompt: str) -> bool:
    """Whether a prompt names something and does not end in the middle of a sentence."""
    words = re.findall(r"[\w'-]+", prompt.casefold())
    return bool(words) and words[-1] not in _CUT

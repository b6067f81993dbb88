"""Score a picture of the synthetic world against what each region asked for."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .detector import Detection, detect
from .world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES, Kind

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) as fractions of the canvas."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a prompt asks for: kinds in order of mention, and the first background named."""

    kinds: tuple[Kind, ...]
    background: str | None


@dataclass(frozen=True, slots=True)
class RegionScore:
    """How one region came out. Shares are 0..1 of the region's object-coloured pixels.

    Attributes:
        wanted: the (colour, shape) asked for, None for a region without an object.
        color_present: an object of the right colour has its centre in the region.
        present: an object of the right colour and shape has its centre and most of its area in
            the region and is of sensible size. For a region without an object: it is empty.
        dominates: the right colour covers more than half of the object-coloured pixels.
        own_share: share of the right colour, 0 if nothing was drawn.
        leak_share: share of all other colours, 0 if nothing was drawn.
        foreign_objects: objects of another kind centred in the region.
        own_objects: objects of the right kind centred in the region.
        background_right: whether the named background prevails, None if none was named.
    """

    wanted: Kind | None
    color_present: bool
    present: bool
    dominates: bool
    own_share: float
    leak_share: float
    foreign_objects: int
    own_objects: int
    background_right: bool | None


def parse_prompt(text: str) -> Wanted:
    """Read the world's words out of a prompt: "a red circle on black background".

    A colour directly followed by a shape is an object; plurals count. Unknown words are skipped.
    """
    words = [w.removesuffix("s") if w.removesuffix("s") in SHAPES else w for w in
             re.findall(r"[a-z]+", text.lower().replace("grey", "gray"))]  # fmt: skip
    pairs = itertools.pairwise(words)
    kinds = [(a, b) for a, b in pairs if a in COLOR_NAMES and b in SHAPES]
    background = next((w for w in words if w in BACKGROUND_NAMES), None)
    return Wanted(tuple(dict.fromkeys(kinds)), background)


def region_mask(region: Box | np.ndarray, height: int, width: int) -> np.ndarray:
    """Boolean [height, width] of a box in fractions, or of a mask [h, w] of any size (> 0.5)."""
    if isinstance(region, np.ndarray):
        if region.ndim != 2:
            raise ValueError(
                f"A region mask of shape {region.shape} was given; expected [height, width]."
            )
        rows = (np.arange(height) + 0.5) * region.shape[0] / height
        cols = (np.arange(width) + 0.5) * region.shape[1] / width
        return region[rows.astype(int)[:, None], cols.astype(int)[None]] > 0.5
    x0, y0, x1, y1 = region
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    return ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))[None]


def score_region(found: Detection, region: Box | np.ndarray, wanted: Wanted) -> RegionScore:
    """Score one region of a detection; of several wanted kinds the first is scored."""
    height, width = found.instances.shape
    inside = region_mask(region, height, width)
    region_area = max(np.count_nonzero(inside), 1)
    kind = wanted.kinds[0] if wanted.kinds else None
    color_present = present = False
    own = foreign = 0
    for number, o in enumerate(found.objects, 1):
        row, col = int(o.y_frac * height), int(o.x_frac * width)
        if not inside[min(row, height - 1), min(col, width - 1)]:
            continue
        same_color = kind is not None and o.color == kind[0]
        color_present |= same_color
        if not same_color or (o.shape != kind[1] if kind else True):
            foreign += 1
            continue
        own += 1
        pixels = found.instances == number
        area = np.count_nonzero(pixels)
        whole = np.count_nonzero(pixels & inside) >= 0.7 * area
        present |= whole and 0.02 * region_area <= area <= 0.95 * region_area
    drawn = found.colors[inside]
    drawn = drawn[drawn >= 0]
    if kind is None:
        present = foreign == 0
        own_share = 0.0
    else:
        own_share = float(np.mean(drawn == COLOR_NAMES.index(kind[0]))) if drawn.size else 0.0
    return RegionScore(
        wanted=kind,
        color_present=bool(color_present),
        present=bool(present),
        dominates=own_share > 0.5,
        own_share=own_share,
        leak_share=1 - own_share if drawn.size else 0.0,
        foreign_objects=foreign,
        own_objects=own,
        background_right=_background_right(found, inside, wanted.background),
    )


def _background_right(found: Detection, inside: np.ndarray, name: str | None) -> bool | None:
    if name is None:
        return None
    counts = np.bincount(found.backgrounds[inside & (found.backgrounds >= 0)], minlength=4)
    return bool(counts.any()) and BACKGROUND_NAMES[int(counts.argmax())] == name


def score_picture(
    picture: np.ndarray, regions: Sequence[Box | np.ndarray], prompts: Sequence[str]
) -> tuple[RegionScore, ...]:
    """Score a picture, region by region.

    Args:
        picture: float [H, W, 3] in 0..1.
        regions: boxes as fractions, or masks [h, w] in 0..1.
        prompts: one prompt per region, such as "a red circle on black background".
    """
    if len(regions) != len(prompts):
        raise ValueError(f"{len(regions)} regions were given with {len(prompts)} prompts.")
    found = detect(picture)
    return tuple(
        score_region(found, region, parse_prompt(prompt))
        for region, prompt in zip(regions, prompts, strict=True)
    )


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927), 95 % by default; (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)

"""Two overlapping boxes, one in front of the other: scenes, and what a picture shows of them.

The object of the rear box may be partly hidden: it is looked for as a whole shape of which only the
part outside of the front object is drawn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from semantic_scenes import LEAST_SIDE, MOST_SIDE, Layout, Scene, make_scene

LEAST_SHARED, MOST_SHARED = 0.3, 0.5
"""Share of a box that the other one covers."""
GRID = 48  # pixels a side on which whole shapes are fitted to what is seen
GOOD_FIT = 0.8  # intersection over union, as the detector asks
BETTER_BY = 0.03  # than the other shapes, as the detector asks
SEEN_AS_HIDDEN = 0.05  # share of a shape


def overlapping_boxes(rng: random.Random) -> tuple[Any, tuple[Any, ...], bool]:
    """(RegionSet, scored boxes, False); the second region lies in front."""
    from regional_dit.attention.canvas.regions import Box, Region, RegionSet

    while True:
        w, h = (rng.uniform(LEAST_SIDE, MOST_SIDE) for _ in range(2))
        dx, dy = rng.uniform(0.0, 0.98 - w), rng.uniform(0.0, 0.98 - h)
        if LEAST_SHARED <= (1 - dx / w) * (1 - dy / h) <= MOST_SHARED:
            break
    left, top = rng.uniform(0.01, 0.99 - w - dx), rng.uniform(0.01, 0.99 - h - dy)
    boxes = [(left, top, left + w, top + h), (left + dx, top + dy, left + dx + w, top + dy + h)]
    if rng.random() < 0.5:  # from the lower left to the upper right
        boxes = [(1 - x1, y0, 1 - x0, y1) for x0, y0, x1, y1 in boxes]
    rng.shuffle(boxes)
    regions = tuple(Region(Box(*box), order=index) for index, box in enumerate(boxes))
    return RegionSet(regions), tuple(boxes), False


LAYOUT = Layout("occlusion2", 2, 256, overlapping_boxes)


def scene_of(number: int) -> Scene:
    return make_scene(LAYOUT, number)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture shows of a scene.

    Attributes:
        front: the front object is right (colour, shape, place), and whole.
        rear: the rear object is right, whole or partly hidden by the front one.
        hidden: share of the rear object's whole shape that the front one hides; 0 where not right.
        front_in_shared: share of the front object's colour among what is drawn where boxes overlap.
        foreign: objects of other colours than the two.
    """

    front: bool
    rear: bool
    hidden: float
    front_in_shared: float
    foreign: int


def look(picture: np.ndarray, scene: Scene) -> Seen:
    """Score a picture [H, W, 3] in 0..1."""
    from regional_dit.demo_model.detector import detect
    from regional_dit.demo_model.score import parse_prompt, region_mask, score_region
    from regional_dit.demo_model.world import COLOR_NAMES

    found = detect(picture)
    wanted = [parse_prompt(phrase).kinds[0] for phrase in scene.phrases]
    (rear_color, rear_shape), (front_color, _) = wanted
    rear_box, front_box = scene.scored
    front = score_region(found, front_box, parse_prompt(scene.phrases[1]))
    front_index = COLOR_NAMES.index(front_color)
    shape, hidden = fit_partly_hidden(
        largest_of(found, rear_color), found.colors == front_index, rear_box
    )
    height, width = found.colors.shape
    shared = region_mask(rear_box, height, width) & region_mask(front_box, height, width)
    drawn = found.colors[shared & (found.colors >= 0)]
    return Seen(
        front=front.present,
        rear=shape == rear_shape,
        hidden=hidden if shape == rear_shape else 0.0,
        front_in_shared=float(np.mean(drawn == front_index)) if drawn.size else 0.0,
        foreign=sum(o.color not in (rear_color, front_color) for o in found.objects),
    )


def largest_of(found: Any, color: str) -> np.ndarray:
    """Pixels [H, W] of the largest object of a colour; none where there is none."""
    for number, item in enumerate(found.objects, 1):
        if item.color == color:
            return found.instances == number
    return np.zeros(found.instances.shape, bool)


@cache
def templates(shape: str) -> np.ndarray:
    """Whole shapes [n, GRID * GRID] of all places and the sizes that the world draws, 0 or 1."""
    from regional_dit.demo_model.world import signed_distance

    axis = ((np.arange(GRID) + 0.5) / GRID).astype(np.float32)
    across, down = axis[None, None, None, :], axis[None, None, :, None]
    places = np.linspace(0.1, 0.9, 25, dtype=np.float32)
    x, y = places[None, :, None, None], places[:, None, None, None]
    made = [
        (signed_distance(shape, across - x, down - y, r) < 0).reshape(-1, GRID * GRID)
        for r in np.linspace(0.09, 0.27, 10)
    ]
    return np.concatenate(made).astype(np.float32)


def fit_partly_hidden(
    drawn: np.ndarray, front: np.ndarray, box: tuple[float, float, float, float]
) -> tuple[str, float]:
    """The shape of an object of which what lies behind ``front`` is not drawn.

    Args:
        drawn: bool [H, W], the pixels that are seen of it.
        front: bool [H, W], what may hide a part of it.
        box: in which most of the whole shape (0.7 of it) is to lie.

    Returns:
        Its name, or "" where none fits clearly, and the share of the whole shape that is hidden.
    """
    from regional_dit.demo_model.score import region_mask
    from regional_dit.demo_model.world import SHAPES

    drawn, front = (on_grid(mask).ravel() for mask in (drawn, front))
    inside = region_mask(box, GRID, GRID).ravel()
    if not drawn.any():
        return "", 0.0
    best: dict[str, tuple[float, float]] = {}
    for shape in SHAPES:
        whole = templates(shape)
        area, seen = whole.sum(1), whole @ ~front
        overlap = whole @ (drawn & ~front)
        fit = overlap / (seen + drawn.sum() - overlap)
        hidden = 1 - seen / area
        usable = (whole @ inside >= 0.7 * area) & (hidden <= 0.7)
        fit = np.where(usable, fit, 0.0)
        index = int(fit.argmax())
        best[shape] = float(fit[index]), float(hidden[index])
    order = sorted(best, key=lambda name: -best[name][0])
    fits = [best[name][0] for name in order]
    clear = fits[0] >= GOOD_FIT and fits[0] - fits[1] >= BETTER_BY
    return (order[0], best[order[0]][1]) if clear else ("", 0.0)


def on_grid(mask: np.ndarray) -> np.ndarray:
    """The nearest pixel of each cell: [GRID, GRID]."""
    rows, cols = (((np.arange(GRID) + 0.5) * n / GRID).astype(int) for n in mask.shape)
    return mask[rows[:, None], cols[None]]

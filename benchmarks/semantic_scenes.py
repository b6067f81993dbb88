"""Scenes of the semantic benchmark: prompts, regions and where each object is looked for.

A scene is drawn from the layout's name and the scene's number alone, so every method meets the
same scenes. All sizes are shares of the canvas.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MASK_SIDE_PX = 128
"""Side of painted masks, in mask pixels."""
FEATHER_PX = 4.0
"""Standard deviation of the soft masks' border, in mask pixels: one latent pixel."""
LEAST_SIDE, MOST_SIDE = 0.42, 0.48
"""Sides of drawn boxes; objects of the demo model take 0.22 to 0.47 of a 256 pixel canvas."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is asked for, and where.

    Attributes:
        prompts: one object per region, with the background unless only the base names it.
        merged: all objects and the background in one prompt, without places.
        phrases: the objects, as the text encoder's words are.
        base: global prompt of the regional methods: the merged one where regions tile the canvas,
            the background alone where canvas is left over.
        background: its colour name.
        regions: the pack's RegionSet.
        scored: per region the box or mask in which its object is looked for; what neighbours share
            is cut in the middle.
        size_px: side of the square picture.
        seed: of the noise.
    """

    prompts: tuple[str, ...]
    phrases: tuple[str, ...]
    merged: str
    base: str
    background: str
    regions: Any
    scored: tuple[Any, ...]
    size_px: int
    seed: int

    @property
    def sentence(self) -> str:
        """The merged prompt for methods that look phrases up in it."""
        return f"{', '.join(self.phrases)}, {self.background} background"


@dataclass(frozen=True, slots=True)
class Layout:
    """A family of scenes; ``make`` gives (RegionSet, scored regions, whether they tile).

    Where the prompts of the regions do not name the background, a picture that has the wanted one
    in every region is one scene, not several pictures side by side.
    """

    name: str
    n: int
    size_px: int
    make: Callable[[random.Random], tuple[Any, tuple[Any, ...], bool]]
    names_background: bool = True


def _split(rows: int, columns: int, overlap: float = 0.0) -> Callable[[random.Random], Any]:
    def make(_: random.Random) -> tuple[Any, tuple[Any, ...], bool]:
        from regional_dit.attention.canvas.split import split_canvas

        regions = split_canvas(rows, columns, overlap=overlap)
        cells = split_canvas(rows, columns)
        return regions, tuple(r.bounds for r in cells.regions), True

    return make


def _two_places(rng: random.Random) -> list[tuple[float, float, float, float]]:
    """Two boxes side by side or one above the other, neither touching the other nor the border."""
    boxes = []
    for half in (0.0, 0.5):
        width, height = (rng.uniform(LEAST_SIDE, MOST_SIDE) for _ in range(2))
        along = half + 0.01 + rng.uniform(0.0, 0.48 - width)
        across = rng.uniform(0.02, 0.98 - height)
        boxes.append((along, across, along + width, across + height))
    if rng.random() < 0.5:
        boxes = [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes]
    rng.shuffle(boxes)
    return boxes


def _drawn_boxes(rng: random.Random) -> tuple[Any, tuple[Any, ...], bool]:
    from regional_dit.attention.canvas.regions import Box, Region, RegionSet

    boxes = _two_places(rng)
    return RegionSet(tuple(Region(Box(*box)) for box in boxes)), tuple(boxes), False


def _soft_ellipses(rng: random.Random) -> tuple[Any, tuple[Any, ...], bool]:
    import torch
    from regional_dit.attention.canvas.regions import RegionSet

    grid = (np.arange(MASK_SIDE_PX) + 0.5) / MASK_SIDE_PX
    painted = []
    for x0, y0, x1, y1 in _two_places(rng):
        dx = (grid[None] - (x0 + x1) / 2) / ((x1 - x0) / 2)
        dy = (grid[:, None] - (y0 + y1) / 2) / ((y1 - y0) / 2)
        painted.append((dx**2 + dy**2 <= 1).astype(np.float32))
    masks = [torch.from_numpy(mask) for mask in painted]
    return RegionSet.from_masks(masks, feather_px=FEATHER_PX), tuple(painted), False


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("whole", 1, 256, _split(1, 1)),
        Layout("W2", 2, 256, _split(1, 2)),
        Layout("H2", 2, 256, _split(2, 1)),
        Layout("grid4", 4, 256, _split(2, 2)),
        Layout("grid9", 9, 384, _split(3, 3)),
        Layout("boxes2", 2, 256, _drawn_boxes),
        Layout("soft2", 2, 256, _soft_ellipses),
        Layout("overlap2", 2, 256, _split(1, 2, overlap=0.3)),
        Layout("W2-scene", 2, 256, _split(1, 2), names_background=False),
        Layout("grid4-scene", 4, 256, _split(2, 2), names_background=False),
    )
}


def make_scene(layout: Layout, number: int) -> Scene:
    """Scene ``number`` of a layout: all objects of different kinds, on one background.

    Colours differ too where eight are enough, so that no object can stand in for another.
    """
    from regional_dit.demo_model.world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES

    rng = random.Random(f"{layout.name} {number}")
    if layout.n <= len(COLOR_NAMES):
        kinds = [(c, rng.choice(SHAPES)) for c in rng.sample(COLOR_NAMES, layout.n)]
    else:
        kinds = rng.sample([(c, s) for c in COLOR_NAMES for s in SHAPES], layout.n)
    background = rng.choice(BACKGROUND_NAMES)
    objects = [f"a {color} {shape}" for color, shape in kinds]
    regions, scored, tiles = layout.make(rng)
    merged = f"{', '.join(objects)} on {background} background"
    ending = f" on {background} background" if layout.names_background else ""
    return Scene(
        prompts=tuple(f"{o}{ending}" for o in objects),
        phrases=tuple(f"{color} {shape}" for color, shape in kinds),
        merged=merged,
        base=merged if tiles else f"{background} background",
        background=background,
        regions=regions,
        scored=scored,
        size_px=layout.size_px,
        seed=1000 + number,
    )

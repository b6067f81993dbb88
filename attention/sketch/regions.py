"""Regions from a colour-coded sketch: painted, scribbled, compressed, with soft edges.

The layout of arXiv 2504.10148: one colour per instance on a white canvas, up to 12 colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import ImageColor

from ..canvas.regions import RegionSet
from ..errors import RegionError
from .areas import areas_of_colour
from .legend import LegendEntry, Rgb
from .oklab import distance, to_oklab

MAX_COLORS = 12  # of the paper
MAX_SIDE_PX = 1024  # a larger sketch is reduced by nearest neighbour, as in the paper
NAME_REACH = 21.5  # how far a painted colour may be from the colour that a name stands for
NAME_LIGHTNESS = 0.5  # weight of lightness in that: light green and dark green are both green
_NAMED = ("red", "orange", "yellow", "lime", "green", "cyan", "blue", "purple", "magenta", "pink",
          "saddlebrown", "black", "gray", "white", "navy", "teal", "olive", "maroon")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A sketch that was read.

    Attributes:
        regions: R regions with hard masks at the sketch's own size.
        colors: the R colours as painted.
        phrases: R phrases; all empty without a legend.
        labels: [height, width] int, index of the region, -1 = background.
    """

    regions: RegionSet
    colors: tuple[Rgb, ...]
    phrases: tuple[str, ...]
    labels: np.ndarray


def read_sketch(
    image: torch.Tensor,
    legend: Sequence[LegendEntry] = (),
    *,
    background: Rgb = (255, 255, 255),
    tolerance: float = 10.0,
    min_area: float = 0.002,
    max_colors: int = MAX_COLORS,
) -> Sketch:
    """Make one region per colour.

    Colours that differ by less than the tolerance are one colour. Thin seams of mixed colours
    between two areas (antialiasing, compression) and colours below the minimum area are given to
    the nearest area. Hex colours of the legend are tried first, names take the nearest painted
    colour.

    Args:
        image: [height, width, 3] float in 0..1.
        legend: colours with their phrases, in the order of the regions; empty: all colours are
            taken, from left to right, without phrases.
        background: colour of canvas without a region.
        tolerance: distance in OKLab times 100 (1 = barely visible, 100 = black to white), above 0
            and at most 100.
        min_area: smallest share of the canvas that a colour must cover, 0..1.
        max_colors: most colours that are accepted, background not counted.

    Raises:
        RegionError: a value out of range, no colours, too many, a legend colour that is not in the
            picture, or a painted colour without a phrase.
    """
    if not 0.0 < tolerance <= 100.0:
        raise RegionError(f"tolerance is {tolerance:g}, expected a number above 0, at most 100.")
    if not 0.0 <= min_area <= 1.0:
        raise RegionError(f"min_area is {min_area:g}, expected 0..1 (share of the canvas).")
    pixels = _pixels(image)
    seeds = [background, *(entry.color for entry in legend if entry.exact)]
    labels, colors = areas_of_colour(pixels, seeds, tolerance, min_area, max_colors)
    areas = np.bincount(labels.ravel(), minlength=len(colors)) / labels.size
    found = [index for index in range(1, len(colors)) if areas[index] > 0]
    if not found:
        raise RegionError(
            f"The sketch shows no colour besides the background {_hex(background)}. Paint each "
            f"region in one colour that covers at least {min_area:.2%} of the picture, or lower "
            "min_area or tolerance."
        )
    if len(found) > max_colors:
        raise RegionError(
            f"The sketch shows {len(found)} colours, expected at most {max_colors}: "
            f"{_listing(found, colors, areas)}. Use fewer, raise tolerance so that shades of one "
            "colour count as one, or raise max_colors."
        )
    order = _match(found, colors, areas, legend, tolerance) if legend else _by_place(labels, found)
    index_of = {cluster: index for index, cluster in enumerate(order)}
    lookup = np.array([index_of.get(c, -1) for c in range(len(colors))])
    regions = lookup[labels]
    masks = [torch.from_numpy((regions == index).astype(np.float32)) for index in range(len(order))]
    return Sketch(
        RegionSet.from_masks(masks),
        tuple(colors[c] for c in order),
        tuple(entry.phrase for entry in legend) or ("",) * len(order),
        regions,
    )


def _pixels(image: torch.Tensor) -> np.ndarray:
    """[height, width, 3] uint8, at most MAX_SIDE_PX a side."""
    if image.ndim != 3 or image.shape[-1] < 3 or image.numel() == 0:
        raise RegionError(
            f"The sketch has shape {tuple(image.shape)}, expected [height, width, 3] with at least "
            "one pixel."
        )
    array = image[..., :3].detach().cpu().float().nan_to_num().clamp(0, 1).mul(255).round()
    step = max(1, -(-max(image.shape[:2]) // MAX_SIDE_PX))
    return array.numpy().astype(np.uint8)[step // 2 :: step, step // 2 :: step]


def _match(
    found: Sequence[int],
    colors: Sequence[Rgb],
    areas: np.ndarray,
    legend: Sequence[LegendEntry],
    tolerance: float,
) -> list[int]:
    """The painted colour of each legend entry, least total distance."""
    from scipy.optimize import linear_sum_assignment

    painted = to_oklab(np.array([colors[c] for c in found], dtype=np.float64))
    wanted = to_oklab(np.array([entry.color for entry in legend], dtype=np.float64))
    weights = np.array([[1.0 if e.exact else NAME_LIGHTNESS, 1.0, 1.0] for e in legend])
    difference = (wanted[:, None] - painted[None]) * weights[:, None]
    apart = np.linalg.norm(difference, axis=-1)
    reach = np.array([tolerance if e.exact else max(NAME_REACH, tolerance) for e in legend])
    possible = apart <= reach[:, None]
    rows, columns = linear_sum_assignment(np.where(possible, apart, 1e6))
    pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if possible[r, c]}
    missing = [legend[i].label for i in range(len(legend)) if i not in pairs]
    listing = _listing(found, colors, areas)
    if missing:
        raise RegionError(
            f"The legend's {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in the "
            f"sketch. It shows: {listing}. Write one of these, or paint the colour."
        )
    free = [c for i, c in enumerate(found) if i not in pairs.values()]
    if free:
        raise RegionError(
            f"Painted without a phrase: {_listing(free, colors, areas)}. Add a line such as "
            f"'{_hex(colors[free[0]])} -> what it stands for' to the legend, paint it over, or "
            "raise tolerance or min_area."
        )
    return [found[pairs[i]] for i in range(len(legend))]


def _by_place(labels: np.ndarray, found: Sequence[int]) -> list[int]:
    """From left to right, then from top to bottom, by centre of mass."""

    def center(cluster: int) -> tuple[float, float]:
        ys, xs = np.nonzero(labels == cluster)
        return round(float(xs.mean()) / labels.shape[1], 2), float(ys.mean())

    return sorted(found, key=center)


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _listing(clusters: Sequence[int], colors: Sequence[Rgb], areas: np.ndarray) -> str:
    """ "#e63946 (red, 12.0%), ...", largest first, at most 20."""
    names = to_oklab(np.array([ImageColor.getrgb(n)[:3] for n in _NAMED], dtype=np.float64))
    parts = []
    for cluster in sorted(clusters, key=lambda c: -areas[c])[:20]:
        nearest = _NAMED[int(np.argmin(distance(names, to_oklab(np.array(colors[cluster])))))]
        parts.append(f"{_hex(colors[cluster])} ({nearest}, {areas[cluster]:.1%})")
    more = len(clusters) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")

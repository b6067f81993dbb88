"""A picture as areas of one colour each: noise, seams and specks go to their neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RegionError
from .legend import Rgb
from .oklab import distance, to_oklab

SEAM_SHARE = 0.03  # widest seam of mixed colours, as a share of the longer side
MAX_SHADES = 500  # farther apart than the tolerance; a photograph has tens of thousands


def areas_of_colour(
    pixels: np.ndarray, seeds: Sequence[Rgb], tolerance: float, min_area: float, most: int
) -> tuple[np.ndarray, list[Rgb]]:
    """Label every pixel [height, width] with the number of a colour; 0 is the background.

    Greedy: the most frequent colour that is farther than the tolerance from all centres becomes the
    next centre, until all are covered.

    Args:
        pixels: [height, width, 3] uint8.
        seeds: the background's colour, then colours that are centres from the start.
        tolerance: distance in OKLab times 100 below which two colours are one.
        min_area: smallest share of the picture that a colour must cover, 0..1.
        most: colours of which the caller can make regions. Beyond that, no more are looked at for
            being seams; there are too many in any case.

    Returns:
        labels [height, width], and the colour of each number as painted.

    Raises:
        RegionError: a photograph, or noise, at so small a tolerance.
    """
    colors, inverse, counts = _palette(pixels)
    lab = to_oklab(colors)
    centers = [*to_oklab(np.array(seeds, dtype=np.float64))]
    nearest, _ = _nearest(lab, centers)
    while (counts * (nearest > tolerance)).any():
        if len(centers) > MAX_SHADES + len(seeds):
            raise RegionError(
                f"The sketch has more than {MAX_SHADES} shades that differ by more than the "
                f"tolerance of {tolerance:g}, as a photograph or a noisy picture has. Raise "
                "tolerance, or paint with a few flat colours."
            )
        center = lab[np.argmax(counts * (nearest > tolerance))]
        close = (distance(lab, center) <= tolerance / 2) & (nearest > tolerance)
        center = np.average(lab[close], axis=0, weights=counts[close])  # noise around one paint
        centers.append(center)
        # A mean may lie off its pixels: what it was made from is covered in any case.
        nearest = np.where(close, 0.0, np.minimum(nearest, distance(lab, center)))
    _, assigned = _nearest(lab, centers)
    labels = assigned[inverse]
    labels = _drop(labels, _unwanted(labels, np.array(centers), min_area, tolerance, most))
    return labels, [_painted(colors, counts, assigned, i, seeds) for i in range(len(centers))]


def _nearest(lab: np.ndarray, centers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of each colour [K, 3] the distance to the nearest centre [K] and its index [K].

    One centre after the other: all distances at once would be gigabytes.
    """
    nearest = np.full(len(lab), np.inf)
    index = np.zeros(len(lab), dtype=np.int64)
    for number, center in enumerate(centers):
        apart = distance(lab, center)
        index[apart < nearest] = number
        np.minimum(nearest, apart, out=nearest)
    return nearest, index


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours in steps of 8 levels: mean [K, 3], index of each pixel [h, w], counts [K]."""
    coarse = pixels.astype(np.int64) // 8
    codes = coarse[..., 0] * 1024 + coarse[..., 1] * 32 + coarse[..., 2]
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    flat = inverse.reshape(-1)
    sums = [np.bincount(flat, weights=pixels[..., c].reshape(-1)) for c in range(3)]
    return np.stack(sums, -1) / counts[:, None], flat.reshape(codes.shape), counts


def _unwanted(
    labels: np.ndarray, centers: np.ndarray, min_area: float, tolerance: float, most: int
) -> list[int]:
    """Colours that are no regions: too small, or seams between two others."""
    areas = np.bincount(labels.ravel(), minlength=len(centers))
    unwanted = [i for i in range(1, len(centers)) if areas[i] < max(1, min_area * labels.size)]
    reach_px = max(6.0, SEAM_SHARE * max(labels.shape))
    far: dict[int, np.ndarray] = {}  # per solid colour: distance of each pixel to it

    def is_near(index: int, solid: int) -> bool:
        if solid not in far:
            far[solid] = _depth(labels != solid)
        return bool((far[solid][labels == index] <= reach_px).mean() > 0.6)

    def is_seam(index: int, solids: Sequence[int]) -> bool:
        """Thin, and of a colour between two solid ones beside it, or almost that of one."""
        color = centers[index]
        pairs = np.array([*itertools.combinations(solids, 2)], dtype=np.int64).reshape(-1, 2)
        between = _is_between(color, centers[pairs[:, 0]], centers[pairs[:, 1]], 1.5 * tolerance)
        mixtures: Any = pairs[between].tolist()
        shades = [(s,) for s in solids if distance(color, centers[s]) <= 2 * tolerance]
        if not (mixtures or shades) or 2 * _depth(labels == index).max() > reach_px:
            return False
        return any(all(is_near(index, s) for s in beside) for beside in (*mixtures, *shades))

    solids = [0]
    for index in sorted(range(1, len(centers)), key=lambda i: -areas[i]):
        if index in unwanted:
            continue
        if len(solids) <= most + 1 and is_seam(index, solids):
            unwanted.append(index)
        else:
            solids.append(index)
    return unwanted


def _depth(inside: np.ndarray) -> np.ndarray:
    """Distance in pixels of each pixel to the nearest one outside."""
    from scipy import ndimage  # a third of a second to import: only when used

    return np.asarray(ndimage.distance_transform_edt(inside))


def _is_between(
    color: np.ndarray, first: np.ndarray, second: np.ndarray, reach: float
) -> np.ndarray:
    """Whether a colour [3] is a mixture of each pair of colours [P, 3]: bool [P]."""
    along = second - first
    length = (along * along).sum(-1)
    apart = length > 0.0
    share = ((color - first) * along).sum(-1) / np.where(apart, length, 1.0)
    aside = np.linalg.norm(color - first - share[:, None] * along, axis=-1)
    # Compression blurs hue more than lightness, so its mixtures lie beside the straight line.
    return apart & (share > 0) & (share < 1) & (aside <= np.maximum(reach, 0.25 * length**0.5))


def _drop(labels: np.ndarray, unwanted: Sequence[int]) -> np.ndarray:
    """Give the pixels of unwanted colours to the nearest wanted ones, else to the background."""
    from scipy import ndimage

    holes = np.isin(labels, unwanted)
    if not holes.any():
        return labels
    if holes.all():
        return np.zeros_like(labels)
    places = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return labels[tuple(np.asarray(places))]


def _painted(
    colors: np.ndarray, counts: np.ndarray, assigned: np.ndarray, index: int, seeds: Sequence[Rgb]
) -> Rgb:
    """The most frequent colour of a cluster; the seed's own where nothing was painted in it."""
    own = counts * (assigned == index)
    if not own.any():
        return seeds[index] if index < len(seeds) else (0, 0, 0)
    red, green, blue = (round(float(v)) for v in colors[np.argmax(own)])
    return red, green, blue

"""A picture as areas of one colour each: noise, seams and specks go to their neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .oklab import distance, to_oklab
from .sketch_legend import Rgb

SEAM_SHARE = 0.03  # widest seam of mixed colours, as a share of the longer side


def areas_of_colour(
    pixels: np.ndarray, seeds: Sequence[Rgb], tolerance: float, min_area: float
) -> tuple[np.ndarray, list[Rgb]]:
    """Label every pixel [height, width] with the number of a colour; 0 is the background.

    Greedy: the most frequent colour that is farther than the tolerance from all centres becomes the
    next centre, until all are covered.

    Args:
        pixels: [height, width, 3] uint8.
        seeds: the background's colour, then colours that are centres from the start.
        tolerance: distance in OKLab times 100 below which two colours are one.
        min_area: smallest share of the picture that a colour must cover, 0..1.

    Returns:
        labels [height, width], and the colour of each number as painted.
    """
    colors, inverse, counts = _palette(pixels)
    lab = to_oklab(colors)
    centers = [*to_oklab(np.array(seeds, dtype=np.float64))]
    nearest = np.min([distance(lab, center) for center in centers], axis=0)
    while (counts * (nearest > tolerance)).any():
        center = lab[np.argmax(counts * (nearest > tolerance))]
        close = (distance(lab, center) <= tolerance / 2) & (nearest > tolerance)
        center = np.average(lab[close], axis=0, weights=counts[close])  # noise around one paint
        centers.append(center)
        # A mean may lie off its pixels: what it was made from is covered in any case.
        nearest = np.where(close, 0.0, np.minimum(nearest, distance(lab, center)))
    assigned = np.argmin([distance(lab, center) for center in centers], axis=0)
    labels = assigned[inverse]
    labels = _drop(labels, _unwanted(labels, np.array(centers), min_area, tolerance))
    return labels, [_painted(colors, counts, assigned, i, seeds) for i in range(len(centers))]


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours in steps of 8 levels: mean [K, 3], index of each pixel [h, w], counts [K]."""
    coarse = pixels.astype(np.int64) // 8
    codes = coarse[..., 0] * 1024 + coarse[..., 1] * 32 + coarse[..., 2]
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    flat = inverse.reshape(-1)
    sums = [np.bincount(flat, weights=pixels[..., c].reshape(-1)) for c in range(3)]
    return np.stack(sums, -1) / counts[:, None], flat.reshape(codes.shape), counts


def _unwanted(
    labels: np.ndarray, centers: np.ndarray, min_area: float, tolerance: float
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
        pairs = itertools.combinations(solids, 2)
        mixtures = [
            p for p in pairs if _is_between(color, centers[p[0]], centers[p[1]], 1.5 * tolerance)
        ]
        shades = [(s,) for s in solids if distance(color, centers[s]) <= 2 * tolerance]
        if not (mixtures or shades) or 2 * _depth(labels == index).max() > reach_px:
            return False
        return any(all(is_near(index, s) for s in beside) for beside in (*mixtures, *shades))

    solids = [0]
    for index in sorted(range(1, len(centers)), key=lambda i: -areas[i]):
        if index in unwanted:
            continue
        if is_seam(index, solids):
            unwanted.append(index)
        else:
            solids.append(index)
    return unwanted


def _depth(inside: np.ndarray) -> np.ndarray:
    """Distance in pixels of each pixel to the nearest one outside."""
    from scipy import ndimage  # a third of a second to import: only when used

    return np.asarray(ndimage.distance_transform_edt(inside))


def _is_between(color: np.ndarray, first: np.ndarray, second: np.ndarray, reach: float) -> bool:
    along = second - first
    length = float(along @ along)
    if length == 0.0:
        return False
    share = float((color - first) @ along) / length
    aside = float(np.linalg.norm(color - first - share * along))
    # Compression blurs hue more than lightness, so its mixtures lie beside the straight line.
    return 0 < share < 1 and aside <= max(reach, 0.25 * length**0.5)


def _drop(labels: np.ndarray, unwanted: Sequence[int]) -> np.ndarray:
    """Give the pixels of unwanted colours to the nearest wanted ones."""
    from scipy import ndimage

    holes = np.isin(labels, unwanted)
    if not holes.any() or holes.all():
        return labels
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

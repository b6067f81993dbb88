"""Regions from a colour-coded sketch: painted, scribbled, compressed, with soft edges.

The layout of arXiv 2504.10148: one colour per instance on a white canvas, up to 12 colours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import ImageColor

from .errors import RegionError
from .regions import RegionSet
from .sketch_legend import LegendEntry, Rgb

MAX_COLORS = 12  # of the paper
MAX_SIDE_PX = 1024  # a larger sketch is reduced by nearest neighbour, as in the paper
SEAM_SHARE = 0.03  # widest seam of mixed colours, as a share of the longer side
NAME_REACH = 21.5  # how far a painted colour may be from the colour that a name stands for
NAME_LIGHTNESS = 0.5  # weight of lightness in that: light green and dark green are both green
_NAMED = ("red", "orange", "yellow", "lime", "green", "cyan", "blue", "purple", "magenta", "pink",
          "saddlebrown", "black", "gray", "white", "navy", "teal", "olive", "maroon")  # fmt: skip

_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


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
        tolerance: distance in OKLab times 100 (1 = barely visible, 100 = black to white), above 0.
        min_area: smallest share of the canvas that a colour must cover, 0..1.
        max_colors: most colours that are accepted, background not counted.

    Raises:
        RegionError: no colours, too many, a legend colour that is not in the picture, or a painted
            colour without a phrase.
    """
    pixels = _pixels(image)
    seeds = [background, *(entry.color for entry in legend if entry.exact)]
    labels, colors = _cluster(pixels, seeds, tolerance, min_area)
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
    if image.ndim != 3 or image.shape[-1] < 3:
        raise RegionError(
            f"The sketch has shape {tuple(image.shape)}, expected [height, width, 3]."
        )
    array = image[..., :3].detach().cpu().float().nan_to_num().clamp(0, 1).mul(255).round()
    step = max(1, -(-max(image.shape[:2]) // MAX_SIDE_PX))
    return array.numpy().astype(np.uint8)[step // 2 :: step, step // 2 :: step]


def _cluster(
    pixels: np.ndarray, seeds: Sequence[Rgb], tolerance: float, min_area: float
) -> tuple[np.ndarray, list[Rgb]]:
    """Label every pixel [height, width] with the number of a colour; 0 is the background.

    Greedy: the most frequent colour that is farther than the tolerance from all centres becomes the
    next centre, until all are covered.
    """
    colors, inverse, counts = _palette(pixels)
    lab = _lab(colors)
    centers = [*_lab(np.array(seeds, dtype=np.float64))]
    nearest = np.min([_distance(lab, center) for center in centers], axis=0)
    while (counts * (nearest > tolerance)).any():
        center = lab[np.argmax(counts * (nearest > tolerance))]
        close = (_distance(lab, center) <= tolerance / 2) & (nearest > tolerance)
        center = np.average(lab[close], axis=0, weights=counts[close])  # noise around one paint
        centers.append(center)
        # A mean may lie off its pixels: what it was made from is covered in any case.
        nearest = np.where(close, 0.0, np.minimum(nearest, _distance(lab, center)))
    assigned = np.argmin([_distance(lab, center) for center in centers], axis=0)
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


def _lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] in 0..255 to OKLab times 100, in which blue stays blue when it gets lighter.

    Source: https://bottosson.github.io/posts/oklab/
    """
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return 100.0 * np.cbrt(linear @ _TO_CONES.T) @ _TO_OKLAB.T


def _distance(lab: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.linalg.norm(lab - center, axis=-1)


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
        shades = [(s,) for s in solids if _distance(color, centers[s]) <= 2 * tolerance]
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


def _match(
    found: Sequence[int],
    colors: Sequence[Rgb],
    areas: np.ndarray,
    legend: Sequence[LegendEntry],
    tolerance: float,
) -> list[int]:
    """The painted colour of each legend entry, least total distance."""
    from scipy.optimize import linear_sum_assignment

    painted = _lab(np.array([colors[c] for c in found], dtype=np.float64))
    wanted = _lab(np.array([entry.color for entry in legend], dtype=np.float64))
    weights = np.array([[1.0 if e.exact else NAME_LIGHTNESS, 1.0, 1.0] for e in legend])
    difference = (wanted[:, None] - painted[None]) * weights[:, None]
    distance = np.linalg.norm(difference, axis=-1)
    reach = np.array([tolerance if e.exact else max(NAME_REACH, tolerance) for e in legend])
    possible = distance <= reach[:, None]
    rows, columns = linear_sum_assignment(np.where(possible, distance, 1e6))
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
    names = _lab(np.array([ImageColor.getrgb(n)[:3] for n in _NAMED], dtype=np.float64))
    parts = []
    for cluster in sorted(clusters, key=lambda c: -areas[c])[:20]:
        nearest = _NAMED[int(np.argmin(_distance(names, _lab(np.array(colors[cluster])))))]
        parts.append(f"{_hex(colors[cluster])} ({nearest}, {areas[cluster]:.1%})")
    more = len(clusters) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")

"""Find the objects in a picture of the synthetic world. NumPy and SciPy only; nothing is trained.

Each pixel goes to its nearest palette colour, connected patches of one object colour become
candidates, thin rims (the blend between an object and its background) are dropped, and each patch
is compared with a circle, a square and a triangle of the same bounding box, drawn from the same
distance functions that the training pictures come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .world import (
    BACKGROUND_NAMES,
    BACKGROUNDS,
    COLOR_NAMES,
    COLORS,
    SHAPES,
    half_extents,
    signed_distance,
)

WORKING_SIDE = 256
"""Smaller pictures are enlarged until their shorter side is at least this long, in pixels."""
UNCLEAR = "unclear"
_PALETTE = np.array([*COLORS.values(), *BACKGROUNDS.values()], np.float32) / 255
_N_COLORS = len(COLOR_NAMES)


@dataclass(frozen=True, slots=True)
class DetectedObject:
    """One object.

    Attributes:
        color: name of the nearest palette colour.
        shape: "circle", "square", "triangle" or "unclear".
        x_frac, y_frac: centre of the bounding box as fractions of the canvas, 0..1.
        area_frac: share of the canvas that it covers, 0..1.
        box: (x0, y0, x1, y1) as fractions of the canvas.
        fit: intersection over union with the best template, 0..1.
    """

    color: str
    shape: str
    x_frac: float
    y_frac: float
    area_frac: float
    box: tuple[float, float, float, float]
    fit: float


@dataclass(frozen=True, slots=True)
class Detection:
    """All that was found in one picture.

    Attributes:
        objects: largest first.
        instances: int [H, W]; 0 = no object, i + 1 = ``objects[i]``. H, W at working size.
        colors: int [H, W]; index into ``COLOR_NAMES``, -1 = background or edge.
        backgrounds: int [H, W]; index into ``BACKGROUND_NAMES``, -1 elsewhere.
        background: name of the most frequent background colour, None if there is no background.
    """

    objects: tuple[DetectedObject, ...]
    instances: np.ndarray
    colors: np.ndarray
    backgrounds: np.ndarray
    background: str | None


def _at_working_size(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] < 3:
        raise ValueError(
            f"The detector got an array of shape {picture.shape}; it expects one picture "
            "[height, width, 3] with values 0..1."
        )
    rgb = np.clip(picture[..., :3].astype(np.float32), 0, 1)
    factor = -(-WORKING_SIDE // min(rgb.shape[:2]))
    if factor > 1:
        zoom = (factor, factor, 1)
        rgb = np.asarray(ndimage.zoom(rgb, zoom, order=1, mode="nearest", grid_mode=True))
    return rgb


def nearest_palette(rgb: np.ndarray) -> np.ndarray:
    """Index of the nearest of the 8 object and 4 background colours, int [H, W]."""
    distance = -2 * (rgb @ _PALETTE.T) + (_PALETTE**2).sum(1)
    return distance.argmin(-1)


def fit_shape(mask: np.ndarray) -> tuple[str, float]:
    """Best shape for a boolean mask that is cropped to its bounding box, and its IoU.

    A shape counts as unclear below an IoU of 0.8 or when the runner-up is as good within 0.03.
    """
    h, w = mask.shape
    y, x = np.arange(h)[:, None] + 0.5, np.arange(w)[None] + 0.5
    scores = []
    for shape in SHAPES:
        half_width, up, down = half_extents(shape, 1.0)
        r = (w + h) / (2 * half_width + up + down)
        cy = h / 2 + r * (up - down) / 2
        template = signed_distance(shape, x - w / 2, y - cy, r) < 0
        overlap = np.count_nonzero(template & mask)
        # Template pixels outside the crop count as missed, or a long box would fit too well.
        area = {"circle": np.pi, "square": 4 * 0.88**2, "triangle": 0.5 * 1.626**2}[shape] * r * r
        union = max(area, np.count_nonzero(template)) + np.count_nonzero(mask) - overlap
        scores.append(overlap / union)
    order = np.argsort(scores)[::-1]
    best, second = scores[order[0]], scores[order[1]]
    return (SHAPES[order[0]] if best >= 0.8 and best - second >= 0.03 else UNCLEAR), float(best)


def detect(picture: np.ndarray, min_area_frac: float = 0.003) -> Detection:
    """Detect all objects of a picture.

    Args:
        picture: float [H, W, 3] in 0..1, any size.
        min_area_frac: patches that cover less of the canvas are not reported as objects.
    """
    rgb = _at_working_size(picture)
    height, width = rgb.shape[:2]
    side = min(height, width)
    nearest = nearest_palette(rgb)
    backgrounds = np.where(nearest >= _N_COLORS, nearest - _N_COLORS, -1).astype(np.int8)
    counts = np.bincount(backgrounds[backgrounds >= 0], minlength=len(BACKGROUND_NAMES))
    colors = np.full((height, width), -1, np.int8)
    found: list[tuple[DetectedObject, tuple[slice, slice], np.ndarray]] = []
    for index, name in enumerate(COLOR_NAMES):
        plane = nearest == index
        if np.count_nonzero(plane) < 0.0005 * height * width:
            continue
        core = ndimage.binary_opening(plane, np.ones((3, 3), bool), iterations=max(1, side // 170))
        labels = np.empty(core.shape, np.int32)
        ndimage.label(core, output=labels)
        for number, window in enumerate(ndimage.find_objects(labels), 1):
            patch = labels[window] == number
            thickness = np.max(np.asarray(ndimage.distance_transform_edt(np.pad(patch, 1))))
            if thickness < 0.014 * side:
                continue
            colors[window][patch] = index
            area = np.count_nonzero(patch) / (height * width)
            if area < min_area_frac or thickness < 0.024 * side:
                continue
            grown = _restore_edge(plane, labels, number, window, reach=max(2, side // 64))
            window, patch = grown
            shape, fit = fit_shape(patch)
            y0, y1, x0, x1 = window[0].start, window[0].stop, window[1].start, window[1].stop
            box = (x0 / width, y0 / height, x1 / width, y1 / height)
            centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            area = np.count_nonzero(patch) / (height * width)
            found.append((DetectedObject(name, shape, *centre, area, box, fit), window, patch))
    found.sort(key=lambda entry: -entry[0].area_frac)
    instances = np.zeros((height, width), np.int32)
    for number, (_, window, patch) in enumerate(found, 1):
        instances[window][patch] = number
    background = BACKGROUND_NAMES[int(counts.argmax())] if counts.any() else None
    objects = tuple(o for o, _, _ in found)
    return Detection(objects, instances, colors, backgrounds, background)


def _restore_edge(
    plane: np.ndarray, labels: np.ndarray, number: int, window: tuple[slice, ...], reach: int
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Give a patch back the corners that opening took, and fill its holes."""
    rows = slice(max(window[0].start - reach, 0), window[0].stop + reach)
    cols = slice(max(window[1].start - reach, 0), window[1].stop + reach)
    core, allowed = labels[rows, cols] == number, plane[rows, cols]
    allowed = allowed & ((labels[rows, cols] == 0) | core)
    patch = ndimage.binary_dilation(core, np.ones((3, 3), bool), reach, mask=allowed)
    patch = np.asarray(ndimage.binary_fill_holes(patch | core))
    ys, xs = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
    inner = (slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1))
    outer = (
        slice(rows.start + ys[0], rows.start + ys[-1] + 1),
        slice(cols.start + xs[0], cols.start + xs[-1] + 1),
    )
    return outer, patch[inner]

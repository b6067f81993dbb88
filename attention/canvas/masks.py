"""Painted masks: what is one, and its mean over the cells of a grid."""

from __future__ import annotations

import math
from itertools import pairwise

import torch

from ..errors import RegionError

OVERSHOOT = 1e-3  # by which bicubic resizing and rounding may leave 0..1


def checked_mask(mask: torch.Tensor, name: str) -> torch.Tensor:
    """The mask, without what a resize has put over its range; raises where it is no mask."""
    label = f"Mask of region {name!r}" if name else "Mask"
    if mask.ndim != 2:
        raise RegionError(f"{label} has shape {tuple(mask.shape)}, expected [height, width].")
    if mask.numel() == 0:
        raise RegionError(
            f"{label} is {mask.shape[1]} x {mask.shape[0]} pixels, expected at least one. Check "
            "the node that made it."
        )
    low, high = map(float, mask.aminmax())  # NaN shows in both
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RegionError(
            f"{label} holds NaN or infinite values, expected numbers from 0 to 1. "
            "Check the node that made it."
        )
    if low < -OVERSHOOT or high > 1.0 + OVERSHOOT:
        raise RegionError(f"{label} holds values from {low:g} to {high:g}, expected 0..1.")
    if high <= 0.0:
        raise RegionError(
            f"{label} is empty: no pixel is above 0. Paint it, or remove the region and its prompt."
        )
    return mask if low >= 0.0 and high <= 1.0 else mask.clamp(0.0, 1.0)


def mask_coverage(mask: torch.Tensor, x_edges: torch.Tensor, y_edges: torch.Tensor) -> torch.Tensor:
    """Exact mean of a pixel mask over grid cells, in one pass over its pixels.

    Args:
        mask: [height, width] float32 in 0..1.
        x_edges: [cols + 1] float, increasing cell borders in fractions of the width.
        y_edges: [rows + 1] float.

    Returns:
        [rows, cols] float32 in 0..1.
    """
    bands = _cell_means(mask, y_edges)  # whole pixel rows first: that runs along memory
    return _cell_means(bands.T.contiguous(), x_edges).T.clamp(0.0, 1.0).float()


def _cell_means(values: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
    """Mean of [size, M] over cells of the first axis, borders in 0..1: [cells, M] float64.

    The integral up to a border is the sum of the pixels before it and a part of the one it cuts.
    """
    size = values.shape[0]
    borders = (edges.double() * size).clamp(0.0, size)
    pixels = borders.long().clamp_max(size - 1)
    cut = values[pixels] * (borders - pixels)[:, None]
    means = cut.diff(dim=0)
    starts = pixels.tolist()
    for cell, (start, end) in enumerate(pairwise(starts)):
        if end > start:
            means[cell] += values[start:end].sum(0)
    return means / borders.diff()[:, None]


def blurred(mask: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """A mask [height, width] after a Gaussian blur of this standard deviation, in pixels."""
    if round(3 * sigma_px) == 0:
        return mask  # a kernel of one pixel
    from kornia.filters import gaussian_blur2d  # costs a second to import: only when used

    # Reflection at the border allows no kernel wider than twice the picture.
    size = min(2 * round(3 * sigma_px) + 1, 2 * min(mask.shape) - 1)
    return gaussian_blur2d(mask[None, None], (size, size), (sigma_px, sigma_px))[0, 0].clamp(0, 1)

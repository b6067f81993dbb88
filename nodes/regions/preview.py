"""Pictures of regions for people: coloured areas with numbers."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

BACKGROUND = 0.16  # grey of canvas that no region covers
WEIGHTS_SIZE_PX = 768  # of the picture of weights, about


def region_color(index: int) -> tuple[float, float, float]:
    """A colour (r, g, b in 0..1) that differs from those of neighbouring indices."""
    hue = (index * 0.618034) % 1.0  # golden ratio: far apart for any number of regions
    return colorsys.hsv_to_rgb(hue, 0.55, 0.9)


def label_regions(masks: torch.Tensor) -> torch.Tensor:
    """Draw regions with their numbers.

    Args:
        masks: [R, height, width] float in 0..1.

    Returns:
        [1, height, width, 3] float32 in 0..1, ComfyUI's IMAGE.
    """
    colors = torch.tensor([region_color(i) for i in range(len(masks))])
    share = masks / masks.sum(0).clamp_min(1.0)
    free = (1.0 - share.sum(0)).clamp_min(0.0)
    picture = torch.einsum("rhw,rc->hwc", share, colors) + BACKGROUND * free[..., None]
    image = Image.fromarray((picture.clamp(0, 1).numpy() * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for index, mask in enumerate(masks):
        x, y = _anchor(mask)
        size = max(14.0, min(48.0, float(mask.sum()) ** 0.5 / 4))
        draw.text((x, y), str(index + 1), fill=(20, 20, 20), anchor="mm", font_size=size)
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255.0)[None]


def show_weights(
    weights: torch.Tensor, rows: int, cols: int, colors: Sequence[tuple[float, float, float]]
) -> torch.Tensor:
    """Draw who owns each token, one square per token.

    Args:
        weights: [R + 1, rows * cols] float in 0..1 whose columns sum to one; row 0 is the global
            prompt's, drawn in grey.
        rows, cols: the token grid.
        colors: one (r, g, b) in 0..1 per region.

    Returns:
        [1, height, width, 3] float32 in 0..1, ComfyUI's IMAGE; the longer side is about 768.
    """
    palette = torch.tensor([(BACKGROUND,) * 3, *colors])
    cells = torch.einsum("rn,rc->nc", weights, palette).reshape(rows, cols, 3)
    side = max(1, round(WEIGHTS_SIZE_PX / max(rows, cols)))
    picture = cells.repeat_interleave(side, 0).repeat_interleave(side, 1)
    if side >= 6:  # lines between tokens, where there is room for them
        picture[side - 1 :: side] *= 0.8
        picture[:, side - 1 :: side] *= 0.8
    return picture.clamp(0, 1)[None]


def parse_color(text: str, index: int) -> tuple[float, float, float]:
    """A colour "#rrggbb"; empty: the one of this index."""
    if not text:
        return region_color(index)
    red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _anchor(mask: torch.Tensor) -> tuple[float, float]:
    """Centre of mass (x, y) in pixels."""
    total = mask.sum().clamp_min(1e-6)
    ys = torch.arange(mask.shape[0]) + 0.5
    xs = torch.arange(mask.shape[1]) + 0.5
    return float((mask.sum(0) * xs).sum() / total), float((mask.sum(1) * ys).sum() / total)

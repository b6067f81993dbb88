"""Pictures of regions for people: coloured areas with numbers."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from PIL import Image, ImageDraw

BACKGROUND = 0.16  # grey of canvas that no region covers


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


def _anchor(mask: torch.Tensor) -> tuple[float, float]:
    """Centre of mass (x, y) in pixels."""
    total = mask.sum().clamp_min(1e-6)
    ys = torch.arange(mask.shape[0]) + 0.5
    xs = torch.arange(mask.shape[1]) + 0.5
    return float((mask.sum(0) * xs).sum() / total), float((mask.sum(1) * ys).sum() / total)

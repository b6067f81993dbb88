"""A confusion matrix as a picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

LOW, HIGH = np.array([247, 248, 250.0]), np.array([26, 95, 143.0])
_CELL_PX, _HEAD_PX = 72, 40


def draw_matrix(confusion: torch.Tensor) -> torch.Tensor:
    """Regions down, prompts across, both numbered from 1.

    Args:
        confusion: float [R, R] in 0..1.

    Returns:
        float32 [1, H, W, 3] in 0..1, ComfyUI's IMAGE.
    """
    count = len(confusion)
    side = _HEAD_PX + count * _CELL_PX + 1
    image = Image.new("RGB", (side, side), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for i in range(count):
        middle = _HEAD_PX + (i + 0.5) * _CELL_PX
        draw.text((middle, _HEAD_PX / 2), f"prompt {i + 1}", (60, 60, 60), anchor="mm")
        draw.text((_HEAD_PX / 2, middle), f"crop {i + 1}", (60, 60, 60), anchor="mm")
        for j in range(count):
            value = float(confusion[i, j])
            fill = tuple(int(x) for x in LOW + (HIGH - LOW) * min(max(value, 0.0), 1.0))
            x, y = _HEAD_PX + j * _CELL_PX, _HEAD_PX + i * _CELL_PX
            draw.rectangle((x, y, x + _CELL_PX, y + _CELL_PX), fill, (255, 255, 255))
            ink = (255, 255, 255) if value > 0.55 else (40, 40, 40)
            middle_xy = (x + _CELL_PX / 2, y + _CELL_PX / 2)
            draw.text(middle_xy, f"{value:.2f}", ink, anchor="mm", font_size=16)
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255.0)[None]

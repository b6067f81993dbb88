"""Decoder of the demo models: latent [4, h, w] -> picture [3, 8h, 8w].

Pictures of this world are flat colours with clean edges, and a denoiser of five million parameters
leaves lumps where it should leave circles. So the decoder decides: a convolutional net that sees
about an object's width around each latent pixel says how much every quarter of it looks like each
of the world's twelve colours; between those the scores are interpolated, so that an edge, where two
scores are equal, runs smoothly through the picture's pixels. ``training/decoder.py`` trains it; it
never sees a prompt.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle, silu

from . import world

WIDTH, BLOCKS = 56, 6
DILATIONS = (1, 2, 4)
SCORES = 2
"""Scores per latent pixel along one axis; the picture has 8 pixels there."""
SHARPNESS = 2.5
"""Factor of the scores when a picture is made: where the net is undecided by a pixel or two, an
edge stays where the scores are equal and does not blur."""
PALETTE = np.concatenate([world.COLOR_RGB, world.BACKGROUND_RGB])
"""RGB of the 8 object and 4 background colours in [-1, 1], float32 [12, 3]."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a skip; replicated padding keeps the canvas border clean."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(
            width, width, 3, padding=dilation, dilation=dilation, padding_mode="replicate"
        )
        self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(silu(self.first(silu(x))))


class DemoDecoder(nn.Module):
    """Latents float [B, 4, h, w] -> pictures float [B, 3, 8h, 8w], both in [-1, 1]."""

    def __init__(self, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.inlet = nn.Conv2d(3, width, 3, padding=1, padding_mode="replicate")
        self.blocks = nn.ModuleList(
            ResidualBlock(width, DILATIONS[i % len(DILATIONS)]) for i in range(blocks)
        )
        self.outlet = nn.Conv2d(width, len(PALETTE) * SCORES**2, 1)
        self.register_buffer("palette", torch.from_numpy(PALETTE), persistent=False)

    def logits(self, latent: torch.Tensor, scale: int = world.LATENT_FACTOR) -> torch.Tensor:
        """How much each pixel looks like each colour, [B, 12, scale h, scale w]."""
        x = self.inlet(latent[:, :3])
        for block in self.blocks:
            x = block(x)
        coarse = pixel_shuffle(self.outlet(silu(x)), SCORES)
        return interpolate(coarse, scale_factor=scale / SCORES, mode="bilinear")

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.mix(self.logits(latent) * SHARPNESS)

    def mix(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits [B, 12, H, W] -> RGB [B, 3, H, W]: the mean colour, sharp where one is sure."""
        return torch.einsum("bkhw,kc->bchw", logits.softmax(1), self.palette.to(logits.dtype))

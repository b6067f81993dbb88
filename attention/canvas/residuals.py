"""Weights of a ControlNet's residuals where it is to act in some regions only.

A residual is added to the model's own states token by token (or, in a UNet, cell by cell), so
multiplying it by what the regions own of each token is all that keeps a ControlNet to its place.
"""

from __future__ import annotations

from collections.abc import Collection

import torch

from ..errors import HostError
from .regions import RegionSet
from .tokens import TokenGrid, token_ownership

PATCHES = (1, 2, 4, 8, 16, 32, 64)  # latent pixels a side of one token or cell


def residual_grid(
    shape: torch.Size, size: tuple[int, int], offset: tuple[int, int], full: tuple[int, int]
) -> TokenGrid:
    """The tokens of a residual.

    Args:
        shape: of the residual, [B, N, C] with the tokens row by row, or [B, C, rows, cols].
        size: (height, width) of the latent that it was made for.
        offset: (top, left) of that latent in the whole canvas.
        full: (height, width) of the whole canvas in latent pixels.

    Raises:
        HostError: the tokens are not those of such a latent.
    """
    height, width = size
    for patch in PATCHES:
        rows, cols = -(-height // patch), -(-width // patch)
        in_rows = len(shape) == 3 and shape[1] == rows * cols
        in_cells = len(shape) == 4 and tuple(shape[2:]) == (rows, cols)
        if in_rows or in_cells:
            return TokenGrid(rows, cols, patch, height, width, *offset, *full)
    raise HostError(
        f"A ControlNet gives a residual of shape {tuple(shape)} for a latent of {height} x "
        f"{width}. Region ControlNet expects [rows, tokens, channels] or [rows, channels, height, "
        "width] with one token per patch of the latent: this ControlNet cannot be kept to regions."
    )


def residual_weights(regions: RegionSet, chosen: Collection[int], grid: TokenGrid) -> torch.Tensor:
    """What the chosen regions own of each token: [N] float32 in 0..1 on the CPU.

    Args:
        regions: R regions; a weight below one lowers the residual.
        chosen: 0-based indices of those in which the ControlNet acts.
        grid: tokens of the residual.
    """
    owned = token_ownership(regions, grid)[1:]
    return owned[sorted(chosen)].sum(0).clamp_max(1.0)

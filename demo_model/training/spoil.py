"""Latents with the faults of sampled ones, made from clean pictures: what the decoder learns from.

Outlines bulge and bend (two smooth random displacements, one finer and one coarser), edges blur,
colours drift, and the patches of the network show. Displacements have no preferred direction, so
the clean picture is what the spoiled latent shows on average.
"""

from __future__ import annotations

import torch
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

from .. import world

FINE_PX, COARSE_PX = 0.6, 1.1
"""Largest standard deviation of the displacements, in latent pixels."""
STRAIGHT = 0.4
"""Share of the pictures whose outlines stay where they are."""


def _rand(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator)


def _smooth(generator: torch.Generator, b: int, h: int, w: int, spacing: float) -> torch.Tensor:
    """Two random fields [B, 2, h, w], smooth over ``spacing`` latent pixels."""
    knots = (max(2, round(h / spacing)) + 1, max(2, round(w / spacing)) + 1)
    coarse = torch.randn(b, 2, *knots, generator=generator)
    return interpolate(coarse, size=(h, w), mode="bicubic", align_corners=True)


def bend(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures [B, 3, H, W] -> the same with outlines displaced."""
    b, _, height, width = pictures.shape
    h, w = height // world.LATENT_FACTOR, width // world.LATENT_FACTOR
    fine = _smooth(generator, b, h, w, 1.5 + 2.5 * float(_rand(generator, 1)))
    coarse = _smooth(generator, b, h, w, 5 + 4 * float(_rand(generator, 1)))
    field = FINE_PX * _rand(generator, b, 1, 1, 1) * fine
    field = field + COARSE_PX * _rand(generator, b, 1, 1, 1) * coarse
    large = interpolate(field, size=(height, width), mode="bilinear")
    shares = large.movedim(1, -1) * torch.tensor([2.0 / w, 2.0 / h])
    straight = affine_grid(torch.eye(2, 3).expand(b, 2, 3), [b, 3, height, width], False)
    return grid_sample(pictures, straight + shares, padding_mode="border", align_corners=False)


def disturb(latent: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Latents [B, C, h, w], h and w even, with blur, noise, drift of colours, a patch pattern."""
    b, c, h, w = latent.shape
    level = lambda: _rand(generator, b, 1, 1, 1)  # noqa: E731
    blurred = avg_pool2d(pad(latent, (1, 1, 1, 1), "replicate"), 3, 1)
    latent = torch.lerp(latent, blurred, 0.5 * level())
    noise = torch.randn(latent.shape, generator=generator) * 0.08 * level()
    coarse = torch.randn(b, c, h // 4, w // 4, generator=generator) * 0.08 * level()
    pattern = torch.randn(b, c, 2, 2, generator=generator).repeat(1, 1, h // 2, w // 2)
    noise = noise + interpolate(coarse, size=(h, w), mode="bilinear")
    return latent + noise + pattern * 0.05 * level()


def spoil(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Clean pictures float32 [B, 3, 8h, 8w] in [-1, 1] -> spoiled latents [B, 3, h, w].

    So many of them as ``STRAIGHT`` says keep their outlines, so that clean latents come out as they
    are.
    """
    bent = bend(pictures, generator)
    straight = _rand(generator, len(pictures), 1, 1, 1) < STRAIGHT
    f = world.LATENT_FACTOR
    return disturb(avg_pool2d(torch.where(straight, pictures, bent), f), generator)

"""Guidance (cfg) by region: which scale has what share of each latent pixel.

Guidance goes from the negative's denoised latent beyond the positive's, D_n + s (D_p - D_n)
(arXiv 2207.12598, equation 6). Here s depends on the place, as in S-CFG (arXiv 2404.05384), but by
drawn regions and values that the user gives. Shares, not a map of s: so each scale can be asked of
any function that guides, also of one that is not linear in s or takes nothing but a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..calls.schedule import PercentRange
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, require_visible, token_ownership
from ..errors import HostError, RegionalError

MAX_CFG = 100.0  # as in the host's samplers

Scale = float | None
"""A guidance scale; None: that of the sampler."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionGuidance:
    """A guidance scale of some regions.

    Attributes:
        regions: R regions.
        chosen: 0-based indices of those that it is for.
        cfg: 0..100; 1: the positive alone.
        percent: part of the denoising in which it takes the place of the sampler's.
    """

    regions: RegionSet
    chosen: frozenset[int]
    cfg: float
    percent: PercentRange

    def __post_init__(self) -> None:
        if not 0.0 <= self.cfg <= MAX_CFG:
            raise RegionalError(f"cfg of a region is {self.cfg!r}, expected 0 to {MAX_CFG:g}.")

    @property
    def needs_negative(self) -> bool:
        """Whether it is more than the positive alone, which is all that a sampler at cfg 1 asks."""
        return not (math.isclose(self.cfg, 1.0) or self.percent.is_empty)

    def describe(self) -> str:
        """Such as "cfg 2 in regions 1, 3, 0% to 50% of the denoising"."""
        numbers = ", ".join(str(index + 1) for index in sorted(self.chosen))
        word = "region" if len(self.chosen) == 1 else "regions"
        when = ""
        if not self.percent.is_full:
            when = f", {self.percent.start:.0%} to {self.percent.end:.0%} of the denoising"
        return f"cfg {self.cfg:g} in {word} {numbers}{when}"


def guidance_shares(
    parts: Sequence[RegionGuidance], size: Sequence[int]
) -> dict[Scale, torch.Tensor]:
    """What share each scale has of each latent pixel.

    Of one set of regions a pixel is divided as among their prompts, but whatever their weights:
    a weight is that of a prompt. In a region that several parts choose the last one counts, and
    regions of another set lie over those of the parts before.

    Args:
        parts: that act, first node first.
        size: (height, width) or (frames, height, width) of the whole latent.

    Returns:
        Scale -> [1, 1, *size] float32 in 0..1 on the CPU; all of them sum to one.

    Raises:
        HostError: the latent is neither a picture nor a video.
        RegionError: a chosen region has no pixel.
    """
    if len(size) not in (2, 3):
        raise HostError(
            f"Region Guidance got a latent with {len(size)} axes of positions, expected a picture "
            "(height, width) or a video (frames, height, width). Remove Region Guidance."
        )
    frames, height, width = (1, *size)[-3:]
    place = (height, width, 1, height, width, 0, 0, height, width)
    grid = TokenGrid(*place, frames=frames, full_frames=frames)
    shares: dict[Scale, torch.Tensor] = {None: torch.ones(grid.n_tokens)}
    for regions, scales in _by_set(parts):
        chosen = [float(index in scales) for index in range(len(regions))]
        require_visible(regions.with_weights(chosen), grid)
        owned = token_ownership(regions.with_weights([1.0] * len(regions)), grid)[1:]
        left = (1.0 - owned[sorted(scales)].sum(0)).clamp_min(0.0)
        shares = {scale: share * left for scale, share in shares.items()}
        for index, scale in scales.items():
            shares[scale] = shares.get(scale, 0.0) + owned[index]
    return {scale: share.view(1, 1, *size) for scale, share in shares.items()}


def _by_set(parts: Sequence[RegionGuidance]) -> list[tuple[RegionSet, dict[int, float]]]:
    """Scale by region, for each set of regions; sets in the order of their first part."""
    found: dict[int, tuple[RegionSet, dict[int, float]]] = {}
    for part in parts:
        _, scales = found.setdefault(id(part.regions), (part.regions, {}))
        scales.update(dict.fromkeys(part.chosen, part.cfg))
    return list(found.values())

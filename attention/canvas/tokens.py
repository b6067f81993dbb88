"""From regions to weights on the model's token grid, at sampling time, from the real latent."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import HostError, RegionError
from .regions import OverlapMode, RegionSet

# Weights below this are rounding of box borders, not intent: dropping them keeps tokens that lie
# wholly inside one region free of a second attention call.
NEGLIGIBLE_WEIGHT = 1e-3

# A UNet has four grids; areas and tiles have their own. 64 regions on 16384 tokens are 4 MiB each.
KEPT_GRIDS = 8


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """The image tokens of one model call.

    Attributes:
        rows, cols: tokens down and across; N = frames * rows * cols, frame by frame, row by row.
        patch: latent pixels per token side.
        height, width: latent pixels of this call (an area conditioning crops the latent).
        top, left: where that crop begins in the full latent.
        full_height, full_width: latent pixels of the whole canvas.
        frames: latent frames of this call, 1 for a picture.
        first_frame: where they begin in the whole video; None where that is not known, because
            the host cuts the video into windows.
        full_frames: latent frames of the whole video.
    """

    rows: int
    cols: int
    patch: int
    height: int
    width: int
    top: int
    left: int
    full_height: int
    full_width: int
    frames: int = 1
    first_frame: int | None = 0
    full_frames: int = 1

    @property
    def n_tokens(self) -> int:
        return self.frames * self.rows * self.cols

    @property
    def is_whole(self) -> bool:
        """Whether the call holds the whole canvas, in all frames."""
        whole = (self.full_height, self.full_width, self.full_frames)
        return (self.height, self.width, self.frames) == whole

    def edges(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Token borders (x [cols + 1], y [rows + 1]) as canvas fractions.

        The last token of an odd-sized latent reaches into padding; only its real pixels count.
        """
        x = torch.arange(self.cols + 1).mul(self.patch).clamp_max(self.width) + self.left
        y = torch.arange(self.rows + 1).mul(self.patch).clamp_max(self.height) + self.top
        return x.double() / self.full_width, y.double() / self.full_height

    def frame_edges(self) -> torch.Tensor:
        """Borders [frames + 1] of the latent frames as shares of the video.

        Raises:
            HostError: the host runs the model on windows of the video.
        """
        if self.first_frame is None:
            raise HostError(
                f"The model is run on {self.frames} of {self.full_frames} latent frames at a time "
                "(context windows), and a region has a frame range. Which frames they are is not "
                "told to patches: remove the frame ranges, or the context windows."
            )
        return (torch.arange(self.frames + 1) + self.first_frame).double() / self.full_frames


def token_coverage(
    regions: RegionSet, grid: TokenGrid, overlap: OverlapMode | None = None
) -> torch.Tensor:
    """Share of each token that each region covers, overlaps resolved.

    Kept with the regions for the grids seen last, as every rule, phase and step asks for it anew.

    Args:
        regions: R regions.
        grid: the token grid of the call.
        overlap: another overlap mode than the regions' own.

    Returns:
        [R, N] float32 in 0..1 on the CPU; shared, not to be written to.
    """
    key = (grid, overlap or regions.overlap)
    kept = regions.memo.pop(key, None)
    if kept is None:
        # An ordinary tensor, so that calls outside of the inference mode can use it, too.
        with torch.inference_mode(False), torch.no_grad():
            kept = _coverage(regions, grid, overlap)
    regions.memo[key] = kept  # to the end: the first one is the oldest
    for oldest in list(regions.memo)[:-KEPT_GRIDS]:
        regions.memo.pop(oldest, None)
    return kept


def _coverage(regions: RegionSet, grid: TokenGrid, overlap: OverlapMode | None) -> torch.Tensor:
    if regions.has_frames and grid.full_frames > 1:
        return regions.coverage(*grid.edges(), grid.frame_edges(), overlap=overlap).flatten(1)
    return regions.coverage(*grid.edges(), overlap=overlap).flatten(1).repeat(1, grid.frames)


def normalised(weights: torch.Tensor) -> torch.Tensor:
    """Mixing weights [R + 1, N] whose columns sum to one, without the negligible ones."""
    weights = weights.masked_fill(weights < NEGLIGIBLE_WEIGHT, 0.0)
    return weights / weights.sum(0)


def kept_shares(regions: RegionSet, base_ratio: float | None) -> torch.Tensor:
    """What the regions keep beside the global prompt: [R] float32, 1 - beta_r.

    Args:
        regions: a region's own base ratio takes the place of the rule's.
        base_ratio: the rule's; None: the global prompt has no share, whatever the regions say.
    """
    if base_ratio is None:
        return torch.ones(len(regions))
    own = (r.base_ratio for r in regions.regions)
    return torch.tensor([1.0 - (base_ratio if beta is None else beta) for beta in own])


def token_ownership(
    regions: RegionSet, grid: TokenGrid, base_ratio: float | None = None
) -> torch.Tensor:
    """Who owns each image token: the mixing weights of all prompts, summing to one.

    With masks m_r normalised where they overlap, m~_r = m_r / max(1, sum m), weights a_r and base
    ratio beta: omega_r = (1 - beta) a_r m~_r, scaled down where the sum exceeds one, and
    omega_0 = 1 - sum omega_r for the global prompt. For a_r = 1 this is the attention couple
    O = (1 - beta) sum_{r>=0} m~_r O_r + beta O_0 with m~_0 = max(0, 1 - sum m). Tokens that no
    region covers belong to the global prompt; no token is ever without an owner.

    Args:
        regions: R regions.
        grid: the token grid of the call.
        base_ratio: beta, 0..1, the global prompt's share inside the regions that have none of
            their own; None for no share inside any.

    Returns:
        [R + 1, N] float32 on the CPU; row 0 is the global prompt; columns sum to one.
    """
    masks = token_coverage(regions, grid)
    masks = masks / masks.sum(0).clamp_min(1.0)
    strength = torch.tensor([r.weight for r in regions.regions]) * kept_shares(regions, base_ratio)
    owned = masks * strength[:, None]
    owned = owned / owned.sum(0).clamp_min(1.0)
    base = (1.0 - owned.sum(0, keepdim=True)).clamp_min(0.0)
    return normalised(torch.cat([base, owned]))


def require_visible(regions: RegionSet, grid: TokenGrid) -> None:
    """Raise where a region with a weight owns no token of the whole canvas.

    Raises:
        RegionError: the region is too small for this latent, or lies wholly behind others.
    """
    largest = token_coverage(regions, grid).amax(1).tolist()
    for index, (region, share) in enumerate(zip(regions.regions, largest, strict=True)):
        if region.weight > 0.0 and share < NEGLIGIBLE_WEIGHT:
            raise RegionError(
                f"Region {index + 1} would be lost: on this latent of {grid.full_width} x "
                f"{grid.full_height} the model sees {grid.cols} x {grid.rows} tokens, and the "
                f"region covers at most {share:.2%} of any. It is too small, or hidden behind "
                "others: enlarge it, move it to the front, or sample a larger picture."
            )

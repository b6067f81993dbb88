"""How visible the borders between regions are.

Neighbouring pixels differ somewhat everywhere. The seam score is the mean difference across the
borders between regions, divided by the mean difference in bands beside the borders: 1 = a border is
no more visible than what lies beside it, 3 = three times as strong an edge.
"""

from __future__ import annotations

import torch

from ..attention.canvas.regions import RegionSet
from .errors import EvaluationError

BORDER_SHARE, BAND_SHARE = 0.01, 0.08
"""Half width of a border and reach of the bands, as shares of the shorter side."""
_FLOOR = 1 / 255  # differences below one grey level are not seen


def owners(regions: RegionSet, height: int, width: int) -> torch.Tensor:
    """Which region a pixel belongs to, int [height, width]; R where none covers half of it."""
    masks = regions.masks(height, width)
    rest = torch.full_like(masks[:1], 0.5)
    return torch.cat([masks, rest]).argmax(0)


def seam_score(pictures: torch.Tensor, regions: RegionSet) -> tuple[float, ...]:
    """Seam score per picture.

    Args:
        pictures: float [B, H, W, 3] in 0..1.
        regions: whose borders are looked at, those with uncovered canvas included.

    Raises:
        EvaluationError: there is no border in the picture.
    """
    height, width = pictures.shape[1:3]
    side = min(height, width)
    owner = owners(regions, height, width)
    reach = max(1, round(BORDER_SHARE * side))
    near = _near_border(owner, 2 * reach + 1)  # no step of the bands looks across a border
    band = _near_border(owner, max(3 * reach + 2, round(BAND_SHARE * side))) & ~near
    if not bool(near.any()):
        raise EvaluationError(
            "One region covers the whole picture, so there is no border to measure a seam at."
        )
    if not bool(band.any()):
        raise EvaluationError(
            f"All {width} x {height} pixels lie at a border: the regions are too small for a seam "
            "score. Use a larger picture."
        )
    crossing, beside, weight = 0.0, 0.0, 0
    for axis in (0, 1):  # up and down, left and right: an edge is compared with its own direction
        step = pictures[..., :3].float().diff(dim=axis + 1).abs().mean(-1)
        step = _widest(step, axis, reach)
        cut = owner.diff(dim=axis) != 0
        within = band.narrow(axis, 1, band.shape[axis] - 1) & band.narrow(
            axis, 0, band.shape[axis] - 1
        )
        count = int(cut.sum())
        if count == 0 or not bool(within.any()):
            continue
        crossing = crossing + step[:, cut].sum(1)
        beside = beside + step[:, within].mean(1) * count
        weight += count
    scores = (torch.as_tensor(crossing) / weight + _FLOOR) / (
        torch.as_tensor(beside) / weight + _FLOOR
    )
    return tuple(float(x) for x in scores)


def _near_border(owner: torch.Tensor, reach: int) -> torch.Tensor:
    """Pixels at most ``reach`` away from one of another owner, bool [H, W]."""
    edge = torch.zeros_like(owner, dtype=torch.bool)
    down, across = owner[1:] != owner[:-1], owner[:, 1:] != owner[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    pooled = torch.nn.functional.max_pool2d(
        edge[None].float(), 2 * reach - 1, stride=1, padding=reach - 1
    )
    return pooled[0] > 0


def _widest(steps: torch.Tensor, axis: int, reach: int) -> torch.Tensor:
    """Largest of the few steps around each place, so that an edge may lie a pixel beside a border.

    ``steps`` is [B, H or H - 1, W or W - 1]; ``axis`` 0 looks up and down, 1 left and right.
    """
    kernel = (2 * reach + 1, 1) if axis == 0 else (1, 2 * reach + 1)
    padding = (reach, 0) if axis == 0 else (0, reach)
    return torch.nn.functional.max_pool2d(steps, kernel, stride=1, padding=padding)

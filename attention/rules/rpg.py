"""RPG: each region is a crop of its own prompt's attention, blended with the global prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, kept_shares, token_coverage
from ..engine.groups import Groups, mix_groups
from .settings import EveryLayer, region_weights, require_range


@dataclass(frozen=True, slots=True)
class RPG(EveryLayer):
    """O = (1 - beta) crop_r + beta O_0 in the cell of region r, O_0 outside of all.

    Source: the code of RPG (arXiv 2401.11708), which crops Attn(q, K_r, V_r) to the cell (the
    paper describes resizing and joining). A crop has hard borders: every token belongs to the one
    region that covers most of it, the front one on a tie, or to the global prompt where more of it
    is uncovered. Deviation: a weight below one lowers the region's share.

    Attributes:
        base_ratio: beta, 0..1; 0.35 to 0.55 is recommended.
    """

    base_ratio: float = 0.5

    def __post_init__(self) -> None:
        require_range("Base ratio", self.base_ratio, 0.0, 1.0)

    @property
    def name(self) -> str:
        return "rpg"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        coverage = token_coverage(regions, grid)
        weights = region_weights(regions).clamp_max(1.0)
        front_first = sorted(range(len(regions)), key=lambda i: -regions.regions[i].order)
        uncovered = (1.0 - coverage.sum(0)).clamp_min(0.0)
        owned = torch.zeros(len(regions) + 1, coverage.shape[1])
        most, winner = coverage[front_first].max(0)  # the first of equals wins
        kept = kept_shares(regions, self.base_ratio)[front_first][winner]
        shares = kept * weights[front_first][winner] * (most > uncovered)
        owned.scatter_(0, torch.tensor(front_first)[winner][None] + 1, shares[None])
        owned[0] = 1.0 - shares
        return mix_groups(owned)

    def describe(self) -> str:
        return f"rpg, hard crops, base ratio {self.base_ratio:g}"

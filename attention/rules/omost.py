"""Omost's attention: one softmax over the global prompt and those of the regions around."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_coverage
from ..engine.groups import Group, Groups, KeyBlock
from ..errors import RegionError
from .settings import EveryLayer, canvas_coverage

VISIBLE = 0.5  # a token sees a region that covers more of it than this


@dataclass(frozen=True, slots=True)
class Omost(EveryLayer):
    """softmax over T_0 and every T_r with m_r > 0.5 of q K^T / sqrt(d) * (HW / sum m_r).

    Source: the attention of lllyasviel/Omost. The smaller a region, the larger its scores: the
    factor multiplies them, so negative scores are pushed down. Deviation: a region's weight a_r
    adds log a_r to its scores (Omost has no weights).
    """

    @property
    def name(self) -> str:
        return "omost"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        coverage = token_coverage(regions, grid)
        canvas = canvas_coverage(regions, grid)
        blocks = [KeyBlock(0)]
        for index, region in enumerate(regions.regions):
            if region.weight == 0.0:
                continue
            if not bool((canvas[index] > VISIBLE).any()):
                raise RegionError(
                    f"The rule 'omost' shows a region only to tokens of which it covers more than "
                    f"half, and region {index + 1} covers at most "
                    f"{float(canvas[index].max()):.0%} of any. Enlarge or harden it, move it to "
                    "the front, or use another rule."
                )
            queries = (coverage[index] > VISIBLE).nonzero()[:, 0]
            if queries.numel() == 0:  # outside the area that this call computes
                continue
            strength = torch.full(queries.shape, math.log(region.weight))
            blocks.append(
                KeyBlock(
                    index + 1,
                    queries=queries,
                    log_weight=None if region.weight == 1.0 else strength,
                    scale=canvas.shape[1] / float(canvas[index].sum()),
                )
            )
        return (Group(tuple(blocks)),)

    def describe(self) -> str:
        return "omost, one softmax over all prompts, scores scaled by 1 / area"

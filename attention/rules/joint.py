"""Joint softmax: all prompts of a token compete in one softmax, with log-weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import Group, Groups, KeyBlock
from .settings import EveryLayer, require_range


@dataclass(frozen=True, slots=True)
class Joint(EveryLayer):
    """O = sum_r omega_r e^LSE_r O_r / sum_r omega_r e^LSE_r, the softmax over T_0, T_1 .. T_R.

    The weights omega are those of ``couple`` and enter as log omega; the two rules differ by the
    factors e^LSE_r: here a prompt that answers a query more strongly gets more of it.

    Attributes:
        base_ratio: beta, 0..1, the global prompt's weight inside the regions.
        length_compensation: also divide each prompt's weight by its number of tokens, so that
            long prompts do not win by their length. Prompts of one length are not changed by it.
    """

    base_ratio: float = 0.3
    length_compensation: bool = True

    def __post_init__(self) -> None:
        require_range("Base ratio", self.base_ratio, 0.0, 1.0)

    @property
    def name(self) -> str:
        return "joint"

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        ownership = token_ownership(regions, grid, self.base_ratio)
        alone = (ownership > 0).sum(0) == 1
        groups = []
        for prompt, weight in enumerate(ownership):
            queries = (alone & (weight > 0)).nonzero()[:, 0]
            if queries.numel():
                groups.append(Group((KeyBlock(prompt),), queries))
        shared = (~alone).nonzero()[:, 0]
        if shared.numel():
            blocks = [
                self._block(prompt, weight[shared])
                for prompt, weight in enumerate(ownership)
                if bool((weight[shared] > 0).any())
            ]
            groups.append(Group(tuple(blocks), shared))
        return tuple(groups)

    def _block(self, prompt: int, weight: torch.Tensor) -> KeyBlock:
        seen = (weight > 0).nonzero()[:, 0]
        return KeyBlock(
            prompt,
            queries=None if seen.numel() == weight.numel() else seen,
            log_weight=weight[seen].log(),
            per_token=self.length_compensation,
        )

    def describe(self) -> str:
        length = ", lengths compensated" if self.length_compensation else ""
        return f"joint softmax over all prompts, base ratio {self.base_ratio:g}{length}"

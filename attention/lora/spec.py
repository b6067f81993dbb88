"""Which LoRA acts in which region, how strongly, and when."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch

from ..calls.schedule import PercentRange
from ..canvas.region_list import region_indices
from ..canvas.regions import RegionSet
from ..errors import RegionalError

MAX_STRENGTH = 100.0
ALWAYS = PercentRange()


@dataclass(frozen=True, slots=True, eq=False)
class RegionLora:
    """One LoRA file for some regions.

    Attributes:
        name: of the file, for messages.
        tensors: its content.
        regions: numbers from 1 or names, such as "1, 3" or "cat"; "all" for every region.
        strength: s, as in the host's LoRA loaders; negative ones take the LoRA away.
        percent: part of the denoising in which it acts on the diffusion model.
        negative: whether it also acts where a prompt has no regions, as the negative one.
        same: alike for what is one LoRA, though it was read more than once; it then acts once.
    """

    name: str
    tensors: Mapping[str, torch.Tensor]
    regions: str
    strength: float
    percent: PercentRange = ALWAYS
    negative: bool = True
    same: Hashable = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength) or abs(self.strength) > MAX_STRENGTH:
            raise RegionalError(
                f"The strength of {self.name} is {self.strength!r}, expected a number from "
                f"{-MAX_STRENGTH:g} to {MAX_STRENGTH:g}."
            )

    @property
    def is_noop(self) -> bool:
        return self.strength == 0.0

    def indices(self, regions: RegionSet) -> frozenset[int]:
        """The regions that are meant, from 0.

        Raises:
            RegionError: a number or a name that no region has.
        """
        return region_indices(self.regions, regions, what=self.name)

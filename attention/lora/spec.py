"""Which LoRA acts in which region, how strongly, and when."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..calls.schedule import PercentRange
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
    """

    name: str
    tensors: Mapping[str, torch.Tensor]
    regions: str
    strength: float
    percent: PercentRange = ALWAYS
    negative: bool = True

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
            RegionalError: a number or a name that no region has.
        """
        parts = [part.strip() for part in re.split(r"[,;\n]", self.regions) if part.strip()]
        if [part.lower() for part in parts] == ["all"]:
            return frozenset(range(len(regions)))
        found: set[int] = set()
        for part in parts:
            named = {i for i, r in enumerate(regions.regions) if r.name and r.name == part}
            if part.isdecimal() and 1 <= int(part) <= len(regions):
                named = {int(part) - 1}
            if not named:
                names = [r.name for r in regions.regions if r.name and not r.name.isdecimal()]
                known = f" or one of the names {', '.join(names)}" if names else ""
                raise RegionalError(
                    f"{self.name} is meant for region {part!r}, but there are {len(regions)} "
                    f"regions. Expected numbers from 1 to {len(regions)}{known}, separated by "
                    "commas, or 'all'."
                )
            found |= named
        if not found:
            raise RegionalError(
                f"{self.name} names no region. Write its number, such as 1, several separated by "
                "commas, or 'all'."
            )
        return frozenset(found)

"""When in the denoising a region acts, and how strongly: a factor of its weight at each step.

The factor is part of a layer's *phase* (``sampling/run.py``): groups are made once for every weight
that occurs, so regions that are only switched on and off cost nothing per step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import RegionalError, RegionError
from .region_list import region_indices

if TYPE_CHECKING:
    from ..calls.step import Step
    from ..rules import Rule
    from .regions import RegionSet


@dataclass(frozen=True, slots=True)
class RegionSchedule:
    """A region's part of the denoising, 0 = first step, 1 = end, as a ``Box`` is one of the canvas.

    Attributes:
        start, end: 0 <= start < end <= 1; half-open, so that regions which hand over to each other
            never both act on one step.
        ramp: width of the linear ramp that is centred on each side, 0..1. The beginning and the
            end of the denoising have none. Ramps of two regions that share a side add up to one.
        outside: factor of the weight outside of its part, 0..1; 0: the region does not act there.
    """

    start: float = 0.0
    end: float = 1.0
    ramp: float = 0.0
    outside: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < self.end <= 1.0:
            raise RegionError(
                f"A region's part of the denoising is {self.start:g}..{self.end:g}, which is empty "
                "or leaves 0..1. Expected start_percent < end_percent, both between 0 and 1."
            )
        for name in ("ramp", "outside"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise RegionError(f"A region's {name} is {value!r}, expected 0..1.")

    def strength(self, step: Step) -> float:
        """Factor of the region's weight, ``outside``..1, to four digits."""
        return round(self.outside + (1.0 - self.outside) * self._inside(step), 4)

    def _inside(self, step: Step) -> float:
        if self.ramp == 0.0:  # to the very step, as the percents of a patch
            return float(not step.before(self.start) and step.before(self.end))
        rise = 1.0 if self.start <= 0.0 else (step.percent - self.start) / self.ramp + 0.5
        fall = 1.0 if self.end >= 1.0 else (self.end - step.percent) / self.ramp + 0.5
        return max(0.0, min(max(rise, 0.0), 1.0) + min(max(fall, 0.0), 1.0) - 1.0)

    def describe(self) -> str:
        """Such as "20% to 80%, ramp 10%, 0.3 outside"."""
        ramp = f", ramp {self.ramp:.0%}" if self.ramp else ""
        outside = f", {self.outside:g} outside" if self.outside else ""
        return f"{self.start:.0%} to {self.end:.0%}{ramp}{outside}"


def weights_at(regions: RegionSet, step: Step) -> tuple[float, ...] | None:
    """R weights at a step, or None where no region has a schedule: sigma is then not looked at."""
    if all(region.schedule is None for region in regions.regions):
        return None
    return tuple(
        region.weight * (1.0 if region.schedule is None else region.schedule.strength(step))
        for region in regions.regions
    )


def with_schedule(
    regions: RegionSet,
    which: str,
    schedule: RegionSchedule,
    base_ratio: float | None,
) -> RegionSet:
    """The same regions, some of them with a schedule and a base ratio of their own.

    Args:
        regions: R regions; what they had before is replaced.
        which: their numbers or names (``region_list``); empty for all.
        schedule: of these regions.
        base_ratio: share of the global prompt inside these regions, 0..1; None: the rule's.

    Raises:
        RegionError: a region that is not there.
    """
    chosen = region_indices(which, regions, what="The schedule", empty_is_all=True)
    full = schedule.start <= 0.0 and schedule.end >= 1.0
    changed = {"schedule": None if full else schedule, "base_ratio": base_ratio}
    return replace(
        regions,
        regions=tuple(
            replace(region, **changed) if index in chosen else region
            for index, region in enumerate(regions.regions)
        ),
    )


def check_base_ratios(regions: RegionSet, rule: Rule) -> None:
    """Raise where a region has a base ratio of its own and the rule has none.

    Raises:
        RegionalError: names the region and the rule.
    """
    for index, region in enumerate(regions.regions):
        if region.base_ratio is not None and not rule.takes_base_ratios:
            raise RegionalError(
                f"Region {index + 1} has a base ratio of its own ({region.base_ratio:g}), but the "
                f"rule '{rule.name}' has no base ratio. Set base_ratio of Region Schedule to -1, "
                "or use a rule that has one (couple, joint, rpg, bind, rpf)."
            )

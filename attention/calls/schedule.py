"""When and where a patch acts: layer ranges and percent ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RegionalError

if TYPE_CHECKING:
    from .step import Step


def layer_range(first: int, last: int, n_layers: int, default_last: int) -> tuple[int, ...]:
    """The transformer blocks first..last, both included, 0-based.

    Args:
        first: 0..n_layers - 1.
        last: 0..n_layers - 1, or -1 for ``default_last`` (what the rule asks for). A ``last``
            below ``first`` gives an empty range: the patch then changes nothing.
        n_layers: blocks of the model.
        default_last: last layer of the rule's own range.

    Raises:
        RegionalError: a layer that the model does not have.
    """
    if last == -1:
        last = default_last
    if not 0 <= first < n_layers or not 0 <= last < n_layers:
        raise RegionalError(
            f"Layers {first}..{last} do not exist: this model has the layers 0..{n_layers - 1}. "
            f"Set first_layer and last_layer inside that range (last_layer -1 = automatic)."
        )
    return tuple(range(first, last + 1))


@dataclass(frozen=True, slots=True)
class PercentRange:
    """A half-open part of the denoising, 0 = first step, 1 = end.

    Half-open so that ranges that touch (0..0.5 and 0.5..1) never both act on one step.
    """

    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.start <= 1.0 and 0.0 <= self.end <= 1.0):
            raise RegionalError(
                f"Percent range {self.start:g}..{self.end:g} leaves 0..1; expected start_percent "
                "and end_percent between 0 and 1."
            )

    @property
    def is_empty(self) -> bool:
        return self.start >= self.end

    @property
    def is_full(self) -> bool:
        return self.start <= 0.0 and self.end >= 1.0

    def holds(self, step: Step) -> bool:
        """Whether the step lies in it: sigma_start >= sigma > sigma_end by the model's schedule."""
        if self.is_empty or self.is_full:  # no need to read sigma back from the device
            return self.is_full
        return not step.before(self.start) and step.before(self.end)

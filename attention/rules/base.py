"""What a rule must say."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Literal, Protocol

from ..groups import Groups
from ..regions import RegionSet
from ..step import Step
from ..tokens import TokenGrid

# Cross-attention: image tokens ask text tokens. Joint attention: all ask all.
AttentionKind = Literal["cross", "joint"]


class Rule(Protocol):
    """A rule is a frozen dataclass of its own settings; it holds no state and no tensors."""

    attention: ClassVar[AttentionKind]  # the kind of attention that it is made for

    @property
    def name(self) -> str:
        """Short name for reports."""
        ...

    def default_last_layer(self, n_layers: int) -> int:
        """Last layer (0-based) of the rule's own range in a model of ``n_layers`` blocks."""
        ...

    def phase(self, layer: int, n_layers: int, step: Step) -> Hashable | None:
        """All that the groups depend on besides regions and grid; None: the layer stays stock.

        Groups are made once per sampling for each phase, so a rule with few phases costs nothing
        per step. Looking at ``step`` reads sigma back from the device, once per model call.
        """
        ...

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: Hashable) -> Groups:
        """Groups for one token grid and phase, tensors on the CPU."""
        ...

    def describe(self) -> str:
        """One sentence for the report."""
        ...

"""What a rule must say."""

from __future__ import annotations

from typing import Protocol

from ..groups import Groups
from ..regions import RegionSet
from ..tokens import TokenGrid


class Rule(Protocol):
    """A rule is a frozen dataclass of its own settings; it holds no state and no tensors."""

    @property
    def name(self) -> str:
        """Short name for reports."""
        ...

    def default_last_layer(self, n_layers: int) -> int:
        """Last layer (0-based) of the rule's own range in a model of ``n_layers`` blocks."""
        ...

    def groups(self, regions: RegionSet, grid: TokenGrid) -> Groups:
        """Groups for one token grid, tensors on the CPU. Called once per sampling and grid."""
        ...

    def describe(self) -> str:
        """One sentence for the report."""
        ...

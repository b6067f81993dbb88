"""What a rule must say."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from ..groups import Groups
from ..regions import RegionSet
from ..step import Step
from ..tokens import TokenGrid

# Cross-attention: image tokens ask text tokens. Joint attention: all ask all.
AttentionKind = Literal["cross", "joint"]


@dataclass(frozen=True, slots=True)
class BlockKinds:
    """The transformer blocks of one joint-attention model.

    Attributes:
        n_layers: all of them.
        n_double: the first ones, which keep text and image apart; single blocks follow.
        takes_stream: whether the single blocks can carry a second stream of image tokens.
        middle: (first, last) of the layers in which image regions may be isolated, or None where
            nothing is published and the middle third is taken.
    """

    n_layers: int
    n_double: int
    takes_stream: bool = False
    middle: tuple[int, int] | None = None


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


@runtime_checkable
class TunedRule(Protocol):
    """A rule whose boosts (``KeyBlock.boost``) change from step to step."""

    def boost_factor(self, step: Step) -> float:
        """Factor of every boost at this step."""
        ...


@runtime_checkable
class PhraseRule(Protocol):
    """A rule that names single tokens of the global prompt."""

    @property
    def base_tokens(self) -> int:
        """Text tokens that this prompt must have."""
        ...


@runtime_checkable
class FittedRule(Protocol):
    """A rule that must know the model's blocks; asked once, before sampling starts."""

    def fitted(self, blocks: BlockKinds) -> Rule:
        """The rule for this model; raises where the settings do not fit it."""
        ...

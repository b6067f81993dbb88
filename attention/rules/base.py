"""What a rule must say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid
from ..engine.groups import Groups

# Cross-attention: image tokens ask text tokens. Joint attention: all ask all.
AttentionKind = Literal["cross", "joint"]

P = TypeVar("P", bound=Hashable)


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


class Rule(ABC, Generic[P]):
    """A rule is a frozen dataclass of its own settings; it holds no state and no tensors.

    ``P`` is the type of its phases, a small hashable value: all that the groups depend on besides
    regions and grid.
    """

    __slots__ = ()

    attention: ClassVar[AttentionKind]  # the kind of attention that it is made for

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name for reports."""

    @abstractmethod
    def phase(self, layer: int, n_layers: int, step: Step) -> P | None:
        """What the layer does at this step; None: it stays stock.

        Groups are made once per sampling for each phase, so a rule with few phases costs nothing
        per step. Looking at ``step`` reads sigma back from the device, once per model call.
        """

    @abstractmethod
    def groups(self, regions: RegionSet, grid: TokenGrid, phase: P) -> Groups:
        """Groups for one token grid and phase, tensors on the CPU."""

    @abstractmethod
    def describe(self) -> str:
        """One sentence for the report."""

    def default_last_layer(self, n_layers: int) -> int:
        """Last layer (0-based) of the rule's own range in a model of ``n_layers`` blocks."""
        return n_layers - 1

    def fitted(self, blocks: BlockKinds) -> Rule[P]:
        """The rule for a model with these blocks, asked for once, before sampling starts.

        Raises:
            RegionalError: the settings do not fit the model.
        """
        return self

    def boost_factor(self, step: Step) -> float | None:
        """Factor of every boost (``KeyBlock.boost``) at this step; None: the rule has no boosts."""
        return None

    @property
    def takes_base_ratios(self) -> bool:
        """Whether ``Region.base_ratio`` can take the place of a base ratio of the rule."""
        return hasattr(self, "base_ratio")

    @property
    def base_tokens(self) -> int | None:
        """Text tokens that the global prompt must have; None: any number."""
        return None

"""A model call as the families see it: what each patched layer does, and the texts for that."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..canvas.tokens import TokenGrid
from ..engine.groups import Groups

if TYPE_CHECKING:
    from ..lora.ownership import Owner


@dataclass(frozen=True, slots=True, eq=False)
class TextStates:
    """A regional prompt's text on the device, and a key to cache under.

    Attributes:
        key: for caches.
        states: what the family's ``text_states`` made: [1, T, C_text], or several such tensors
            where the model has several text streams.
        owner: id of the set of regional prompts and region, from 0.
    """

    key: Hashable
    states: Any
    owner: Owner = ("", -1)


@dataclass(frozen=True, slots=True, eq=False)
class LayerJob:
    """What one layer does for the rows of one conditioning entry.

    Attributes:
        rows: of the batch.
        grid: the image tokens of this layer.
        groups: from the rule, tensors on the device.
        texts: of the R regions; none where the groups speak of no regional text.
        references: region of each reference image, see ``references.REFERENCES``.
    """

    rows: slice
    grid: TokenGrid
    groups: Groups
    texts: tuple[TextStates, ...]
    references: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CallPlan:
    """What every patched layer does in a model call of this make-up.

    Attributes:
        chunks: row ranges of the conditioning entries in the batch.
        layers: patched layers only.
        memo: what a family works out from the plan once.
    """

    chunks: tuple[slice, ...]
    layers: dict[int, tuple[LayerJob, ...]]
    memo: dict[Hashable, Any] = field(default_factory=dict)

    def plain_rows(self, jobs: tuple[LayerJob, ...]) -> list[slice]:
        """Row ranges that keep the stock attention in a layer with these jobs."""
        regional = [job.rows for job in jobs]
        return [rows for rows in self.chunks if rows not in regional]


class TextCache:
    """Keys and values of regional prompts, kept within a memory budget for one sampling.

    What does not fit is computed anew at each call; nothing is evicted, so that the same layers
    stay cached at every step.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._kept: dict[Hashable, tuple[torch.Tensor, torch.Tensor]] = {}

    def get(
        self, key: Hashable, compute: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        pair = compute()
        size = sum(t.numel() * t.element_size() for t in pair)
        if self.used_bytes + size <= self.budget_bytes:
            self._kept[key] = pair
            self.used_bytes += size
        return pair

"""Which rows of a layer's input have a delta, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from .delta import Delta
from .streams import Stream

# A row that is copied out and added back costs about as much as this many ranks on it.
COPY_RANKS = 128


@dataclass(frozen=True, slots=True, eq=False)
class LayerDelta:
    """One LoRA's delta of one layer.

    Attributes:
        lora: index of the LoRA in the routing.
        delta: at strength one.
        strength: s.
        n_inputs: of the layer.
    """

    lora: int
    delta: Delta
    strength: float
    n_inputs: int


@dataclass(frozen=True, slots=True)
class Where:
    """Where the input of a layer lies.

    Attributes:
        stream: its tokens.
        shape: (rows, columns) of the layer's own grid, None for the first layer's.
        block: index of its transformer block, None outside of them.
        rows_last: whether the batch is the last axis before the channels, not the first.
    """

    stream: Stream
    shape: tuple[int, int] | None = None
    block: int | None = None
    rows_last: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a layer's input that have a delta: which, and how much of it.

    Attributes:
        index: [M] int64 on the device, None for all.
        weight: [M, 1], or [B, 1, ...] of a convolution; None where all have ``scale``.
        scale: factor of all of them.
    """

    index: torch.Tensor | None
    weight: torch.Tensor | None
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Rows of a layer's input that have any delta of a stack, and how much of each of its ranks.

    Attributes:
        index: [M] int64 on the device, None for all.
        weight: [M, R], or [1, R] where all rows are alike.
    """

    index: torch.Tensor | None
    weight: torch.Tensor


class Experts(NamedTuple):
    """Which tokens of the flattened batch an expert computes, and of how many."""

    tokens: torch.Tensor
    total: int


def only_value(weights: torch.Tensor) -> float | None:
    """The value that all weights (on the CPU) have, None where they differ."""
    low, high = weights.aminmax()
    return float(low) if bool(low == high) else None


def rows_of(weights: torch.Tensor, strength: float, like: torch.Tensor) -> Rows | None:
    """From weights [M] on the CPU, 0 where a row has no delta."""
    index = weights.nonzero()[:, 0]
    if index.numel() == 0:
        return None
    kept = weights[index]
    same = only_value(kept)
    whole = index.numel() == weights.numel()
    return Rows(
        None if whole else index.to(like.device),
        None if same is not None else (kept * strength)[:, None].to(like.device, like.dtype),
        1.0 if same is None else strength * same,
    )


def spread_of(
    weights: Sequence[float | torch.Tensor], ranks: Sequence[int], like: torch.Tensor
) -> Spread | None:
    """The rows of a stack.

    Args:
        weights: of each delta: of all rows, or [M] on the CPU.
        ranks: of each delta.
        like: of the dtype and on the device of the layer.
    """
    length = max(w.numel() if isinstance(w, torch.Tensor) else 1 for w in weights)
    each = torch.stack([torch.as_tensor(w, dtype=torch.float32).expand(length) for w in weights], 1)
    index = each.any(1).nonzero()[:, 0]
    if index.numel() == 0:
        return None
    n_ranks = sum(ranks)
    few = index.numel() * (n_ranks + COPY_RANKS) < length * n_ranks
    if few:
        each = each[index]
    spread = each.repeat_interleave(torch.tensor(ranks), 1).to(like.device, like.dtype)
    return Spread(index.to(like.device) if few else None, spread)

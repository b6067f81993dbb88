"""The plain LoRAs of one linear layer as one pair of factors.

With the downs of all LoRAs one below the other, and the ups side by side, a layer costs the same
few products whatever their number::

    y += ((x [A_1; A_2; ...]^T) * W) [B_1, B_2, ...]^T        W: [M, R] omega of each row and rank

and nothing as large as ``y`` is made beside it. Every row pays for the ranks of all LoRAs, so there
are several stacks where these are many.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from .delta import Delta, LowRank, Sliced
from .rows import LayerDelta, Spread, Where
from .streams import Stream

# Ranks of one stack: about a tenth of what a layer of width 3072 computes itself.
MAX_RANK = 256


class Column(NamedTuple):
    """The ranks of one delta in a stack.

    Attributes:
        lora: index of the LoRA in the routing.
        strength: s.
        rank: r, how many.
    """

    lora: int
    strength: float
    rank: int


class Factors(NamedTuple):
    """A plain delta: down [r, in], up [out, r] and the (first, number) outputs that it has."""

    down: torch.Tensor
    up: torch.Tensor
    outputs: tuple[int, int] | None


class StackPlan(NamedTuple):
    """Deltas that are stacked, those of the same outputs side by side."""

    factors: tuple[Factors, ...]
    columns: tuple[Column, ...]


class Part(NamedTuple):
    """Ups [r, number] of the same outputs, and which of the stack's ranks they have."""

    outputs: tuple[int, int] | None
    ranks: slice
    up: torch.Tensor


class Stack(NamedTuple):
    """Factors on the device: downs [R, in] and the ups by outputs."""

    down: torch.Tensor
    parts: tuple[Part, ...]

    def add_to(self, out: torch.Tensor, x: torch.Tensor, spread: Spread) -> None:
        """Add the deltas of the inputs x [M, in] to a layer's output [M, out], in place."""
        given = x if spread.index is None else x.index_select(0, spread.index)
        inner = torch.nn.functional.linear(given, self.down).mul_(spread.weight)
        for outputs, ranks, up in self.parts:
            place = out if outputs is None else out.narrow(1, *outputs)
            if spread.index is None:
                place.addmm_(inner[:, ranks], up)
            else:
                place.index_add_(0, spread.index, inner[:, ranks] @ up)


class LayerPlan(NamedTuple):
    """Deltas of one layer: where its inputs lie, and what is computed delta by delta or stacked."""

    where: Where
    apart: tuple[LayerDelta, ...]
    stacks: tuple[StackPlan, ...]


@dataclass(slots=True, eq=False)
class Stacks:
    """The stacks of all layers, kept for the whole sampling: no weight of the model is in them."""

    _plans: dict[Hashable, tuple[tuple[LayerDelta, ...], tuple[StackPlan, ...]]] = field(
        default_factory=dict
    )
    _made: dict[Any, tuple[Any, ...]] = field(default_factory=dict)

    def plan(self, key: Hashable, deltas: Sequence[LayerDelta], where: Where) -> LayerPlan:
        """What is stacked in a layer.

        Args:
            key: alike for the same deltas.
            deltas: of the layer, LoRA by LoRA.
            where: its inputs lie.
        """
        key = (key, where.stream)
        if key not in self._plans:
            self._plans[key] = _planned(deltas, where)
        return LayerPlan(where, *self._plans[key])

    def of(self, module: Any, plans: tuple[StackPlan, ...], like: torch.Tensor) -> Sequence[Stack]:
        """A layer's stacks on a tensor's device and in its dtype, made once.

        Those of LoRAs that acted before and do not any more are dropped.
        """
        key = (like.device, like.dtype)
        found = self._made.get(module)
        if found is None or found[0] is not plans or found[1] != key:
            found = self._made[module] = (plans, key, [_stacked(plan, like) for plan in plans])
        return found[2]


def _planned(
    deltas: Sequence[LayerDelta], where: Where
) -> tuple[tuple[LayerDelta, ...], tuple[StackPlan, ...]]:
    """What is computed delta by delta, and what in stacks; the tokens of an expert are known only
    while it runs."""
    apart: list[LayerDelta] = []
    stacks: list[list[tuple[Factors, Column]]] = [[]]
    ranks = 0
    for entry in deltas:
        factors = None if where.stream is Stream.EXPERTS else _factors(entry)
        if factors is None:
            apart.append(entry)
            continue
        rank = factors.down.shape[0]
        if ranks and ranks + rank > MAX_RANK:
            stacks.append([])
            ranks = 0
        stacks[-1].append((factors, Column(entry.lora, entry.strength, rank)))
        ranks += rank
    plans = []
    for stack in filter(None, stacks):
        stack.sort(key=lambda entry: entry[0].outputs or (-1, 0))
        factors, columns = zip(*stack, strict=True)
        plans.append(StackPlan(factors, columns))
    return tuple(apart), tuple(plans)


def plain_rank(delta: Delta) -> int | None:
    """Rank of a plain LoRA of a linear layer, None of any other kind."""
    inner = delta.inner if isinstance(delta, Sliced) else delta
    if isinstance(inner, LowRank) and inner.op.settings is None:
        return inner.down.shape[0]
    return None


def _factors(entry: LayerDelta) -> Factors | None:
    """Of a plain LoRA, None of any other kind."""
    delta: Delta = entry.delta
    inputs = outputs = None
    if isinstance(delta, Sliced):
        inputs, outputs, delta = delta.inputs, delta.outputs, delta.inner
    if not isinstance(delta, LowRank) or plain_rank(delta) is None:
        return None
    down = delta.down
    if inputs is not None:
        first, number = inputs
        down = torch.nn.functional.pad(down, (first, entry.n_inputs - first - number))
    return Factors(down, delta.up, outputs)


def _stacked(plan: StackPlan, like: torch.Tensor) -> Stack:
    """The factors on the device, in the layer's dtype."""

    def moved(tensors: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
        return torch.cat([tensor.to(like.device, like.dtype) for tensor in tensors], dim)

    parts = []
    first = 0
    for outputs in dict.fromkeys(factors.outputs for factors in plan.factors):
        ups = [factors.up for factors in plan.factors if factors.outputs == outputs]
        up = moved(ups, 1).T.contiguous()
        parts.append(Part(outputs, slice(first, first + up.shape[0]), up))
        first += up.shape[0]
    return Stack(moved([factors.down for factors in plan.factors], 0), tuple(parts))

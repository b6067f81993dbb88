"""The layers of one model call that have deltas for single regions.

While the network runs, ``forward`` of each such layer is swapped for one that calls the layer as it
is and adds the deltas to the rows of their tokens. Which rows these are depends on the call's
make-up alone and is worked out once; a step only looks it up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ..calls.scoped import scoped_forwards, without_compile
from ..errors import HostError
from .delta import Base, Delta
from .layer import RoutedLayer
from .ownership import Chunk, Claim, Owner, Ownership
from .rows import Experts, LayerDelta, Rows, Spread, Where, only_value, rows_of, spread_of
from .stack import LayerPlan, StackPlan, Stacks
from .streams import Stream

PLAIN: Owner = ("", -1)  # speaks for a prompt without regions


@dataclass(slots=True, eq=False)
class Routing:
    """All deltas of the model calls of one make-up.

    Args:
        family: name of the model's family, for messages.
        layers: module -> its place and its deltas.
        claims: of the LoRAs.
        chunks: of the batch.
        store: deltas that are on the device already, kept for the whole sampling.
        stacks: those of plain LoRAs.
        signature: which LoRAs act; part of the keys of whatever depends on it.
        experts_of: forwards that say which tokens an expert computes.

    Attributes:
        experts: while an expert runs: its tokens.
        plain_call: layout of a joint call without regions.
    """

    family: str
    layers: Mapping[Any, LayerPlan]
    claims: Sequence[Claim]
    chunks: Sequence[Chunk]
    store: dict[Any, Any]
    stacks: Stacks
    signature: Hashable = ()
    experts_of: Callable[[Routing], list[tuple[Any, Callable[..., Any]]]] = lambda _: []
    _owned: tuple[Ownership, ...] = field(default=(), init=False)
    _key: Hashable = field(default=None, init=False)
    _speaker: Owner | None = field(default=None, init=False)
    experts: Experts | None = field(default=None, init=False)
    plain_call: Any = field(default=None, init=False)
    _rows: dict[Any, Rows | None] = field(default_factory=dict, init=False)
    _spreads: dict[Any, Spread | None] = field(default_factory=dict, init=False)
    _expert_weights: dict[Any, torch.Tensor] = field(default_factory=dict, init=False)
    _of: dict[Hashable, tuple[Ownership, ...]] = field(default_factory=dict, init=False)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap the forwards of all layers with deltas, until the end of the block."""
        swapped = []
        for module, plan in self.layers.items():
            swapped.append((module, RoutedLayer(self, module, plan)))
        swapped += self.experts_of(self)
        with scoped_forwards([(m, without_compile(f, recursive=False)) for m, f in swapped]):
            yield

    def lay_out(
        self,
        key: Hashable,
        call: Any = None,
        layout: Callable[[int], Any] | None = None,
        *,
        first: int = 0,
        n_joint_text: int = 0,
    ) -> None:
        """Say where the tokens of the call at hand lie; see ``Ownership``.

        Args:
            key: alike for calls with the same places.
        """
        self._key = key
        if key not in self._of:
            self._of[key] = tuple(
                Ownership(claim, self.chunks, call, layout, first, n_joint_text)
                for claim in self.claims
            )
        self._owned = self._of[key]

    @contextmanager
    def speaking(self, owner: Owner) -> Iterator[None]:
        """While a prompt is computed alone: all that runs is its text."""
        before, self._speaker = self._speaker, owner
        try:
            yield
        finally:
            self._speaker = before

    @property
    def _one_region_speaks(self) -> bool:
        return self._speaker is not None and self._speaker != PLAIN

    def _all_of_speaker(self, lora: int, strength: float) -> Rows | None:
        """Every row where the prompt that is computed alone is the LoRA's, else none."""
        assert self._speaker is not None
        return _all_rows(strength * self.claims[lora].owns(self._speaker))

    def rows(
        self, lora: int, where: Where, strength: float, shape: torch.Size, like: torch.Tensor
    ) -> Rows | None:
        """Which rows of a layer's input belong to a LoRA; None where none does.

        Args:
            shape: of the layer's output, [..., C].
            like: of the dtype and on the device of the layer.
        """
        key = (self._place(where, shape), lora, strength, like.dtype)
        if key not in self._rows:
            weights = self._weights(lora, where, shape)
            self._rows[key] = (
                rows_of(weights, strength, like)
                if isinstance(weights, torch.Tensor)
                else _all_rows(strength * weights)
            )
        return self._rows[key]

    def spread(
        self, plan: StackPlan, where: Where, shape: torch.Size, like: torch.Tensor
    ) -> Spread | None:
        """The same for the deltas of a stack."""
        key = (self._place(where, shape), plan.columns, like.dtype)
        if key not in self._spreads:
            own = {lora: self._weights(lora, where, shape) for lora, _, _ in plan.columns}
            weights = [own[lora] * strength for lora, strength, _ in plan.columns]
            ranks = [column.rank for column in plan.columns]
            self._spreads[key] = spread_of(weights, ranks, like)
        return self._spreads[key]

    def _place(self, where: Where, shape: torch.Size) -> Hashable:
        """Alike for all layers with the same tokens, so that their indices are made once."""
        if self._one_region_speaks:
            return self._speaker
        own = (where.stream, where.shape, where.rows_last, self._is_streamed(where))
        return self._key, self._speaker, own, shape[:-1]

    def _weights(self, lora: int, where: Where, shape: torch.Size) -> float | torch.Tensor:
        """How much of each row belongs to a LoRA: [M] on the CPU, or a number for all rows."""
        if self._one_region_speaks:
            assert self._speaker is not None
            return float(self.claims[lora].owns(self._speaker))
        owned = self._owned[lora]
        stream = Stream.PLACELESS if self._speaker == PLAIN else where.stream
        uniform = only_value(owned.placeless()) if stream is Stream.PLACELESS else None
        if uniform is not None:  # whatever the shape
            return uniform
        n_rows, total = owned.n_rows, shape[:-1].numel()
        if total % n_rows:
            raise HostError(
                f"A {self.family} layer with a LoRA for single regions has {total} rows for a "
                f"batch of {n_rows}. Load the LoRA for the whole picture instead."
            )
        n_tokens = total // n_rows
        weights = owned.of(stream, n_tokens, where.shape, self._is_streamed(where))
        uniform = only_value(weights)
        if uniform is not None:
            return uniform
        weights = weights.expand(n_rows, n_tokens)
        return (weights.T if where.rows_last else weights).flatten()

    def _is_streamed(self, where: Where) -> bool:
        call = self._owned[0].call
        return call is not None and where.block in call.stream

    def map(
        self, lora: int, where: Where, strength: float, shape: torch.Size, like: torch.Tensor
    ) -> Rows | None:
        """The same of a convolution's output [B, C, (frames,) rows, columns]."""
        if self._one_region_speaks:
            return self._all_of_speaker(lora, strength)
        size = shape[:1] + shape[2:]
        key = (self._key, lora, strength, where.stream, size, "map", like.dtype)
        if key not in self._rows:
            owner = self._owned[lora]
            if where.stream is Stream.PLACELESS:
                weights = owner.placeless()
            else:
                weights = owner.image((shape[-2], shape[-1]))
            uniform = only_value(weights)
            if uniform is not None:
                found = _all_rows(strength * uniform)
            else:
                if weights.shape[1] == 1:
                    weights = weights.expand(-1, size[1:].numel())
                if weights.numel() != size.numel():
                    raise HostError(
                        f"A {self.family} convolution with a LoRA for single regions gives "
                        f"{tuple(size)}, expected {tuple(weights.shape)} rows and tokens."
                    )
                weights = weights.reshape(size).unsqueeze(1).to(like.device, like.dtype)
                found = Rows(None, weights * strength, 1.0)
            self._rows[key] = found
        return self._rows[key]

    def expert_weights(
        self, lora: int, where: Where, total: int, like: torch.Tensor
    ) -> torch.Tensor:
        """[total, 1]: how much of each token that a gate hands out belongs to a LoRA."""
        key = (self._key, lora, where, total, like.dtype)
        if key not in self._expert_weights:
            owned = self._owned[lora]
            n_tokens = total // owned.n_rows
            stream = Stream.JOINT if n_tokens > owned.image(None).shape[1] else Stream.IMAGE
            weights = owned.of(stream, n_tokens, None, self._is_streamed(where))
            flat = weights.expand(-1, n_tokens).reshape(-1, 1)
            self._expert_weights[key] = flat.to(like.device, like.dtype)
        return self._expert_weights[key]

    def on_device(self, entry: LayerDelta, like: torch.Tensor, base: Base) -> Delta:
        """The delta in the layer's dtype; moved and prepared once per sampling."""
        key = (id(entry.delta), like.device, like.dtype)
        if key not in self.store:
            moved = entry.delta.on(like)
            self.store[key] = moved.prepared(base, entry.n_inputs, like)
        return self.store[key]


def _all_rows(weight: float) -> Rows | None:
    """All rows alike; None without a weight."""
    return Rows(None, None, weight) if weight else None

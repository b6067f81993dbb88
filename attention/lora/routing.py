"""The layers of one model call that have deltas for single regions.

While the network runs, ``forward`` of each such layer is swapped for one that calls the layer as it
is and adds the deltas to the rows of their tokens. Which rows these are depends on the call's
make-up alone and is worked out once; a step only looks it up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from ..errors import HostError
from ..scoped import scoped_forwards
from .delta import Base, Delta
from .ownership import Chunk, Claim, Owner, Ownership
from .streams import Stream

PLAIN: Owner = ("", -1)  # speaks for a prompt without regions


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


class Experts(NamedTuple):
    """Which tokens of the flattened batch an expert computes, and of how many."""

    index: torch.Tensor
    total: int


@dataclass(slots=True, eq=False)
class Routing:
    """All deltas of the model calls of one make-up.

    Args:
        family: name of the model's family, for messages.
        layers: module -> its place and its deltas.
        claims: of the LoRAs.
        chunks: of the batch.
        device: of the network.
        store: deltas that are on the device already, kept for the whole sampling.
        signature: which LoRAs act; part of the keys of whatever depends on it.
        experts_of: forwards that say which tokens an expert computes.

    Attributes:
        experts: while an expert runs: its tokens.
        plain_call: layout of a joint call without regions.
    """

    family: str
    layers: Mapping[Any, tuple[Where, tuple[LayerDelta, ...]]]
    claims: Sequence[Claim]
    chunks: Sequence[Chunk]
    device: torch.device
    store: dict[Any, Any]
    signature: Hashable = ()
    experts_of: Callable[[Routing], list[tuple[Any, Callable[..., Any]]]] = lambda _: []
    _owned: tuple[Ownership, ...] = field(default=(), init=False)
    _key: Hashable = field(default=None, init=False)
    _speaker: Owner | None = field(default=None, init=False)
    experts: Experts | None = field(default=None, init=False)
    plain_call: Any = field(default=None, init=False)
    _rows: dict[Any, Rows | None] = field(default_factory=dict, init=False)
    _expert_weights: dict[Any, torch.Tensor] = field(default_factory=dict, init=False)
    _of: dict[Hashable, tuple[Ownership, ...]] = field(default_factory=dict, init=False)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap the forwards of all layers with deltas, until the end of the block."""
        swapped = []
        for module, (where, deltas) in self.layers.items():
            swapped.append((module, _Layer(self, module, where, deltas)))
        swapped += self.experts_of(self)
        with scoped_forwards(swapped, recursive=False):
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

    def rows(
        self, lora: int, where: Where, strength: float, shape: torch.Size, like: torch.Tensor
    ) -> Rows | None:
        """Which rows of a layer's input belong to a LoRA; None where none does.

        Args:
            shape: of the layer's output, channels last ([..., C]) or second ([B, C, ...]).
            like: of the dtype and on the device of the layer.
        """
        if self._speaker is not None and self._speaker != PLAIN:
            owned = self.claims[lora].owns(self._speaker)
            return Rows(None, None, strength) if owned else None
        stream = Stream.PLACELESS if self._speaker == PLAIN else where.stream
        key = (self._key, lora, where, stream, strength, shape, like.dtype)
        if key not in self._rows:
            self._rows[key] = self._make_rows(lora, where, stream, strength, shape, like)
        return self._rows[key]

    def _make_rows(
        self,
        lora: int,
        where: Where,
        stream: Stream,
        strength: float,
        shape: torch.Size,
        like: torch.Tensor,
    ) -> Rows | None:
        owned = self._owned[lora]
        n_rows = owned.n_rows
        total = shape[:-1].numel()
        uniform = _only_value(owned.placeless()) if stream is Stream.PLACELESS else None
        if uniform is not None:  # whatever the shape
            return Rows(None, None, strength * uniform) if uniform else None
        if total % n_rows:
            raise HostError(
                f"A {self.family} layer with a LoRA for single regions has {total} rows for a "
                f"batch of {n_rows}. Load the LoRA for the whole picture instead."
            )
        n_tokens = total // n_rows
        streamed = self._is_streamed(owned, where)
        weights = owned.of(stream, n_tokens, where.shape, streamed)
        uniform = _only_value(weights)
        if uniform is not None:
            return Rows(None, None, strength * uniform) if uniform else None
        weights = weights.expand(n_rows, n_tokens)
        return _rows_of((weights.T if where.rows_last else weights).flatten(), strength, like)

    def _is_streamed(self, owned: Ownership, where: Where) -> bool:
        return owned.call is not None and where.block in owned.call.stream

    def map(
        self, lora: int, where: Where, strength: float, shape: torch.Size, like: torch.Tensor
    ) -> Rows | None:
        """The same of a convolution's output [B, C, (frames,) rows, columns]."""
        if self._speaker is not None and self._speaker != PLAIN:
            owned = self.claims[lora].owns(self._speaker)
            return Rows(None, None, strength) if owned else None
        key = (self._key, lora, where, strength, shape, "map", like.dtype)
        if key not in self._rows:
            owner = self._owned[lora]
            if where.stream is Stream.PLACELESS:
                weights = owner.placeless()
            else:
                weights = owner.image((shape[-2], shape[-1]))
            uniform = _only_value(weights)
            if uniform is not None:
                found = Rows(None, None, strength * uniform) if uniform else None
            else:
                size = shape[:1] + shape[2:]
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
            weights = owned.of(stream, n_tokens, None, self._is_streamed(owned, where))
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


def _only_value(weights: torch.Tensor) -> float | None:
    """The value that all weights (on the CPU) have, None where they differ."""
    low, high = weights.aminmax()
    return float(low) if bool(low == high) else None


def _rows_of(weights: torch.Tensor, strength: float, like: torch.Tensor) -> Rows | None:
    """From weights [M] on the CPU, 0 where a row has no delta."""
    index = weights.nonzero()[:, 0]
    if index.numel() == 0:
        return None
    kept = weights[index]
    same = _only_value(kept)
    whole = index.numel() == weights.numel()
    return Rows(
        None if whole else index.to(like.device),
        None if same is not None else (kept * strength)[:, None].to(like.device, like.dtype),
        1.0 if same is None else strength * same,
    )


class _Layer:
    """Stand-in for the forward of one layer."""

    def __init__(
        self, routing: Routing, module: Any, where: Where, deltas: Sequence[LayerDelta]
    ) -> None:
        self._routing = routing
        self._module, self._forward = module, module.forward
        self._where = where
        self._is_conv = hasattr(module, "kernel_size")
        self._needs_y = any(entry.delta.needs_y for entry in deltas)
        self._deltas = deltas

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        y = self._forward(x, *args, **kwargs)
        if self._is_conv:
            return self._convolved(x, y)
        y = y.contiguous()  # as every linear layer gives it; the deltas are added in place
        flat, out = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        found = []
        for entry in self._deltas:
            rows = self._rows(entry, y)
            if rows is None:
                continue
            given = flat if rows.index is None else flat.index_select(0, rows.index)
            asked = out
            if entry.delta.needs_y:
                asked = out if rows.index is None else out.index_select(0, rows.index)
                asked = asked - self._bias(given)
            change = self._routing.on_device(entry, y, self._base)(given, asked, self._base)
            if rows.weight is not None:
                change = change * rows.weight
            if self._needs_y:  # of the layer's own answer, so all before any is added
                found.append((rows, change))
            else:
                _add(out, rows, change)
        for rows, change in found:
            _add(out, rows, change)
        return y

    def _rows(self, entry: LayerDelta, y: torch.Tensor) -> Rows | None:
        routing, where = self._routing, self._where
        if where.stream is not Stream.EXPERTS or routing.experts is None:
            return routing.rows(entry.lora, where, entry.strength, y.shape, y)
        index, total = routing.experts
        weights = routing.expert_weights(entry.lora, where, total, y)
        return Rows(None, weights[index], entry.strength)

    def _convolved(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found = []
        for entry in self._deltas:
            rows = self._routing.map(entry.lora, self._where, entry.strength, y.shape, y)
            if rows is None:
                continue
            asked = y
            if entry.delta.needs_y:
                bias = self._bias(x)
                asked = y - bias
            change = self._routing.on_device(entry, y, self._base)(x, asked, self._base)
            found.append(change * rows.weight if rows.weight is not None else change * rows.scale)
        for change in found:
            y = y + change
        return y

    def _bias(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer gives for zeros."""
        key = ("bias", id(self._module), x.dtype)
        store = self._routing.store
        if key not in store:
            few = torch.zeros_like(x[:1])
            answer = self._forward(few)
            if self._is_conv:  # a convolution's bias is the same at every place
                answer = answer.flatten(2)[..., :1].reshape(1, -1, *[1] * (x.ndim - 2))
            store[key] = answer
        return store[key]

    def _base(self, x: torch.Tensor) -> torch.Tensor:
        return self._forward(x) - self._bias(x)


def _add(out: torch.Tensor, rows: Rows, change: torch.Tensor) -> None:
    if rows.index is None:
        out.add_(change, alpha=rows.scale)
    else:
        out.index_add_(0, rows.index, change, alpha=rows.scale)

"""Stand-in for the forward of one layer: the layer as it is, and the deltas of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .rows import LayerDelta, Rows, Where
from .streams import Stream

if TYPE_CHECKING:
    from .routing import Routing


class RoutedLayer:
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

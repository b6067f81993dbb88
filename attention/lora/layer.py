"""Stand-in for the forward of one layer: the layer as it is, and the deltas of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .rows import LayerDelta, Rows
from .stack import LayerPlan
from .streams import Stream

if TYPE_CHECKING:
    from .routing import Routing


class RoutedLayer:
    """Stand-in for the forward of one layer."""

    def __init__(self, routing: Routing, module: Any, plan: LayerPlan) -> None:
        self._routing = routing
        self._module, self._forward = module, module.forward
        self._where, self._deltas, self._stacks = plan
        self._is_conv = hasattr(module, "kernel_size")
        self._needs_y = any(entry.delta.needs_y for entry in self._deltas)

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
        if self._stacks:
            self._add_stacks(out, flat, y)
        return y

    def _add_stacks(self, out: torch.Tensor, flat: torch.Tensor, y: torch.Tensor) -> None:
        stacks = self._routing.stacks.of(self._module, self._stacks, y)
        for plan, stack in zip(self._stacks, stacks, strict=True):
            spread = self._routing.spread(plan, self._where, y.shape, y)
            if spread is not None:
                stack.add_to(out, flat, spread)

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

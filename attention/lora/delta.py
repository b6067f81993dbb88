"""What an adapter adds to the output of one linear or convolutional layer, at strength one.

Inputs are rows [M, in] of a linear layer or [B, in, ...] of a convolution; results have the shape
of the layer's output for them. ``base`` is the layer itself without its bias, and ``y`` what it
gave for these inputs: the kinds whose delta depends on the layer's own weight use them, so that no
weight is ever read and any storage (fp8, GGUF, offloaded) will do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F

Base = Callable[[torch.Tensor], torch.Tensor]
_CONVOLUTIONS: dict[int, Callable[..., torch.Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
_IDENTITY_ROWS = 512
Kind = TypeVar("Kind", bound="Delta")


@dataclass(frozen=True, slots=True)
class Op:
    """How a layer applies a weight: as a matrix, or as a convolution with these settings."""

    settings: tuple[Any, ...] | None = None  # stride, padding, dilation, groups

    def __call__(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if self.settings is None:
            return F.linear(x, weight)
        return _CONVOLUTIONS[weight.ndim](x, weight, None, *self.settings)

    def pointwise(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """A matrix [out, in] on the channels."""
        if self.settings is None:
            return F.linear(x, weight)
        return _CONVOLUTIONS[x.ndim](x, weight.reshape(*weight.shape, *[1] * (x.ndim - 2)))

    def by_channel(self, values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """[C] shaped to multiply the channels of ``like``."""
        return values if self.settings is None else values.view(-1, *[1] * (like.ndim - 2))


@dataclass(frozen=True, slots=True, eq=False)
class Delta(ABC):
    """Base of all kinds."""

    needs_y = False

    def on(self: Kind, like: torch.Tensor) -> Kind:
        """The same with its tensors on another's device and in its dtype."""
        moved: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, torch.Tensor):
                moved[entry.name] = value.to(like.device, like.dtype)
            elif isinstance(value, Delta):
                moved[entry.name] = value.on(like)
        return replace(self, **moved)

    @property
    def n_numbers(self) -> int:
        """How many numbers its tensors hold."""
        values = [getattr(self, entry.name) for entry in fields(self)]
        return sum(
            value.numel() if isinstance(value, torch.Tensor) else value.n_numbers
            for value in values
            if isinstance(value, torch.Tensor | Delta)
        )

    @abstractmethod
    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        """What is added to the layer's output ``y`` for the inputs ``x``."""

    def prepared(self, base: Base, n_inputs: int, like: torch.Tensor) -> Delta:
        """What can be worked out once per sampling, with the layer at hand."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class LowRank(Delta):
    """up (down x): LoRA (arXiv 2106.09685), LoCon, and LoHa as a product of rank r1 r2.

    Attributes:
        down: [r, in], or [r, in, ...] of a convolution.
        up: [out, r].
    """

    op: Op
    down: torch.Tensor
    up: torch.Tensor

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        return self.op.pointwise(self.op(x, self.down), self.up)


@dataclass(frozen=True, slots=True, eq=False)
class Full(Delta):
    """A whole weight [out, in, ...]: what is stored so, or has no small factors."""

    op: Op
    weight: torch.Tensor

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        return self.op(x, self.weight)


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker(Delta):
    """LoKr of a linear layer: w1 [o1, i1] times w2 [o2, i2], never multiplied out."""

    w1: torch.Tensor
    w2: torch.Tensor

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        blocks = x.unflatten(1, (self.w1.shape[1], self.w2.shape[1]))
        return (self.w1 @ (blocks @ self.w2.mT)).flatten(1)


@dataclass(frozen=True, slots=True, eq=False)
class Bias(Delta):
    """A change of the layer's bias [out]."""

    op: Op
    bias: torch.Tensor

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        return self.op.by_channel(self.bias, y).expand_as(y)

    needs_y = True


@dataclass(frozen=True, slots=True, eq=False)
class Glora(Delta):
    """GLoRA (arXiv 2306.07967): W a1 a2 + b, as the layer's own answer to other inputs.

    Attributes:
        inner: [in, in] in two factors: x -> first (second x) on the channels.
        added: the part that does not depend on the weight.
        scale: alpha / rank.
    """

    op: Op
    first: torch.Tensor
    second: torch.Tensor
    added: Delta
    scale: float

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        asked = self.op.pointwise(self.op.pointwise(x, self.second), self.first)
        return self.scale * base(asked) + self.added(x, y, base)


@dataclass(frozen=True, slots=True, eq=False)
class Dora(Delta):
    """DoRA (arXiv 2402.09353) as the host computes it: the merged weight's rows or columns are
    scaled to learned lengths.

    Attributes:
        inner: the delta before scaling.
        lengths: [out] or [in].
        by_output: which of the two.
        gain: lengths over the weight's own; known once the layer is at hand.
        eps: of the weight's dtype, as in the host.
    """

    op: Op
    inner: Delta
    lengths: torch.Tensor
    by_output: bool
    eps: float
    gain: torch.Tensor | None = None

    needs_y = True

    @property
    def n_numbers(self) -> int:
        """With the gain, which comes later."""
        return self.inner.n_numbers + 2 * self.lengths.numel()

    def prepared(self, base: Base, n_inputs: int, like: torch.Tensor) -> Delta:
        """Lengths of the weight's rows or columns, from the layer's answers to unit vectors.

        The host measures the base weight's rows (by output) but the merged weight's columns (by
        input).
        """
        rows: torch.Tensor | None = None
        columns = []
        for start in range(0, n_inputs, _IDENTITY_ROWS):
            stop = min(start + _IDENTITY_ROWS, n_inputs)
            unit = torch.zeros(stop - start, n_inputs, device=like.device, dtype=like.dtype)
            unit[torch.arange(stop - start), torch.arange(start, stop)] = 1.0
            answer = base(unit).float()  # [some inputs, out]
            if self.by_output:
                squares = answer.square().sum(0)
                rows = squares if rows is None else rows + squares
            else:
                merged = answer + self.inner(unit, answer.to(unit.dtype), base).float()
                columns.append(merged.square().sum(1))
        squares = rows if rows is not None else torch.cat(columns)
        gain = self.lengths.float() / (squares.sqrt() + self.eps)
        return replace(self, gain=gain.to(like.dtype))

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        if self.gain is None:
            raise RuntimeError("A DoRA delta is prepared before it is used.")
        if self.by_output:
            gain = self.op.by_channel(self.gain, y)
            return (y + self.inner(x, y, base)) * gain - y
        scaled = x * self.op.by_channel(self.gain, x)
        answer = base(scaled)
        return answer + self.inner(scaled, answer, base) - y


@dataclass(frozen=True, slots=True, eq=False)
class Sliced(Delta):
    """A delta of some of the layer's inputs or outputs: files that hold q, k and v apart.

    Attributes:
        inputs: (first, number) of the inputs, None for all.
        outputs: the same of the outputs.
    """

    inner: Delta
    inputs: tuple[int, int] | None
    outputs: tuple[int, int] | None
    needs_y = True

    def prepared(self, base: Base, n_inputs: int, like: torch.Tensor) -> Delta:
        return replace(self, inner=self.inner.prepared(self._cut(base), n_inputs, like))

    def _cut(self, base: Base) -> Base:
        if self.outputs is None:
            return base
        first, number = self.outputs
        return lambda x: base(x).narrow(1, first, number)

    def __call__(self, x: torch.Tensor, y: torch.Tensor, base: Base) -> torch.Tensor:
        if self.inputs is not None:
            x = x.narrow(1, *self.inputs)
        if self.outputs is None:
            return self.inner(x, y, base)
        first, number = self.outputs
        out = torch.zeros_like(y)
        out[:, first : first + number] = self.inner(x, y.narrow(1, first, number), self._cut(base))
        return out

"""Where the tokens of every source lie in the one sequence of joint attention.

The sequence of a regional call is ``[... | T_R .. T_1 | T_0 | image | reference images]`` (families
may order it differently): the regional texts stand before the global one, so that what the stock
model sees, global text and image, is one contiguous piece and needs no copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from .engine import KeyValue, joined
from .groups import BASE_IMAGE, IMAGE, KeyBlock

Span = tuple[int, int]  # first token, one past the last
Spans = tuple[Span, ...]

IMAGES = (IMAGE, BASE_IMAGE)


def merged_spans(spans: Sequence[Span]) -> Spans:
    """The same tokens in rising order, in as few spans as possible."""
    result: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], stop)
        else:
            result.append((start, stop))
    return tuple(result)


def take(x: torch.Tensor, spans: Spans, dim: int = 2) -> torch.Tensor:
    """The tokens of merged spans; a view where they are one piece."""
    pieces = [x.narrow(dim, a, b - a) for a, b in spans]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def put(out: torch.Tensor, spans: Spans, value: torch.Tensor) -> None:
    """Write [B, T, C] to the tokens of merged spans."""
    offset = 0
    for start, stop in spans:
        out[:, start:stop] = value[:, offset : offset + stop - start]
        offset += stop - start


def add(out: torch.Tensor, spans: Spans, value: torch.Tensor) -> None:
    """Add [B, T, C] to the tokens of merged spans."""
    offset = 0
    for start, stop in spans:
        out[:, start:stop] += value[:, offset : offset + stop - start]
        offset += stop - start


class TokenLayout:
    """Spans of every source in one sequence; worked out once per call, used in every layer.

    Args:
        spans: source index -> its tokens; ``IMAGE`` for those of the latent, ``BASE_IMAGE`` for
            those of the second stream, where there is one.
        always: tokens that every query sees that sees the image: registers, reference images.
    """

    def __init__(self, spans: Mapping[int, Spans], always: Spans = ()) -> None:
        self.spans = {source: merged_spans(found) for source, found in spans.items()}
        self.always = merged_spans(always)
        self._keys: dict[tuple[tuple[int, bool], ...], Spans] = {}

    def of(self, source: int) -> Spans:
        """The tokens of a source."""
        return self.spans[source]

    def keys(self, blocks: Sequence[KeyBlock]) -> Spans:
        """The tokens that blocks of whole sources let a query see."""
        key = tuple((block.source, block.bare) for block in blocks)
        if key not in self._keys:
            found: list[Span] = []
            for block in blocks:
                found += [*self.of(block.source), *self.too(block)]
            self._keys[key] = merged_spans(found)
        return self._keys[key]

    def too(self, block: KeyBlock) -> Spans:
        """What is seen with a block, whichever of its source's tokens it lists."""
        return self.always if block.source in IMAGES and not block.bare else ()

    def positions(self, source: int) -> torch.Tensor:
        """[T] int64 places of a source's tokens, on the CPU."""
        return span_positions(self.of(source))

    def key_positions(self, blocks: Sequence[KeyBlock]) -> torch.Tensor:
        """[T] int64 places of the keys of blocks that may list single tokens, on the CPU."""
        found = []
        for block in blocks:
            own = self.positions(block.source)
            own = own if block.tokens is None else own[block.tokens.cpu()]
            found += [own, span_positions(self.too(block))]
        return torch.cat(found)


def span_positions(spans: Spans) -> torch.Tensor:
    """[T] int64 places of the tokens of some spans."""
    ranges = [torch.arange(start, stop) for start, stop in spans]
    return torch.cat(ranges) if ranges else torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A set of places along the token axis.

    Attributes:
        index: a slice where they are one piece, else [T] int64 on the device.
        where: [T] int64 on the CPU.
    """

    index: slice | torch.Tensor
    where: torch.Tensor

    @property
    def count(self) -> int:
        """T."""
        return self.where.numel()

    @classmethod
    def at(cls, positions: torch.Tensor, device: torch.device) -> Tokens:
        """From [T] int64 on the CPU, in this order."""
        count = positions.numel()
        first = int(positions[0]) if count else 0
        if torch.equal(positions, torch.arange(first, first + count)):
            return cls(slice(first, first + count), positions)
        return cls(positions.to(device), positions)

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """The tokens of [B, H, S, D]; a view where they are one piece."""
        if isinstance(self.index, slice):
            return x[:, :, self.index]
        return x.index_select(2, self.index)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """The same with the heads of a token side by side in memory, as packed sequences lie."""
        if isinstance(self.index, slice):
            return x[:, :, self.index]
        return x.transpose(1, 2).index_select(1, self.index).transpose(1, 2)

    def write(self, out: torch.Tensor, value: torch.Tensor) -> None:
        """Put [B, T, ...] to these places of [B, S, ...]."""
        if isinstance(self.index, slice):
            out[:, self.index] = value
        else:
            out.index_copy_(1, self.index, value)

    def clear(self, out: torch.Tensor) -> None:
        """Zeros at these places of [B, S, C]."""
        if isinstance(self.index, slice):
            out[:, self.index] = 0.0
        else:
            out.index_fill_(1, self.index, 0.0)


class SequenceKeys:
    """Keys and values of every source of one sequence.

    Args:
        k, v: [B, H, S, D] of the whole sequence.
        layout: of that sequence.
    """

    def __init__(self, k: torch.Tensor, v: torch.Tensor, layout: TokenLayout) -> None:
        self._k, self._v = k, v
        self._layout = layout

    def gather(self, blocks: Sequence[KeyBlock]) -> KeyValue:
        """(k, v) of the blocks."""
        if all(block.tokens is None and block.scale == 1.0 for block in blocks):
            spans = self._layout.keys(blocks)
            return take(self._k, spans), take(self._v, spans)
        return joined(self._pick(block) for block in blocks)

    def _pick(self, block: KeyBlock) -> KeyValue:
        if block.tokens is None:
            spans = self._layout.keys([block])
            k, v = take(self._k, spans), take(self._v, spans)
        else:
            own, too = self._layout.of(block.source), self._layout.too(block)
            k, v = (take(t, own).index_select(2, block.tokens) for t in (self._k, self._v))
            if too:
                k, v = joined([(k, v), (take(self._k, too), take(self._v, too))])
        return (k if block.scale == 1.0 else k * block.scale), v

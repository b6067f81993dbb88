"""Where the tokens of every source lie in the one sequence of joint attention.

The sequence of a regional call is ``[... | T_R .. T_1 | T_0 | image | reference images]`` (families
may order it differently): the regional texts stand before the global one, so that what the stock
model sees, global text and image, is one contiguous piece and needs no copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..engine.attend import KeyValue, joined
from ..engine.groups import BASE_IMAGE, IMAGE, KeyBlock

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


def span_positions(spans: Spans, device: torch.device | str = "cpu") -> torch.Tensor:
    """[T] int64 places of the tokens of some spans."""
    ranges = [torch.arange(start, stop, device=device) for start, stop in spans]
    return torch.cat(ranges) if ranges else torch.zeros(0, dtype=torch.int64, device=device)


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
        """The tokens of [B, H, S, ...]; a view where they are one piece."""
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

    def add(self, out: torch.Tensor, value: torch.Tensor) -> None:
        """Add [B, T, C] at these places of [B, S, C]."""
        if isinstance(self.index, slice):
            out[:, self.index] += value
        else:
            out.index_add_(1, self.index, value.to(out.dtype))


class TokenLayout:
    """Places of every source in one sequence; worked out once per call, used in every layer.

    Args:
        spans: source index -> its tokens; ``IMAGE`` for those of the latent, ``BASE_IMAGE`` for
            those of the second stream, where there is one.
        always: tokens that every query sees that sees the image: registers, reference images.
    """

    def __init__(self, spans: Mapping[int, Spans], always: Spans = ()) -> None:
        self.spans = {source: merged_spans(found) for source, found in spans.items()}
        self.always = merged_spans(always)
        self._seen: dict[tuple[tuple[int, int, bool], ...], tuple[Sequence[KeyBlock], Tokens]] = {}

    def positions(self, source: int) -> torch.Tensor:
        """[T] int64 places of a source's tokens, on the CPU."""
        return span_positions(self.spans[source])

    def key_positions(
        self, blocks: Sequence[KeyBlock], device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """[T] int64 places of the keys of blocks, with what is always seen with the image."""
        found = []
        for block in blocks:
            own = span_positions(self.spans[block.source], device)
            found.append(own if block.tokens is None else own[block.tokens.to(device)])
            if block.source in IMAGES and not block.bare:
                found.append(span_positions(self.always, device))
        return torch.cat(found)

    def seen(self, blocks: Sequence[KeyBlock], device: torch.device) -> Tokens:
        """The same for use in a layer; nothing is read back from the device."""
        key = tuple((block.source, id(block.tokens), block.bare) for block in blocks)
        if key not in self._seen:
            if all(block.tokens is None for block in blocks):
                tokens = Tokens.at(self.key_positions(blocks).sort().values, device)
            else:
                index = self.key_positions(blocks, device)
                tokens = Tokens(index, index)
            self._seen[key] = blocks, tokens  # the blocks, so that no other gets their id
        return self._seen[key][1]


class SequenceKeys:
    """Keys and values of every source of one sequence.

    Args:
        k, v: [B, H, S, D] of the whole sequence.
        layout: of that sequence.
    """

    def __init__(self, k: torch.Tensor, v: torch.Tensor, layout: TokenLayout) -> None:
        self._k, self._v, self._layout = k, v, layout

    def gather(self, blocks: Sequence[KeyBlock]) -> KeyValue:
        """(k, v) of the blocks."""
        if len(blocks) > 1 and any(block.scale != 1.0 for block in blocks):
            return joined(self.gather([block]) for block in blocks)
        seen, scale = self._layout.seen(blocks, self._k.device), blocks[0].scale
        k, v = seen.of(self._k), seen.of(self._v)
        return (k if scale == 1.0 else k * scale), v

"""Keys and values of joint attention: one sequence that holds image and text tokens.

The sequence of a regional call is ``[... | T_R .. T_1 | T_0 | image | reference images]`` (families
may order it differently): the regional texts stand before the global one, so that what the stock
model sees, global text and image, is one contiguous piece and needs no copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .engine import KeyValue, joined
from .groups import BASE_IMAGE, IMAGE, KeyBlock

Span = tuple[int, int]  # first token, one past the last
Spans = tuple[Span, ...]

IMAGES = (IMAGE, BASE_IMAGE)


def merged_spans(spans: Sequence[Span]) -> list[Span]:
    """The same tokens in rising order, in as few spans as possible."""
    result: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], stop)
        else:
            result.append((start, stop))
    return result


def take(x: torch.Tensor, spans: Sequence[Span], dim: int = 2) -> torch.Tensor:
    """The tokens of the spans; a view where they are one piece."""
    pieces = [x.narrow(dim, a, b - a) for a, b in merged_spans(spans)]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def put(out: torch.Tensor, spans: Sequence[Span], value: torch.Tensor) -> None:
    """Write [B, T, C] to the tokens of the spans, in rising order."""
    offset = 0
    for start, stop in merged_spans(spans):
        out[:, start:stop] = value[:, offset : offset + stop - start]
        offset += stop - start


def add(out: torch.Tensor, spans: Sequence[Span], value: torch.Tensor) -> None:
    """Add [B, T, C] to the tokens of the spans, in rising order."""
    offset = 0
    for start, stop in merged_spans(spans):
        out[:, start:stop] += value[:, offset : offset + stop - start]
        offset += stop - start


class SequenceKeys:
    """Keys and values of every source of one sequence.

    Args:
        k, v: [B, H, S, D] of the whole sequence. Tokens beside the image may be overwritten for
            the length of one attention call and are put back (see ``_gathered``).
        spans: source index -> its tokens; ``IMAGE`` for those of the latent, ``BASE_IMAGE`` for
            those of the second stream, where there is one.
        always: tokens that every query sees that sees the image: registers, reference images.
    """

    def __init__(
        self, k: torch.Tensor, v: torch.Tensor, spans: Mapping[int, Spans], always: Spans = ()
    ) -> None:
        self._k, self._v = k, v
        self._spans = spans
        self._always = always
        self._borrowed: list[tuple[torch.Tensor, torch.Tensor]] = []

    def gather(self, blocks: Sequence[KeyBlock]) -> KeyValue:
        """(k, v) of the blocks. Valid until the next call."""
        self.give_back()
        if all(block.tokens is None and block.scale == 1.0 for block in blocks):
            return self._gathered([span for block in blocks for span in self._of(block)])
        return joined(self._pick(block) for block in blocks)

    def give_back(self) -> None:
        """Restore the tokens that the last ``gather`` overwrote."""
        for place, saved in self._borrowed:
            place.copy_(saved)
        self._borrowed.clear()

    def _of(self, block: KeyBlock) -> Spans:
        spans = self._spans[block.source]
        return spans + self._always if block.source in IMAGES and not block.bare else spans

    def _pick(self, block: KeyBlock) -> KeyValue:
        if block.tokens is None:
            k, v = take(self._k, self._of(block)), take(self._v, self._of(block))
        else:
            spans = self._spans[block.source]
            k, v = (take(t, spans).index_select(2, block.tokens) for t in (self._k, self._v))
            if block.source in IMAGES and self._always and not block.bare:
                more = take(self._k, self._always), take(self._v, self._always)
                k, v = joined([(k, v), more])
        return (k if block.scale == 1.0 else k * block.scale), v

    def _gathered(self, spans: Sequence[Span]) -> KeyValue:
        """The tokens of the spans. The largest piece, mostly the image, stays where it is, and the
        rest is copied to the place beside it: a copy for every region of all the image's keys and
        values would take their memory once more."""
        pieces = merged_spans(spans)
        start, stop = max(pieces, key=_length)
        rest = [piece for piece in pieces if piece != (start, stop)]
        needed = sum(map(_length, rest))
        if needed <= start:
            place, whole = (start - needed, start), (start - needed, stop)
        elif needed <= self._k.shape[2] - stop:
            place, whole = (stop, stop + needed), (start, stop + needed)
        else:
            return take(self._k, spans), take(self._v, spans)
        if rest:
            for tensor in (self._k, self._v):
                copied = take(tensor, rest).clone()  # the place may hold part of it
                target = tensor[:, :, slice(*place)]
                self._borrowed.append((target, target.clone()))
                target.copy_(copied)
        return self._k[:, :, slice(*whole)], self._v[:, :, slice(*whole)]


def _length(span: Span) -> int:
    return span[1] - span[0]

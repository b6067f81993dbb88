"""Pieces of a layer of joint attention: which tokens each answers, and how (see ``cascade.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from .engine import attend
from .groups import IMAGE, Attention, Groups
from .partial import Partial, WithLse
from .segments import Segments
from .sequence import SequenceKeys, TokenLayout, Tokens, add, put, take


class Piece(Protocol):
    """Part of a layer: which tokens it answers, and how."""

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        """Write the answers [B, T, C] into ``out`` [B, S, C]; q, k, v are [B, H, S, D]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Plain groups one behind the other; one group alone is the simplest case of it."""

    queries: Tokens
    keys: Tokens
    segments: Segments

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        asked = (self.queries.of(q), self.keys.of(k), self.keys.of(v))
        self.queries.write(out, self.segments.attend(*asked, attention, partial))


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Keys that all queries of a merge see."""

    keys: Tokens

    def run(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, partial: WithLse) -> Partial:
        return partial(q, self.keys.of(k), self.keys.of(v))


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Texts that disjoint parts of the queries see, packed.

    Attributes:
        queries: those that see one, in the order of their texts.
        keys: the texts.
        segments: their lengths.
        place: [Q] where the answer of each query lies among the packed ones; 0 where it has none,
            which its weight of zero then takes out.
    """

    queries: Tokens
    keys: Tokens
    segments: Segments
    place: torch.Tensor

    def run(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, partial: WithLse) -> Partial:
        asked = (self.queries.of(q), self.keys.of(k), self.keys.of(v))
        out, lse = self.segments.attend_with_lse(*asked, partial)
        return out.index_select(2, self.place), lse.index_select(2, self.place)


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """One softmax over parts that are computed apart.

    Attributes:
        queries: of the group.
        chunks: what is merged at a time, and the log-weights [parts, 1, 1, Q or 1] to add to each
            part's log-sum-exp; -inf where a query does not see it. In all but the first chunk row 0
            is that of the result so far.
    """

    queries: Tokens
    chunks: tuple[tuple[tuple[Dense | Ranked, ...], torch.Tensor], ...]

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        asked = self.queries.of(q)
        result: Partial | None = None
        for parts, shift in self.chunks:
            found = [] if result is None else [result]
            found += [part.run(asked, k, v, partial) for part in parts]
            result = _merge(found, shift, want_lse=parts is not self.chunks[-1][0])
        if result is not None:
            self.queries.write_heads(out, result[0])


@dataclass(frozen=True, slots=True, eq=False)
class General:
    """Groups of one source as the engine runs them."""

    source: int
    groups: Groups
    layout: TokenLayout

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        spans = self.layout.of(self.source)
        keys = SequenceKeys(k, v, self.layout)
        result = attend(take(q, spans), keys, self.groups, attention, partial)
        put(out, spans, result)
        for group in self.groups:
            if group.shared is not None:
                weighted = result * group.shared[:, None].to(result.dtype)
                add(out, self.layout.of(IMAGE), weighted)

    @property
    def adds(self) -> bool:
        """Whether it adds to what others write, and so must come after them."""
        return any(group.shared is not None for group in self.groups)


def _merge(parts: Sequence[Partial], shift: torch.Tensor, *, want_lse: bool) -> Partial:
    lse = torch.stack([part for _, part in parts]).add_(shift)
    shares = lse.softmax(0).to(parts[0][0].dtype)[..., None]
    out = parts[0][0] * shares[0]
    for (part, _), share in zip(parts[1:], shares[1:], strict=True):
        out.addcmul_(part, share)
    return out, lse.logsumexp(0) if want_lse else lse[0]

"""Pieces of a layer of joint attention: which tokens each answers, and how (see ``cascade.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..engine.attend import attend
from ..engine.groups import IMAGE, Attention, Groups, KeyBlock
from ..engine.partial import Partial, WithLse, slices
from ..engine.segments import Segments
from .sequence import SequenceKeys, TokenLayout, Tokens


class Piece(Protocol):
    """Part of a layer: which tokens it answers, and how."""

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        """Write the answers [B, T, C] into ``out`` [B, S, C]; q, k, v are [B, H, S, D]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Zeros:
    """Tokens [T] that nobody answers."""

    index: torch.Tensor

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        out.index_fill_(1, self.index, 0.0)


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
    """Keys that disjoint parts of the queries see, packed.

    Attributes:
        queries: those that see any, in the order of their keys; None: all, in this order already.
        keys: places of the keys.
        segments: their lengths.
        place: [Q] where the answer of each query lies among the packed ones; 0 where it has none,
            which its weight of zero then takes out. None: they lie in order.
    """

    queries: Tokens | None
    keys: Tokens
    segments: Segments
    place: Tokens | None

    def run(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, partial: WithLse) -> Partial:
        asked = q if self.queries is None else self.queries.rows(q)
        out, lse = self.segments.attend_with_lse(
            asked, self.keys.rows(k), self.keys.rows(v), partial
        )
        if self.place is None:
            return out, lse
        return self.place.rows(out), self.place.of(lse)


Part = Dense | Ranked


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Parts that are merged at a time.

    Attributes:
        parts: of the merge, besides what the ones before gave.
        shift: [parts, 1, 1, Q or 1] float32 log-weights to add to each part's log-sum-exp; -inf
            where a query does not see it. Row 0 is that of the result so far, where there is one.
    """

    parts: tuple[Part, ...]
    shift: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """One softmax over parts that are computed apart.

    Attributes:
        queries: first those of other, plain groups, then those of the merge.
        alone: how many the first are.
        first: part that all of these queries run, which is all that the plain ones need.
        rounds: the other parts.
    """

    queries: Tokens
    alone: int
    first: Ranked | None
    rounds: tuple[Round, ...]

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        asked = [self.queries.rows(q)]  # as large as the result: let go when it has been asked
        found: list[Partial] = []
        if self.first is None:
            answer = torch.empty_like(asked[0])
        else:
            answer, lse = self.first.run(asked[0], k, v, partial)
            found = [(answer[:, :, self.alone :], lse[:, :, self.alone :])]
        asked[0] = asked[0][:, :, self.alone :]
        for step in self.rounds:
            found += [part.run(asked[0], k, v, partial) for part in step.parts]
            into = None
            if step is self.rounds[-1]:
                into = answer[:, :, self.alone :]
                asked.clear()
            found = [_merge(found, step.shift, into)]
        by_head = out.unflatten(2, (q.shape[1], -1))
        self.queries.write(by_head, answer.transpose(1, 2))


@dataclass(frozen=True, slots=True, eq=False)
class General:
    """Groups of one source as the engine runs them."""

    source: int
    groups: Groups
    layout: TokenLayout

    def run(self, out: torch.Tensor, q, k, v, attention: Attention, partial: WithLse) -> None:
        asked = self.layout.seen((KeyBlock(self.source, bare=True),), q.device)
        keys = SequenceKeys(k, v, self.layout)
        result = attend(asked.of(q), keys, self.groups, attention, partial)
        asked.write(out, result)
        for group in self.groups:
            if group.shared is not None:
                image = self.layout.seen((KeyBlock(IMAGE, bare=True),), q.device)
                image.add(out, result * group.shared[:, None])

    @property
    def adds(self) -> bool:
        """Whether it adds to what others write, and so must come after them."""
        return any(group.shared is not None for group in self.groups)


def _merge(parts: Sequence[Partial], shift: torch.Tensor, into: torch.Tensor | None) -> Partial:
    """The parts' sum by their shares, summed in float32, in slices of queries that bound what that
    takes; kept so or, at last, rounded ``into`` the parts' dtype."""
    first = parts[0][0]
    kept = into is None
    into = torch.empty_like(first, dtype=torch.float32) if into is None else into
    if len(parts) == 1:
        into.copy_(first)
        return into, parts[0][1]
    lse = torch.stack([part for _, part in parts]).add_(shift)
    shares = lse.softmax(0)[..., None]
    outs = [part for part, _ in parts]
    cut = slices(first.shape[2], 4 * first[:, :, 0].numel())
    if len(cut) == 1:
        _sum(outs, shares, into)
    else:
        for rows in cut:
            some = [out[:, :, rows] for out in outs]
            _sum(some, shares[:, :, :, rows], into[:, :, rows])
    return into, lse.logsumexp(0) if kept else lse[0]


def _sum(outs: Sequence[torch.Tensor], shares: torch.Tensor, into: torch.Tensor) -> None:
    total = outs[0] * shares[0]
    for out, share in zip(outs[1:-1], shares[1:-1], strict=True):
        total.addcmul_(out, share)
    torch.addcmul(total, outs[-1], shares[-1], out=into)

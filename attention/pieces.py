"""Pieces of a layer of joint attention: which tokens each answers, and how (see ``cascade.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from .engine import attend
from .groups import IMAGE, Attention, Groups, KeyBlock
from .partial import Partial, WithLse
from .segments import Segments
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
        asked = self.queries.rows(q)
        merging = asked[:, :, self.alone :]
        found: list[Partial] = []
        if self.first is None:
            answer = torch.empty_like(asked)
        else:
            answer, lse = self.first.run(asked, k, v, partial)
            found = [(answer[:, :, self.alone :], lse[:, :, self.alone :])]
        for step in self.rounds:
            found += [part.run(merging, k, v, partial) for part in step.parts]
            into = answer[:, :, self.alone :] if step is self.rounds[-1] else None
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
    """The parts' sum by their shares, in float32; in the parts' dtype where it goes ``into``."""
    if len(parts) == 1 and into is not None:
        into.copy_(parts[0][0])
        return parts[0]
    lse = torch.stack([part for _, part in parts]).add_(shift)
    shares = lse.softmax(0)[..., None]
    total = parts[0][0] * shares[0]
    for index, (part, _) in enumerate(parts[1:], start=1):
        last = into is not None and index == len(parts) - 1
        total = torch.addcmul(total, part, shares[index], out=into if last else total)
    return total, lse.logsumexp(0) if into is None else lse[0]

"""How a softmax over several sets of keys is split into parts that few kernels compute.

A set of keys that every query sees is a *dense* part. The others are packed into *ranks*, each a
part in which every query sees at most one set. The queries lie in the order of the first rank, so
that its answers need not be moved, and other short sequences can be attended with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from ..engine.groups import Group, KeyBlock
from ..engine.segments import Segments
from .pieces import Dense, Merged, Part, Ranked, Round
from .sequence import TokenLayout, Tokens

# Partial results that are merged at a time: more would only take memory.
_AT_A_TIME = 4
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """A group, its queries [Q] at their places in the sequence."""

    queries: torch.Tensor
    group: Group


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Queries that see the same keys.

    Attributes:
        queries: [Q] places in the sequence, or numbers within a merge.
        keys: [T] places in the sequence.
        shift: [Q] float32 log-weights of the keys.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    shift: torch.Tensor

    @property
    def keys_are_one_piece(self) -> bool:
        """Whether they need no copy."""
        return isinstance(Tokens.at(self.keys, self.keys.device).index, slice)


def plain_segment(asking: Asking, layout: TokenLayout) -> Segment:
    """A group whose blocks all count alike."""
    keys = layout.key_positions(asking.group.blocks)
    return Segment(asking.queries, keys, torch.zeros(asking.queries.numel()))


class MergePlan:
    """The parts of one merge.

    Args:
        asking: groups of disjoint queries, with nothing but log-weights.
        layout: of the sequence.

    Attributes:
        ranks: lists of segments of disjoint queries, the one of most queries first.
        n_copied: keys that are copied because they are packed.
    """

    def __init__(self, asking: Sequence[Asking], layout: TokenLayout) -> None:
        self._queries = torch.cat([one.queries for one in asking])
        n_queries = self._queries.numel()
        # Log-weight of each set of keys by query, where it is seen.
        rows: dict[tuple[int, ...], torch.Tensor] = {}
        blocks: dict[tuple[int, ...], KeyBlock] = {}
        uses: list[tuple[tuple[int, ...], KeyBlock, torch.Tensor]] = []
        start = 0
        for one in asking:
            numbers = torch.arange(start, start := start + one.queries.numel())
            for name, block in _named(one.group.blocks):
                seeing = numbers if block.queries is None else numbers[block.queries.cpu()]
                if name not in rows:
                    rows[name] = torch.full((n_queries,), _NEVER)
                rows[name][seeing] = 0.0 if block.log_weight is None else block.log_weight.cpu()
                blocks[name] = block
                uses.append((name, block, seeing))
        alike: dict[bytes, list[tuple[int, ...]]] = {}
        for name, row in rows.items():
            if bool((row > _NEVER).all()):
                alike.setdefault(row.numpy().tobytes(), []).append(name)
        self._dense = [
            (layout.key_positions([blocks[n] for n in names]).sort().values, rows[names[0]])
            for names in alike.values()
        ]
        everywhere = {name for names in alike.values() for name in names}
        segments = [
            Segment(seeing, layout.key_positions([block]), rows[name][seeing])
            for name, block, seeing in uses
            if name not in everywhere
        ]
        self.ranks = _ranks(joined_by_keys(_joined_by_queries(segments)), n_queries)
        self.n_copied = sum(s.keys.numel() for rank in self.ranks for s in rank)

    def piece(self, alone: Sequence[Segment], device: torch.device) -> Merged:
        """The merge; other plain segments can be attended with its first rank, where it has one."""
        n_queries = self._queries.numel()
        order = self._queries.argsort()
        parts: list[tuple[Part | None, torch.Tensor]] = []
        first: Ranked | None = None
        if self.ranks:
            rank = self.ranks[0]
            asked, place, shift = _placed(rank, n_queries)
            rest = (place < 0).nonzero()[:, 0]
            order = torch.cat([asked, rest])
            parts.append((None, shift[order]))
            # The others see a single key, and a weight of zero takes it out.
            more = [Segment(rest, rank[0].keys[:1], shift[rest])] if rest.numel() else []
            first = _ranked([*alone, *rank, *more], None, None, device)
        for keys, row in self._dense:
            parts.append((Dense(Tokens.at(keys, device)), row[order]))
        number = torch.empty_like(order)
        number[order] = torch.arange(n_queries)
        for rank in self.ranks[1:]:
            asked, place, shift = _placed(
                [replace(segment, queries=number[segment.queries]) for segment in rank], n_queries
            )
            where = Tokens.at(asked, device), Tokens.at(place.clamp_min(0), device)
            ranked = _ranked(rank, *where, device)
            parts.append((ranked, shift))
        queries = torch.cat([*(segment.queries for segment in alone), self._queries[order]])
        n_alone = queries.numel() - n_queries
        return Merged(Tokens.at(queries, device), n_alone, first, _rounds(parts, device))


def joined_by_keys(segments: Iterable[Segment]) -> list[Segment]:
    """Segments of the same keys as one: an isolated region's text and its image, for instance."""
    found: dict[bytes, list[Segment]] = {}
    result: list[Segment] = []
    for segment in segments:
        found.setdefault(segment.keys.sort().values.numpy().tobytes(), []).append(segment)
    for listed in found.values():
        queries = torch.cat([s.queries for s in listed])
        if queries.unique().numel() < queries.numel():  # weighted twice by one query
            result += listed
        else:
            result.append(Segment(queries, listed[0].keys, torch.cat([s.shift for s in listed])))
    return result


def _joined_by_queries(segments: Iterable[Segment]) -> list[Segment]:
    """Segments of the same queries and log-weights as one."""
    found: dict[tuple[bytes, bytes], list[Segment]] = {}
    for segment in segments:
        name = segment.queries.numpy().tobytes(), segment.shift.numpy().tobytes()
        found.setdefault(name, []).append(segment)
    return [
        replace(listed[0], keys=torch.cat([segment.keys for segment in listed]))
        for listed in found.values()
    ]


def _named(blocks: Sequence[KeyBlock]) -> list[tuple[tuple[int, ...], KeyBlock]]:
    """Blocks under names, equal for the same keys; a set listed twice in a group has two."""
    count: Counter[tuple[int, ...]] = Counter()
    result: list[tuple[tuple[int, ...], KeyBlock]] = []
    for block in blocks:
        name = block.source, id(block.tokens), int(block.bare)
        count[name] += 1
        result.append(((*name, count[name]), block))
    return result


def _ranks(segments: Sequence[Segment], n_queries: int) -> list[list[Segment]]:
    """As few lists as it easily goes, in each no query twice; the one of most queries first."""
    ranks: list[tuple[list[Segment], torch.Tensor]] = []
    for segment in segments:
        free = (rank for rank in ranks if not bool(rank[1][segment.queries].any()))
        rank = next(free, None)
        if rank is None:
            rank = [], torch.zeros(n_queries, dtype=torch.bool)
            ranks.append(rank)
        rank[0].append(segment)
        rank[1][segment.queries] = True
    ranks.sort(key=lambda rank: -int(rank[1].sum()))
    # In the order in which the keys lie, so that neighbouring texts are one piece.
    return [sorted(listed, key=lambda segment: int(segment.keys[0])) for listed, _ in ranks]


def _placed(
    rank: Sequence[Segment], n_queries: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries of a rank one behind the other; where each of all [Q] lies there, or -1; weights."""
    asked = torch.cat([segment.queries for segment in rank])
    place = torch.full((n_queries,), -1)
    place[asked] = torch.arange(asked.numel())
    shift = torch.full((n_queries,), _NEVER)
    shift[asked] = torch.cat([segment.shift for segment in rank])
    return asked, place, shift


def _ranked(
    segments: Sequence[Segment],
    queries: Tokens | None,
    place: Tokens | None,
    device: torch.device,
) -> Ranked:
    keys = Tokens.at(torch.cat([segment.keys for segment in segments]), device)
    return Ranked(queries, keys, Segments.of(segments), place)


def _rounds(
    parts: Sequence[tuple[Part | None, torch.Tensor]], device: torch.device
) -> tuple[Round, ...]:
    """Parts with the log-weights [Q] of each, a few at a time; None is the first rank."""
    rounds: list[Round] = []
    while parts:
        n = _AT_A_TIME - bool(rounds)
        taken, parts = parts[:n], parts[n:]
        rows = [row if bool(row.any()) else row[:1] for _, row in taken]
        rows = [torch.zeros(1), *rows] if rounds else rows
        shift = torch.stack(torch.broadcast_tensors(*rows))[:, None, None]
        rounds.append(Round(tuple(part for part, _ in taken if part is not None), shift.to(device)))
    return tuple(rounds)

"""A layer of joint attention in few kernel launches, whatever the number of regions.

The groups of a rule are turned, once per plan, into a list of *pieces* over the one sequence of
text and image, in which what many regions do alike is done in one go:

- texts (and isolated regions) that see only what is their own lie packed one behind the other, and
  are attended segment by segment (``segments.py``);
- tokens that share the image and weight their prompts run as *cascade attention*: the image once
  for all queries, with its log-sum-exp, by the person's own backend; the texts packed; one merge.

What needs more than that (mixing weights, tuned scores) goes through ``engine.attend``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from .engine import is_plain
from .groups import Group, Groups, KeyBlock
from .pieces import Dense, General, Merged, Packed, Piece, Ranked
from .segments import Segments
from .sequence import IMAGES, TokenLayout, Tokens

# Partial results that are merged at a time: more would only take memory.
_AT_A_TIME = 4
# Packed keys are copies. Up to this multiple of the sequence they are worth it; groups with more
# (all of the image for every region) run one by one.
_MOST_COPIED = 1.5
# Groups that see the whole image and no two the same text: from this number on the image is
# attended once for all, at the price of a merge.
_MANY = 3


def pieces(
    groups: Groups, layout: TokenLayout, n_tokens: int, device: torch.device
) -> tuple[Piece, ...]:
    """Turn the groups of all sources of one joint call into pieces.

    Args:
        groups: from a rule, with those of registers.
        layout: of the sequence.
        n_tokens: S of the sequence.
        device: of the sequence.
    """
    by_source: dict[int, list[Group]] = {}
    for group in groups:
        by_source.setdefault(group.source, []).append(group)
    result: list[Piece] = []
    own: list[tuple[torch.Tensor, torch.Tensor]] = []
    # Boosts change from step to step, and with them the groups: packing them would not pay.
    boosted = any(block.boost is not None for group in groups for block in group.blocks)
    for source, asking in by_source.items():
        if boosted or not all(map(_is_simple, asking)) or _overlap(asking):
            result.append(General(source, tuple(asking), layout))
            continue
        positions = layout.positions(source)
        shared, alone = _sharing_the_image(asking)
        if shared:
            result.append(_cascade(positions, shared, layout, device))
        for group in alone:
            queries = positions if group.queries is None else positions[group.queries.cpu()]
            if is_plain(group):
                own.append((queries, layout.key_positions(group.blocks)))
            else:
                result.append(_merged(queries, group.blocks, layout, device))
    result.sort(key=lambda piece: isinstance(piece, General) and piece.adds)
    return (*_packed(own, n_tokens, device), *result)


def _is_simple(group: Group) -> bool:
    """Whether nothing but log-weights tells its blocks apart."""
    if group.weight is not None or group.query_scale is not None or group.exact:
        return False
    return group.shared is None and all(
        block.to_max is None and not block.per_token and block.scale == 1.0
        for block in group.blocks
    )


def _overlap(groups: Sequence[Group]) -> bool:
    return len(groups) > 1 and any(group.queries is None for group in groups)


def _sharing_the_image(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Plain groups that all see the whole image, where they are many enough; and the others."""
    shared = [
        group
        for group in groups
        if is_plain(group)
        and group.queries is not None
        and any(block.source in IMAGES and block.tokens is None for block in group.blocks)
    ]
    if len(shared) < _MANY:
        return [], list(groups)
    return shared, [group for group in groups if group not in shared]


def _cascade(
    positions: torch.Tensor, groups: Sequence[Group], layout: TokenLayout, device: torch.device
) -> Merged:
    """Plain groups as one merge: what all of them see, once; what each sees besides, packed."""
    common = {_name(block) for block in groups[0].blocks}
    for group in groups[1:]:
        common &= {_name(block) for block in group.blocks}
    seen = [block for block in groups[0].blocks if _name(block) in common]
    queries = torch.cat([group.queries.cpu() for group in groups if group.queries is not None])
    own, start = [], 0
    for group in groups:
        assert group.queries is not None
        besides = [block for block in group.blocks if _name(block) not in common]
        stop = start + group.queries.numel()
        if besides:
            own.append((torch.arange(start, stop), layout.key_positions(besides), None))
        start = stop
    order = queries.argsort()
    back = torch.empty_like(order)
    back[order] = torch.arange(order.numel())
    own = [(back[asked], keys, weight) for asked, keys, weight in own]
    parts: list[tuple[Dense | Ranked, torch.Tensor]] = [
        (Dense(Tokens.at(layout.key_positions(seen), device)), torch.zeros(1))
    ]
    if own:
        parts.append(_ranked(own, queries.numel(), device))
    return _in_chunks(positions[queries[order]], parts, device)


def _name(block: KeyBlock) -> tuple[int, int, bool]:
    """Equal for blocks of the same keys."""
    return block.source, id(block.tokens), block.bare


def _packed(
    own: Sequence[tuple[torch.Tensor, torch.Tensor]], n_tokens: int, device: torch.device
) -> Iterable[Packed]:
    """Plain groups: those with keys of their own in one, the others each alone."""
    together: list[tuple[torch.Tensor, torch.Tensor]] = []
    copied = 0
    for queries, keys in sorted(_of_equal_keys(own), key=lambda pair: pair[1].numel()):
        piece = isinstance(Tokens.at(keys, torch.device("cpu")).index, slice)
        if piece or copied + keys.numel() > _MOST_COPIED * n_tokens:
            yield _pack([(queries, keys)], device)
        else:
            copied += keys.numel()
            together.append((queries, keys))
    if together:
        yield _pack(sorted(together, key=lambda pair: int(pair[0][0])), device)


def _of_equal_keys(
    own: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Queries of the same keys as one: an isolated region's text and its image, for instance."""
    found: dict[bytes, tuple[torch.Tensor, torch.Tensor]] = {}
    for queries, keys in own:
        name = keys.sort().values.numpy().tobytes()
        before = found.get(name)
        found[name] = (queries if before is None else torch.cat([before[0], queries]), keys)
    return list(found.values())


def _pack(own: Sequence[tuple[torch.Tensor, torch.Tensor]], device: torch.device) -> Packed:
    queries, keys = zip(*own, strict=True)
    return Packed(
        Tokens.at(torch.cat(queries), device),
        Tokens.at(torch.cat(keys), device),
        Segments(tuple(map(len, queries)), tuple(map(len, keys))),
    )


def _merged(
    queries: torch.Tensor, blocks: Sequence[KeyBlock], layout: TokenLayout, device: torch.device
) -> Merged:
    plain = [b for b in blocks if b.log_weight is None and b.queries is None]
    parts: list[tuple[Dense | Ranked, torch.Tensor]] = []
    if plain:
        parts.append((Dense(Tokens.at(layout.key_positions(plain), device)), torch.zeros(1)))
    for block in blocks:
        if block.queries is None and block.log_weight is not None:
            keys = Tokens.at(layout.key_positions([block]), device)
            parts.append((Dense(keys), block.log_weight.cpu()))
    for rank in _ranks([b for b in blocks if b.queries is not None], queries.numel()):
        own = [
            (b.queries.cpu(), layout.key_positions([b]), b.log_weight)
            for b in rank
            if b.queries is not None
        ]
        parts.append(_ranked(own, queries.numel(), device))
    return _in_chunks(queries, parts, device)


def _in_chunks(
    queries: torch.Tensor,
    parts: Sequence[tuple[Dense | Ranked, torch.Tensor]],
    device: torch.device,
) -> Merged:
    """Parts with the log-weights [Q] or [1] of each, a few at a time."""
    chunks = []
    while parts:
        n = _AT_A_TIME if not chunks else _AT_A_TIME - 1
        taken, parts = parts[:n], parts[n:]
        rows = [shift for _, shift in taken]
        rows = [torch.zeros(1), *rows] if chunks else rows
        width = max(map(len, rows))
        shift = torch.stack([row.expand(width) for row in rows])[:, None, None]
        chunks.append((tuple(part for part, _ in taken), shift.to(device)))
    return Merged(Tokens.at(queries, device), tuple(chunks))


def _ranks(blocks: Sequence[KeyBlock], n_queries: int) -> list[list[KeyBlock]]:
    """Blocks in as few lists as it easily goes, those of a list seen by disjoint queries."""
    ranks: list[tuple[list[KeyBlock], torch.Tensor]] = []
    for block in blocks:
        assert block.queries is not None
        seen = torch.zeros(n_queries, dtype=torch.bool)
        seen[block.queries.cpu()] = True
        for index, (listed, taken) in enumerate(ranks):
            if not bool((seen & taken).any()):
                ranks[index] = ([*listed, block], taken | seen)
                break
        else:
            ranks.append(([block], seen))
    return [listed for listed, _ in ranks]


def _ranked(
    own: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]],
    n_queries: int,
    device: torch.device,
) -> tuple[Ranked, torch.Tensor]:
    """A rank and its log-weights [Q].

    Args:
        own: disjoint queries, the places of the keys that they see, and their log-weights.
        n_queries: Q of the merge.
        device: of the sequence.
    """
    # In the order in which the keys lie, so that neighbouring texts are one piece.
    asked, keys, weights = zip(*sorted(own, key=lambda part: int(part[1][0])), strict=True)
    packed = torch.cat(asked)
    place = torch.zeros(n_queries, dtype=torch.int64)
    place[packed] = torch.arange(packed.numel())
    shift = torch.full((n_queries,), float("-inf"))
    for queries, weight in zip(asked, weights, strict=True):
        shift[queries] = 0.0 if weight is None else weight.cpu()
    ranked = Ranked(
        Tokens.at(packed, device),
        Tokens.at(torch.cat(keys), device),
        Segments(tuple(map(len, asked)), tuple(map(len, keys))),
        place.to(device),
    )
    return ranked, shift

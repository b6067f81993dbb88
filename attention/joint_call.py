"""Where the text of every region lies in one joint-attention model call, and who asks whom.

Everything here is made once per plan (that is once per sampling, not per step or layer).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .engine import PartialAttention, attend
from .groups import BASE, BASE_IMAGE, IMAGE, Attention, Group, Groups, KeyBlock
from .registers import REGISTERS, register_group
from .sampling import CallPlan, LayerJob
from .sequence import SequenceKeys, Span, Spans, add, merged_spans, put, take
from .tokens import TokenGrid

# With a second image stream: what it does where no rule says so, and a layer without regions.
STREAM = Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE_IMAGE)
STOCK_WITH_STREAM = (
    Group((KeyBlock(BASE), KeyBlock(IMAGE))),
    Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE),
    STREAM,
)

# Tokens of one text in each text stream of the network. Nearly all networks have one stream;
# HiDream has two (T5 and Llama), which lie apart in the sequence.
Lengths = tuple[int, ...]
TextSpans = tuple[Span, ...]  # of one text in the context of each stream


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tokens of one attention call lie. Whoever sees the image sees all but the text.

    Attributes:
        text: of a text's spans in the context: its places in the sequence.
        image: places of the latent's tokens.
        registers: tokens that stand for no place of the picture (learned registers, padding): they
            see each prompt by its share of the picture.
        references: reference images: they see the global prompt.
    """

    text: Callable[[TextSpans], Spans]
    image: Spans
    registers: Spans = ()
    references: Spans = ()


@dataclass(frozen=True, slots=True, eq=False)
class TextSet:
    """The texts of one set of regional prompts in the context of some rows.

    Attributes:
        spans: of each region's text in the context.
        states: what the family's ``text_states`` gave for each.
        idle: groups of the text tokens where no rule acts on them: they go on as in the first
            layer that uses them.
        last_layer: last layer that uses them.
    """

    spans: tuple[TextSpans, ...]
    states: tuple[Any, ...]
    idle: Groups
    last_layer: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One conditioning entry of the batch with its text sets and its job in each layer."""

    rows: slice
    sets: dict[int, TextSet]  # by id of the job's texts
    jobs: dict[int, LayerJob]

    def stream_layers(self) -> list[int]:
        """Layers whose groups ask for a second image stream."""
        return [layer for layer, job in self.jobs.items() if _speaks_of_stream(job.groups)]


@dataclass(frozen=True, slots=True, eq=False)
class JointCall:
    """How the context of one model call is laid out: ``[extra | base]`` tokens in each stream.

    Attributes:
        regional: rows with regions.
        plain: row ranges without.
        extra: tokens of regional texts, shorter ones padded in front.
        base: tokens of the conditioning's own text.
        grid: the latent's tokens.
        stream: layers whose sequence ends with a second stream of the latent's tokens.
    """

    regional: tuple[Rows, ...]
    plain: tuple[slice, ...]
    extra: Lengths
    base: Lengths
    grid: TokenGrid
    stream: range = range(0)
    _places: dict[tuple[int, bool], Places | None] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Rows of the batch."""
        return max(rows.stop for rows in (*self.plain, *(row.rows for row in self.regional)))

    @property
    def n_text(self) -> int:
        """Tokens of the first text stream, regional ones included."""
        return self.extra[0] + self.base[0]

    @property
    def base_spans(self) -> TextSpans:
        """The conditioning's own text in the context."""
        return tuple((a, a + n) for a, n in zip(self.extra, self.base, strict=True))

    def texts(self) -> Iterator[tuple[slice, TextSpans, Any]]:
        """(rows, spans in the context, states) of every regional text."""
        for row in self.regional:
            for texts in row.sets.values():
                for spans, states in zip(texts.spans, texts.states, strict=True):
                    yield row.rows, spans, states

    def places(
        self,
        layer: int,
        n_tokens: int,
        layout: Callable[[int], Layout | None],
        device: torch.device,
    ) -> Places | None:
        """The call's places in a layer's sequence; None where that is no joint one."""
        streamed = layer in self.stream
        key = (n_tokens, streamed)
        if key not in self._places:
            end = n_tokens - self.grid.n_tokens if streamed else n_tokens
            found = layout(end)
            places = None if found is None else Places(self, found, ((end, n_tokens),), device)
            self._places[key] = places
        return self._places[key]


class Places:
    """A joint call with all tokens at their places in the sequence.

    Args:
        call: what lies in it.
        layout: places of text and image.
        stream: places of the second image stream, empty in layers without one.
        device: of the sequence.
    """

    def __init__(
        self, call: JointCall, layout: Layout, stream: Spans, device: torch.device
    ) -> None:
        base = layout.text(call.base_spans)
        self._call = call
        self._always = tuple(merged_spans((*layout.registers, *layout.references)))
        self._references = tuple(merged_spans(layout.references))
        self._stock = tuple(merged_spans((*base, *layout.image, *self._always)))
        self._stock_stream = tuple(merged_spans((*base, *stream, *self._always)))
        has_stream = bool(merged_spans(stream))
        self._streamed = [has_stream and bool(row.stream_layers()) for row in call.regional]
        self._registers = {
            id(job.groups): register_group(job.groups, call.grid.n_tokens, n_registers, device)
            for row in call.regional
            for job in row.jobs.values()
            if (n_registers := sum(b - a for a, b in layout.registers))
        }
        common = {
            BASE: base,
            IMAGE: layout.image,
            BASE_IMAGE: stream,
            REGISTERS: layout.registers,
        }
        self._spans = [
            {
                set_id: {
                    **common,
                    **{r: layout.text(spans) for r, spans in enumerate(texts.spans, start=1)},
                }
                for set_id, texts in row.sets.items()
            }
            for row in call.regional
        ]

    def attend(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention: Attention,
        partial: PartialAttention,
    ) -> torch.Tensor:
        """[B, H, S, D] each -> [B, S, C]. Padding and texts that no later layer uses get zeros."""
        batch, heads, n_tokens, head_dim = q.shape
        out = q.new_zeros(batch, n_tokens, heads * head_dim)
        for rows in self._call.plain:
            self._stock_attention(out[rows], q[rows], k[rows], v[rows], attention)
        for row, spans_of, streamed in zip(
            self._call.regional, self._spans, self._streamed, strict=True
        ):
            rows = row.rows
            parts = out[rows], q[rows], k[rows], v[rows]
            job = row.jobs.get(layer)
            if job is None and not streamed:
                self._stock_attention(*parts, attention)
            for set_id, texts in row.sets.items():
                active = job is not None and id(job.texts) == set_id
                groups = texts.idle
                if job is not None and active:
                    groups = job.groups + self._registers.get(id(job.groups), ())
                if active or layer < texts.last_layer:
                    self._regional(*parts, groups, spans_of[set_id], attention, partial)
            if streamed:
                spans = next(iter(spans_of.values()))
                self._regional(*parts, _stream_groups(job), spans, attention, partial)
            alone = self._references if job is not None else self._always
            if alone and (job is not None or streamed):
                seen = self._stock_stream if streamed else self._stock
                asked = (take(t, seen) for t in parts[2:])
                put(parts[0], alone, attention(take(parts[1], alone), *asked))
        return out

    def _stock_attention(
        self,
        out: torch.Tensor,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention: Attention,
    ) -> None:
        """Global text, image and references as in the model without regions."""
        seen = [take(t, self._stock) for t in (q, k, v)]
        put(out, self._stock, attention(*seen))

    def _regional(
        self,
        out: torch.Tensor,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        groups: Groups,
        spans: Mapping[int, Spans],
        attention: Attention,
        partial: PartialAttention,
    ) -> None:
        keys = SequenceKeys(k, v, spans, self._always)
        shared = []
        for source, asked in _by_source(groups).items():
            result = attend(take(q, spans[source]), keys, asked, attention, partial)
            put(out, spans[source], result)
            shared += [(result, group.shared) for group in asked if group.shared is not None]
        keys.give_back()
        for result, weight in shared:
            add(out, spans[IMAGE], result * weight[:, None].to(result.dtype))


def _speaks_of_stream(groups: Groups) -> bool:
    return any(group.source == BASE_IMAGE for group in groups)


def _stream_groups(job: LayerJob | None) -> Groups:
    """What a layer with a second image stream does besides the job's groups."""
    if job is None:
        return STOCK_WITH_STREAM
    return () if _speaks_of_stream(job.groups) else (STREAM,)


def _by_source(groups: Groups) -> dict[int, tuple[Group, ...]]:
    result: dict[int, list[Group]] = {}
    for group in groups:
        result.setdefault(group.source, []).append(group)
    return {source: tuple(asked) for source, asked in result.items()}


def joint_call(plan: CallPlan, base: Lengths, lengths_of: Callable[[Any], Lengths]) -> JointCall:
    """Lay out the context once per plan: regional texts end where the global text begins.

    Args:
        plan: of the model call.
        base: tokens of the conditioning's own text.
        lengths_of: tokens of a regional text, from its states.
    """
    memo_key = ("joint", base)
    if memo_key in plan.memo:
        return plan.memo[memo_key]
    jobs_of: dict[tuple[int, int], dict[int, LayerJob]] = {}
    for layer, jobs in sorted(plan.layers.items()):
        for job in jobs:
            jobs_of.setdefault((job.rows.start, job.rows.stop), {})[layer] = job
    needed = [
        _total(
            [lengths_of(t.states) for job in _first_jobs(jobs).values() for t in job.texts], base
        )
        for jobs in jobs_of.values()
    ]
    extra = tuple(map(max, zip(*needed, strict=True)))
    regional = []
    for rows, jobs in jobs_of.items():
        end = extra
        sets = {}
        for set_id, job in _first_jobs(jobs).items():
            spans = []
            for text in job.texts:
                lengths = lengths_of(text.states)
                spans.append(tuple((b - n, b) for b, n in zip(end, lengths, strict=True)))
                end = tuple(a for a, _ in spans[-1])
            sets[set_id] = TextSet(
                tuple(spans),
                tuple(text.states for text in job.texts),
                tuple(group for group in job.groups if group.source > BASE),
                max(layer for layer, other in jobs.items() if id(other.texts) == set_id),
            )
        regional.append(Rows(slice(*rows), sets, jobs))
    plain = tuple(chunk for chunk in plan.chunks if (chunk.start, chunk.stop) not in jobs_of)
    grid = next(iter(plan.layers.values()))[0].grid
    streamed = [layer for row in regional for layer in row.stream_layers()]
    stream = range(min(streamed), max(streamed) + 1) if streamed else range(0)
    call = JointCall(tuple(regional), plain, extra, base, grid, stream)
    plan.memo[memo_key] = call
    return call


def _first_jobs(jobs: dict[int, LayerJob]) -> dict[int, LayerJob]:
    """The first job of each set of texts."""
    first: dict[int, LayerJob] = {}
    for _, job in sorted(jobs.items()):
        first.setdefault(id(job.texts), job)
    return first


def _total(lengths: list[Lengths], streams: Lengths) -> Lengths:
    """Sum per text stream; zeros where there is no text."""
    return tuple(sum(length[i] for length in lengths) for i in range(len(streams)))

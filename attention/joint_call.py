"""Where the text of every region lies in the context of one joint-attention model call.

Everything here is made once per plan (that is once per sampling, not per step or layer).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from .call_plan import CallPlan, LayerJob
from .groups import BASE, Groups
from .joint_places import Places, speaks_of_stream
from .lora.ownership import Owner
from .lora.voice import Voice
from .sequence import Span, Spans
from .tokens import TokenGrid

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
        owners: the region that each belongs to.
        idle: groups of the text tokens where no rule acts on them: they go on as in the first
            layer that uses them.
        last_layer: last layer that uses them.
    """

    spans: tuple[TextSpans, ...]
    states: tuple[Any, ...]
    idle: Groups
    last_layer: int
    owners: tuple[Owner, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One conditioning entry of the batch with its text sets and its job in each layer."""

    rows: slice
    sets: dict[int, TextSet]  # by id of the job's texts
    jobs: dict[int, LayerJob]

    @property
    def references(self) -> tuple[int, ...]:
        """Region of each reference image."""
        return next(iter(self.jobs.values())).references

    def stream_layers(self) -> list[int]:
        """Layers whose groups ask for a second image stream."""
        return [layer for layer, job in self.jobs.items() if speaks_of_stream(job.groups)]


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
        references: tokens of each reference image, where the family tells them apart.
        voice: hears of it where a prompt is computed alone.
    """

    regional: tuple[Rows, ...]
    plain: tuple[slice, ...]
    extra: Lengths
    base: Lengths
    grid: TokenGrid
    stream: range = range(0)
    references: Lengths = ()
    voice: Voice = field(default_factory=Voice)
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

    def owned_texts(self) -> Iterator[tuple[slice, TextSpans, Owner]]:
        """(rows, spans in the context, region) of every regional text."""
        for row in self.regional:
            for texts in row.sets.values():
                for spans, owner in zip(texts.spans, texts.owners, strict=True):
                    yield row.rows, spans, owner

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
            places = (
                None if found is None else Places(self, found, ((end, n_tokens),), n_tokens, device)
            )
            self._places[key] = places
        return self._places[key]


def joint_call(
    plan: CallPlan,
    base: Lengths,
    lengths_of: Callable[[Any], Lengths],
    references: Lengths = (),
) -> JointCall:
    """Lay out the context once per plan: regional texts end where the global text begins.

    Args:
        plan: of the model call.
        base: tokens of the conditioning's own text.
        lengths_of: tokens of a regional text, from its states.
        references: tokens of each reference image.
    """
    memo_key = ("joint", base, references)
    if memo_key in plan.memo:
        return plan.memo[memo_key]
    jobs_of: dict[tuple[int, int], dict[int, LayerJob]] = {}
    for layer, jobs in sorted(plan.layers.items()):
        for job in jobs:
            jobs_of.setdefault((job.rows.start, job.rows.stop), {})[layer] = job
    needed = [
        [lengths_of(text.states) for job in _first_jobs(jobs).values() for text in job.texts]
        for jobs in jobs_of.values()
    ]
    extra = tuple(max(sum(text[i] for text in row) for row in needed) for i in range(len(base)))
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
                tuple(text.owner for text in job.texts),
            )
        regional.append(Rows(slice(*rows), sets, jobs))
    plain = tuple(chunk for chunk in plan.chunks if (chunk.start, chunk.stop) not in jobs_of)
    grid = next(iter(plan.layers.values()))[0].grid
    streamed = [layer for row in regional for layer in row.stream_layers()]
    stream = range(min(streamed), max(streamed) + 1) if streamed else range(0)
    call = JointCall(tuple(regional), plain, extra, base, grid, stream, references)
    plan.memo[memo_key] = call
    return call


def _first_jobs(jobs: dict[int, LayerJob]) -> dict[int, LayerJob]:
    """The first job of each set of texts."""
    first: dict[int, LayerJob] = {}
    for _, job in sorted(jobs.items()):
        first.setdefault(id(job.texts), job)
    return first

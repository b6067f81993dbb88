"""What lies where in the context of one joint-attention model call, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..calls.call_plan import LayerJob, TextStates
from ..canvas.tokens import TokenGrid
from ..engine.groups import BASE_IMAGE, Groups
from ..lora.ownership import Owner
from ..lora.voice import Voice
from .sequence import Span, Spans

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
        of: the jobs' texts that these are: which is meant is told by identity.
        spans: of each region's text in the context.
        states: what the family's ``text_states`` gave for each.
        owners: the region that each belongs to.
        idle: groups of the text tokens where no rule acts on them: they go on as in the first
            layer that uses them.
        last_layer: last layer that uses them.
    """

    of: tuple[TextStates, ...]
    spans: tuple[TextSpans, ...]
    states: tuple[Any, ...]
    idle: Groups
    last_layer: int
    owners: tuple[Owner, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One conditioning entry of the batch with its text sets and its job in each layer."""

    rows: slice
    sets: tuple[TextSet, ...]
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
        memo: what is worked out from it once.
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
    memo: dict[Hashable, Any] = field(default_factory=dict)

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

    def texts(self) -> Iterator[tuple[slice, TextSpans, Any, Owner]]:
        """(rows, spans in the context, states, region) of every regional text."""
        for row in self.regional:
            for texts in row.sets:
                for text in zip(texts.spans, texts.states, texts.owners, strict=True):
                    yield row.rows, *text


def speaks_of_stream(groups: Groups) -> bool:
    """Whether groups ask for a second image stream."""
    return any(group.source == BASE_IMAGE for group in groups)

"""Attention over one sequence of text and image tokens, as the groups of a joint call say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from ..calls.call_plan import LayerJob
from ..engine.groups import BASE, BASE_IMAGE, IMAGE, Attention, Group, Groups, KeyBlock
from ..engine.partial import WithLse
from ..engine.segments import Segments
from .cascade import pieces
from .context import JointCall, Layout, speaks_of_stream
from .pieces import Merged, Packed, Piece, Zeros
from .references import split_references
from .registers import REGISTERS, register_group
from .sequence import Span, Spans, TokenLayout, Tokens, merged_spans, span_positions

# With a second image stream: what it does where no rule says so, and a layer without regions.
_STREAM = Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE_IMAGE)
STREAM: Groups = (_STREAM,)
STOCK_WITH_STREAM: Groups = (
    Group((KeyBlock(BASE), KeyBlock(IMAGE))),
    Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE),
    _STREAM,
)


class _WholeReferences(NamedTuple):
    """Reference images of the whole picture in some rows, and what they see."""

    tokens: Tokens
    seen: Tokens
    seen_with_stream: Tokens


class Places:
    """A joint call with all tokens at their places in the sequence.

    Args:
        call: what lies in it.
        layout: places of text and image.
        stream: places of the second image stream, empty in layers without one.
        n_tokens: S of the sequence.
        device: of the sequence.

    Attributes:
        layouts: of each regional entry, for each of its sets of texts.
    """

    def __init__(
        self, call: JointCall, layout: Layout, stream: Spans, n_tokens: int, device: torch.device
    ) -> None:
        base = layout.text(call.base_spans)
        images = merged_spans(layout.references)
        self._call, self._n_tokens, self._device = call, n_tokens, device

        def tokens(*spans: Span) -> Tokens:
            return Tokens.at(span_positions(merged_spans(spans)), device)

        always = merged_spans((*layout.registers, *images))
        self._always = tokens(*always)
        self._stock = tokens(*base, *layout.image, *always)
        self._stock_stream = tokens(*base, *stream, *always)
        has_stream = bool(merged_spans(stream))
        self._streamed = [has_stream and bool(row.stream_layers()) for row in call.regional]
        self._n_registers = sum(b - a for a, b in layout.registers)
        common = {
            BASE: base,
            IMAGE: layout.image,
            BASE_IMAGE: stream,
            REGISTERS: layout.registers,
        }
        self._plain_layout = TokenLayout(common, always)
        self.layouts, self._whole = [], []
        for row in call.regional:
            whole, owned = split_references(images, call.references, row.references)
            seen = merged_spans((*layout.registers, *whole))
            self.layouts.append(
                [
                    TokenLayout(
                        {
                            **common,
                            **{r: layout.text(at) for r, at in enumerate(texts.spans, start=1)},
                            **owned,
                        },
                        seen,
                    )
                    for texts in row.sets
                ]
            )
            self._whole.append(
                _WholeReferences(
                    tokens(*whole),
                    tokens(*base, *layout.image, *seen),
                    tokens(*base, *stream, *seen),
                )
            )
        # By id of the groups, which the call keeps alive, and of the layout.
        self._pieces: dict[tuple[int, int], tuple[Piece, ...]] = {}
        self._steps: dict[int, list[tuple[slice, list[Piece]]]] = {}  # by layer

    def attend(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention: Attention,
        partial: WithLse,
    ) -> torch.Tensor:
        """[B, H, S, D] each -> [B, S, C]. Padding and texts that no later layer uses get zeros."""
        batch, heads, n_tokens, head_dim = q.shape
        out = torch.empty(batch, n_tokens, heads * head_dim, dtype=q.dtype, device=q.device)
        if layer not in self._steps:
            self._steps[layer] = list(self._steps_of(layer))
        for rows, steps in self._steps[layer]:
            every = rows.start == 0 and rows.stop == batch
            own = (out, q, k, v) if every else (out[rows], q[rows], k[rows], v[rows])
            for piece in steps:
                piece.run(*own, attention, partial)
        return out

    def _steps_of(self, layer: int) -> Iterator[tuple[slice, list[Piece]]]:
        """What each range of rows runs in a layer, one after the other."""
        for rows in self._call.plain:
            yield rows, self._filled([_as_stock(self._stock, self._stock)])
        for row, layouts, whole, streamed in zip(
            self._call.regional, self.layouts, self._whole, self._streamed, strict=True
        ):
            job = row.jobs.get(layer)
            steps: list[Piece] = []
            if job is None and not streamed:
                steps.append(_as_stock(self._stock, self._stock))
            for layout, texts in zip(layouts, row.sets, strict=True):
                active = job is not None and job.texts is texts.of
                if active or layer < texts.last_layer:
                    groups = job.groups if job is not None and active else texts.idle
                    steps += self._pieces_of(groups, layout, registers=active)
            if streamed:
                layout = layouts[0] if job is not None else self._plain_layout
                steps += self._pieces_of(_stream_groups(job), layout)
            if job is not None and whole.tokens.count:
                seen = whole.seen_with_stream if streamed else whole.seen
                steps.append(_as_stock(whole.tokens, seen))
            elif job is None and streamed and self._always.count:
                steps.append(_as_stock(self._always, self._stock_stream))
            yield row.rows, self._filled(steps)

    def _filled(self, steps: list[Piece]) -> list[Piece]:
        """The steps, after one that fills what none of them answers with zeros."""
        answers = [step.queries.where for step in steps if isinstance(step, Packed | Merged)]
        rest = torch.arange(self._n_tokens)
        if len(answers) == len(steps):  # what others answer changes with the step: it is not asked
            unanswered = torch.ones(self._n_tokens, dtype=torch.bool)
            unanswered[torch.cat([rest[:0], *answers])] = False
            rest = unanswered.nonzero()[:, 0]
        return [Zeros(rest.to(self._device)), *steps] if rest.numel() else steps

    def _pieces_of(
        self, groups: Groups, layout: TokenLayout, *, registers: bool = False
    ) -> tuple[Piece, ...]:
        key = id(groups), id(layout)
        if key not in self._pieces:
            n_image, more = self._call.grid.n_tokens, self._n_registers if registers else 0
            asking = (*groups, *register_group(groups, n_image, more, self._device))
            self._pieces[key] = pieces(asking, layout, self._n_tokens, self._device)
        return self._pieces[key]


def _as_stock(asking: Tokens, seen: Tokens) -> Packed:
    return Packed(asking, seen, Segments((asking.count,), (seen.count,)))


def places_of(
    call: JointCall,
    layer: int,
    n_tokens: int,
    layout: Callable[[int], Layout | None],
    device: torch.device,
) -> Places | None:
    """The call's places in the sequence of a layer, made once; None where that is no joint one.

    Args:
        call: what lies in it.
        layer: index of the block.
        n_tokens: S of its sequence.
        layout: of a sequence that ends there (without a second image stream), if it is a joint one.
        device: of the sequence.
    """
    streamed = layer in call.stream
    key = ("places", n_tokens, streamed)
    if key not in call.memo:
        end = n_tokens - call.grid.n_tokens if streamed else n_tokens
        found = layout(end)
        stream = ((end, n_tokens),)
        call.memo[key] = None if found is None else Places(call, found, stream, n_tokens, device)
    return call.memo[key]


def _stream_groups(job: LayerJob | None) -> Groups:
    """What a layer with a second image stream does besides the job's groups."""
    if job is None:
        return STOCK_WITH_STREAM
    return () if speaks_of_stream(job.groups) else STREAM

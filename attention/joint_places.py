"""Attention over one sequence of text and image tokens, as the groups of a joint call say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from .call_plan import LayerJob
from .engine import PartialAttention, attend
from .groups import BASE, BASE_IMAGE, IMAGE, Attention, Group, Groups, KeyBlock
from .registers import REGISTERS, register_group
from .sequence import SequenceKeys, Spans, add, merged_spans, put, take

if TYPE_CHECKING:
    from .joint_call import JointCall, Layout

GroupsBySource = Mapping[int, Groups]


def _by_source(groups: Groups) -> GroupsBySource:
    result: dict[int, Groups] = {}
    for group in groups:
        result[group.source] = (*result.get(group.source, ()), group)
    return result


# With a second image stream: what it does where no rule says so, and a layer without regions.
_STREAM = Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE_IMAGE)
STREAM = _by_source((_STREAM,))
STOCK_WITH_STREAM = _by_source(
    (
        Group((KeyBlock(BASE), KeyBlock(IMAGE))),
        Group((KeyBlock(BASE), KeyBlock(BASE_IMAGE)), source=BASE),
        _STREAM,
    )
)


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
        n_registers = sum(b - a for a, b in layout.registers)
        self._active = {
            id(job.groups): _by_source(
                job.groups + register_group(job.groups, call.grid.n_tokens, n_registers, device)
            )
            for row in call.regional
            for job in row.jobs.values()
        }
        self._idle = {
            id(texts): _by_source(texts.idle)
            for row in call.regional
            for texts in row.sets.values()
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
                asked = self._idle[id(texts)]
                if job is not None and active:
                    asked = self._active[id(job.groups)]
                if active or layer < texts.last_layer:
                    self._regional(*parts, asked, spans_of[set_id], attention, partial)
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
        groups: GroupsBySource,
        spans: Mapping[int, Spans],
        attention: Attention,
        partial: PartialAttention,
    ) -> None:
        keys = SequenceKeys(k, v, spans, self._always)
        shared = []
        for source, asked in groups.items():
            result = attend(take(q, spans[source]), keys, asked, attention, partial)
            put(out, spans[source], result)
            shared += [(result, group.shared) for group in asked if group.shared is not None]
        keys.give_back()
        for result, weight in shared:
            add(out, spans[IMAGE], result * weight[:, None].to(result.dtype))


def speaks_of_stream(groups: Groups) -> bool:
    return any(group.source == BASE_IMAGE for group in groups)


def _stream_groups(job: LayerJob | None) -> GroupsBySource:
    """What a layer with a second image stream does besides the job's groups."""
    if job is None:
        return STOCK_WITH_STREAM
    return {} if speaks_of_stream(job.groups) else STREAM

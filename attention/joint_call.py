"""Where the text of every region lies in one joint-attention model call, and who asks whom.

Everything here is made once per plan (that is once per sampling, not per step or layer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from .engine import PartialAttention, attend
from .groups import BASE, IMAGE, Attention, Group, Groups
from .sampling import CallPlan, LayerJob
from .sequence import SequenceKeys, Spans, merged_spans, put, take


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tokens of one attention call lie.

    Attributes:
        text: of context tokens [start, stop): their places in the sequence.
        image: places of the latent's tokens.
        always: registers and reference images: they go with the global prompt, and whoever sees
            the image sees them.
    """

    text: Callable[[int, int], Spans]
    image: Spans
    always: Spans


class HasLayout(Protocol):
    def layout(self, call: JointCall, n_tokens: int) -> Layout | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class TextSet:
    """The texts of one set of regional prompts in the context of some rows.

    Attributes:
        starts: first context token of each region's text.
        states: [1, T_r, C] each.
        idle: groups of the text tokens where no rule acts on them: they go on as in the first
            layer that uses them.
        last_layer: last layer that uses them.
    """

    starts: tuple[int, ...]
    states: tuple[torch.Tensor, ...]
    idle: Groups
    last_layer: int

    def context_spans(self) -> dict[int, tuple[int, int]]:
        """Region (from one) -> its context tokens [start, stop)."""
        pairs = zip(self.starts, self.states, strict=True)
        return {r + 1: (a, a + text.shape[1]) for r, (a, text) in enumerate(pairs)}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One conditioning entry of the batch with its text sets and its job in each layer."""

    rows: slice
    sets: dict[int, TextSet]  # by id of the job's texts
    jobs: dict[int, LayerJob]


@dataclass(frozen=True, slots=True, eq=False)
class JointCall:
    """How the context of one model call is laid out: ``[extra | base_length]`` tokens.

    Attributes:
        regional: rows with regions.
        plain: row ranges without.
        extra: tokens of regional texts, shorter ones padded in front.
        base_length: tokens of the conditioning's own text.
        n_image: tokens of the latent.
    """

    regional: tuple[Rows, ...]
    plain: tuple[slice, ...]
    extra: int
    base_length: int
    n_image: int
    _places: dict[int, Places | None] = field(default_factory=dict)

    def places(self, family: HasLayout, n_tokens: int) -> Places | None:
        """The call's places in a sequence of ``n_tokens``; None where that is no joint one."""
        if n_tokens not in self._places:
            layout = family.layout(self, n_tokens)
            self._places[n_tokens] = None if layout is None else Places(self, layout)
        return self._places[n_tokens]


class Places:
    """A joint call with all tokens at their places in the sequence."""

    def __init__(self, call: JointCall, layout: Layout) -> None:
        base = layout.text(call.extra, call.extra + call.base_length)
        self._call = call
        self._always = tuple(merged_spans(layout.always))
        self._stock = tuple(merged_spans((*base, *layout.image, *self._always)))
        self._spans = [
            {
                set_id: {
                    BASE: base,
                    IMAGE: layout.image,
                    **{r: layout.text(*span) for r, span in texts.context_spans().items()},
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
        for row, spans_of in zip(self._call.regional, self._spans, strict=True):
            rows = row.rows
            parts = out[rows], q[rows], k[rows], v[rows]
            job = row.jobs.get(layer)
            if job is None:
                self._stock_attention(*parts, attention)
            for set_id, texts in row.sets.items():
                active = job is not None and id(job.texts) == set_id
                groups = job.groups if job is not None and active else texts.idle
                if active or layer < texts.last_layer:
                    self._regional(*parts, groups, spans_of[set_id], attention, partial)
                if active and self._always:
                    self._references(*parts, attention)
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

    def _references(
        self,
        out: torch.Tensor,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention: Attention,
    ) -> None:
        asked = take(q, self._always)
        put(out, self._always, attention(asked, take(k, self._stock), take(v, self._stock)))

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
        for source, asked in _by_source(groups).items():
            result = attend(take(q, spans[source]), keys, asked, attention, partial)
            put(out, spans[source], result)
        keys.give_back()


def _by_source(groups: Groups) -> dict[int, tuple[Group, ...]]:
    result: dict[int, list[Group]] = {}
    for group in groups:
        result.setdefault(group.source, []).append(group)
    return {source: tuple(asked) for source, asked in result.items()}


def joint_call(plan: CallPlan, base_length: int) -> JointCall:
    """Lay out the context once per plan: regional texts end where the global text begins."""
    key = ("joint", base_length)
    if key in plan.memo:
        return plan.memo[key]
    jobs_of: dict[tuple[int, int], dict[int, LayerJob]] = {}
    for layer, jobs in sorted(plan.layers.items()):
        for job in jobs:
            jobs_of.setdefault((job.rows.start, job.rows.stop), {})[layer] = job
    lengths = {
        rows: sum(_lengths(job) for job in _first_jobs(jobs).values())
        for rows, jobs in jobs_of.items()
    }
    extra = max(lengths.values())
    regional = []
    for rows, jobs in jobs_of.items():
        end = extra
        sets = {}
        for key_, job in _first_jobs(jobs).items():
            starts = []
            for text in job.texts:
                end -= text.states.shape[1]
                starts.append(end)
            sets[key_] = TextSet(
                tuple(starts),
                tuple(text.states for text in job.texts),
                tuple(group for group in job.groups if group.source > BASE),
                max(layer for layer, other in jobs.items() if id(other.texts) == key_),
            )
        regional.append(Rows(slice(*rows), sets, jobs))
    plain = tuple(chunk for chunk in plan.chunks if (chunk.start, chunk.stop) not in jobs_of)
    n_image = next(iter(plan.layers.values()))[0].grid.n_tokens
    call = JointCall(tuple(regional), plain, extra, base_length, n_image)
    plan.memo[key] = call
    return call


def _first_jobs(jobs: dict[int, LayerJob]) -> dict[int, LayerJob]:
    """The first job of each set of texts."""
    first: dict[int, LayerJob] = {}
    for _, job in sorted(jobs.items()):
        first.setdefault(id(job.texts), job)
    return first


def _lengths(job: LayerJob) -> int:
    return sum(text.states.shape[1] for text in job.texts)

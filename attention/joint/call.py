"""Lay out the text of every region in the context of one joint-attention model call.

Everything here is made once per plan (that is once per sampling, not per step or layer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..calls.call_plan import CallPlan, LayerJob
from ..engine.groups import BASE
from .context import JointCall, Lengths, Rows, TextSet


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
        [lengths_of(text.states) for job in _first_jobs(jobs) for text in job.texts]
        for jobs in jobs_of.values()
    ]
    extra = tuple(max(sum(text[i] for text in row) for row in needed) for i in range(len(base)))
    regional = []
    for rows, jobs in jobs_of.items():
        end = extra
        sets = []
        for job in _first_jobs(jobs):
            spans = []
            for text in job.texts:
                lengths = lengths_of(text.states)
                spans.append(tuple((b - n, b) for b, n in zip(end, lengths, strict=True)))
                end = tuple(a for a, _ in spans[-1])
            sets.append(
                TextSet(
                    job.texts,
                    tuple(spans),
                    tuple(text.states for text in job.texts),
                    tuple(group for group in job.groups if group.source > BASE),
                    max(layer for layer, other in jobs.items() if other.texts is job.texts),
                    tuple(text.owner for text in job.texts),
                )
            )
        regional.append(Rows(slice(*rows), tuple(sets), jobs))
    plain = tuple(chunk for chunk in plan.chunks if (chunk.start, chunk.stop) not in jobs_of)
    grid = next(iter(plan.layers.values()))[0].grid
    streamed = [layer for row in regional for layer in row.stream_layers()]
    stream = range(min(streamed), max(streamed) + 1) if streamed else range(0)
    call = JointCall(tuple(regional), plain, extra, base, grid, stream, references)
    plan.memo[memo_key] = call
    return call


def _first_jobs(jobs: dict[int, LayerJob]) -> list[LayerJob]:
    """The first job of each set of texts."""
    first: dict[int, LayerJob] = {}
    for _, job in sorted(jobs.items()):
        first.setdefault(id(job.texts), job)
    return list(first.values())

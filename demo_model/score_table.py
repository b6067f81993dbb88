"""The table that says, region by region, whether the right object is in the right place."""

from __future__ import annotations

from collections.abc import Sequence

from .score import RegionScore

Pictures = Sequence[Sequence[RegionScore]]


def score_table(prompts: Sequence[str], patched: Pictures, plain: Pictures | None) -> str:
    """A table, one line per region: Markdown, which ComfyUI's text preview renders, aligned so
    that it reads as well in a terminal.

    Args:
        prompts: of the R regions.
        patched: per picture of a batch, R scores, made with the patch.
        plain: the same pictures (same seeds) without the patch, or None.
    """
    columns = {"with the patch": patched}
    if plain:
        columns["without (merged prompt)"] = plain
    rows = [["Region", *columns]]
    for index, prompt in enumerate(prompts):
        rows.append([f"{index + 1}. {prompt}", *(_cell(p, index) for p in columns.values())])
    rows.append(["Right object in the right region", *(_total(p) for p in columns.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def _cell(pictures: Pictures, index: int) -> str:
    scores = [picture[index] for picture in pictures]
    if len(scores) > 1:
        return f"{sum(s.present for s in scores)} of {len(scores)} pictures"
    score = scores[0]
    if score.present:
        extra = "" if score.foreign_objects == 0 else f", and {score.foreign_objects} other"
        return f"yes, {score.own_share:.0%} own colour{extra}"
    if score.color_present:
        return f"right colour only, {score.own_share:.0%} own colour"
    return "no" if score.foreign_objects else "no, empty"


def _total(pictures: Pictures) -> str:
    found = [s.present for picture in pictures for s in picture]
    return f"{sum(found)} of {len(found)}"

"""The table that says, region by region, whether the right object is in the right place."""

from __future__ import annotations

from collections.abc import Sequence

from .score import RegionScore

Pictures = Sequence[Sequence[RegionScore]]


def score_table(prompts: Sequence[str], patched: Pictures, plain: Pictures | None) -> str:
    """A plain-text table, one line per region.

    Args:
        prompts: of the R regions.
        patched: per picture of a batch, R scores, made with the patch.
        plain: the same pictures (same seeds) without the patch, or None.
    """
    width = max(len("Region"), *(len(f"{i + 1}. {p}") for i, p in enumerate(prompts)))
    head = f"{'Region':<{width}}  {'with the patch':<34}"
    rows = [head + ("  without (merged prompt)" if plain else "")]
    rows.append("-" * (len(rows[0]) + (10 if plain else 0)))
    for index, prompt in enumerate(prompts):
        row = f"{f'{index + 1}. {prompt}':<{width}}  {_cell(patched, index):<34}"
        rows.append(row + (f"  {_cell(plain, index)}" if plain else ""))
    total = f"{'Right object in the right region':<{width}}  {_total(patched):<34}"
    rows.append(total + (f"  {_total(plain)}" if plain else ""))
    return "\n".join(row.rstrip() for row in rows)


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

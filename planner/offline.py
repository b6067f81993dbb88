"""The offline planner: rules, no network, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .errors import PlanError
from .plan import Box, Plan

Cell = Box  # x0, y0, x1, y1 in fractions of the canvas, 0..1
Split = Literal["W", "H", "grid"]


def plan_offline(
    text: str,
    n_regions: int | None = None,
    cells: Sequence[Cell] | None = None,
    *,
    split: Split | None = None,
    negative_prompt: str = "",
    aspect: float | None = None,
) -> Plan:
    """Plan a sentence by rules.

    Args:
        text: one or more sentences, English or Chinese.
        n_regions: how many regions to plan, 1..64, or None: as many as the sentence names.
        cells: the boxes of regions that exist already, in their order; they are filled and
            `n_regions` and `split` are ignored.
        split: without cells: divide the canvas along its width or height or as a grid; None
            chooses what fits the sentence.
        negative_prompt: passed through.
        aspect: width / height of the canvas, passed through.

    Raises:
        PlanError: the text is empty or too long, or a number is out of range.
    """
    raise PlanError("The offline planner is being written.")

"""Which text goes where: plan, text boxes and conditionings, checked before anything is encoded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...attention.errors import PromptError
from ...planner.plan import Plan


@dataclass(frozen=True, slots=True)
class WantedPrompts:
    """Texts to encode, and labels for reports."""

    base: str
    negative: str
    regional: tuple[str, ...]
    labels: tuple[str, ...]


def resolve_prompts(
    n_regions: int,
    prompts: str,
    global_prompt: str,
    negative_prompt: str,
    plan: Plan | None,
    conditionings: Sequence[Any] | None,
    level: Literal["both", "high", "low"],
    has_positive: bool = False,
) -> WantedPrompts:
    """Decide the prompts of all regions from exactly one source.

    Args:
        has_positive: the global prompt is encoded already; ``base`` is then left empty.

    Raises:
        PromptError: no source, several sources, not one prompt per region, a level where there
            are none, or two global prompts.
    """
    lines = [line.strip() for line in prompts.splitlines() if line.strip()]
    sources = {
        "the prompts box": bool(lines),
        "a plan": plan is not None,
        "conditionings": conditionings is not None,
    }
    given = [name for name, present in sources.items() if present]
    if len(given) != 1:
        got = " and ".join(given) if given else "none"
        raise PromptError(
            f"The regional prompts come from {got}; expected exactly one of: the prompts box (one "
            "per line), a plan, or conditionings. Clear or disconnect the others."
        )
    if level != "both" and plan is None:
        raise PromptError(
            f"level is {level!r}, but {given[0]} have no levels: only a plan tells high from low. "
            "Connect a plan, or set level to 'both' and give the prompts of that level."
        )
    if has_positive and global_prompt.strip():
        raise PromptError(
            "The global prompt comes from the connected positive, and global_prompt holds another "
            "one. Clear global_prompt, or disconnect positive."
        )
    if conditionings is not None:
        _check_count(len(conditionings), n_regions, "conditionings")
        texts: tuple[str, ...] = ()
        labels = ("",) * n_regions
    else:
        texts = tuple(r.prompt(level) for r in plan.regions) if plan is not None else tuple(lines)
        _check_count(len(texts), n_regions, "prompts in the plan" if plan else "prompts (lines)")
        labels = texts
    base = global_prompt.strip() or (plan.global_prompt if plan else "") or ", ".join(texts)
    if has_positive:
        base = ""
    elif not base:
        raise PromptError(
            "With conditionings there is no text to join, so the global prompt must be written: "
            "fill in global_prompt."
        )
    negative = negative_prompt.strip() or (plan.negative_prompt if plan else "")
    return WantedPrompts(base, negative, texts, labels)


def _check_count(got: int, expected: int, what: str) -> None:
    if got != expected:
        raise PromptError(
            f"Got {got} {what} for {expected} regions. Give exactly one per region, or change the "
            f"number of regions to {got}."
        )


def parse_weights(text: str, n_regions: int, plan: Plan | None) -> list[float]:
    """Numbers such as "1, 0.8"; empty: the plan's weights, or 1 for every region.

    Raises:
        PromptError: not numbers from 0 to 10, or not one per region.
    """
    parts = [p for p in re.split(r"[,;\s]+", text.strip()) if p]
    if not parts:
        return [r.weight for r in plan.regions] if plan else [1.0] * n_regions
    try:
        numbers = [float(p) for p in parts]
    except ValueError:
        numbers = []
    if len(numbers) != n_regions or not all(math.isfinite(w) and 0 <= w <= 10 for w in numbers):
        raise PromptError(
            f"Weights are {text!r}, expected {n_regions} numbers from 0 to 10, one per region."
        )
    return numbers

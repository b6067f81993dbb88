"""Keeping prompts within a text encoder's length, with a warning instead of a silent cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from .errors import PlanError
from .plan import Plan
from .schema import MAX_NOTES

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """A text encoder's limit.

    Attributes:
        count_tokens: how many tokens its own tokenizer makes of a text.
        limit: how many it takes (HunyuanDiT: 77 for CLIP, 256 for mT5), at least 1.
        name: for the warning.
    """

    count_tokens: CountTokens
    limit: int
    name: str = "text encoder"


def bound_prompt(text: str, limits: tuple[TokenLimit, ...]) -> tuple[str, str]:
    """Cut a prompt so that it fits all limits.

    Whole parts after commas go first, from the end; then words, in Chinese characters.

    Returns:
        the prompt that fits, and a warning that says what was cut, "" if nothing was.
    """
    for limit in limits:
        if limit.limit < 1:
            raise PlanError(f"The token limit is {limit.limit}; expected at least 1.")
    over = [limit for limit in limits if limit.count_tokens(text) > limit.limit]
    if not over:
        return text, ""

    def fits(candidate: str) -> bool:
        return all(limit.count_tokens(candidate) <= limit.limit for limit in over)

    kept = _longest(re.split(r"(?<=[,，;；.。])", text), fits)
    if len(kept.strip(" ,，;；")) < len(text) / 2:
        # One long part: cutting inside it keeps more than dropping it.
        kept = _longest(re.findall(r"[\u3400-\u9fff]|[^\u3400-\u9fff\s]+\s*|\s+", text), fits)
    kept = kept.rstrip(" ,，;；、")
    first = over[0]
    cut = text[len(kept) :].strip(" ,，;；、")
    shown = cut if len(cut) <= 80 else cut[:77] + "..."
    return kept, (
        f"A prompt has {first.count_tokens(text)} tokens, but the {first.name} takes "
        f'{first.limit}; its end was left out: "{shown}".'
    )


def bound_plan(plan: Plan, limits: tuple[TokenLimit, ...]) -> Plan:
    """The plan with all prompts within the limits; each cut is one of its notes."""
    notes: list[str] = []

    def bound(text: str, where: str) -> str:
        kept, warning = bound_prompt(text, limits)
        if warning:
            notes.append(f"{where}: {warning}")
        return kept

    regions = []
    for index, region in enumerate(plan.regions):
        where = f"Region {index + 1}"
        whole = region.prompt()
        kept = bound(whole, where)
        if kept != whole:
            region = replace(region, phrase=kept)
        regions.append(
            replace(
                region,
                high_level=bound(region.high_level, f"{where}, high level"),
                low_level=bound(region.low_level, f"{where}, low level"),
                negative=bound(region.negative, f"{where}, negative"),
            )
        )
    return replace(
        plan,
        global_prompt=bound(plan.global_prompt, "Global prompt"),
        negative_prompt=bound(plan.negative_prompt, "Negative prompt"),
        regions=tuple(regions),
        notes=(*plan.notes, *notes)[:MAX_NOTES],
    )


def _longest(pieces: list[str], fits: Callable[[str], bool]) -> str:
    """The longest run of pieces from the beginning that fits (by bisection)."""
    low, high = 0, len(pieces)
    while low < high:
        middle = (low + high + 1) // 2
        if fits("".join(pieces[:middle])):
            low = middle
        else:
            high = middle - 1
    return "".join(pieces[:low])

"""Scoring a planner on a list: labelled sentences, or prompts that say what they ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import PlanError
from ..plan import Box, Plan
from .labelled import Sentence, problems, read_sentence
from .prompt_lists import Prompt, is_whole, prompt_problems, read_prompt

MAX_LINES = 20_000

Planner = Callable[[str, "tuple[Box, ...] | None"], Plan]


@dataclass(slots=True)
class Result:
    """One line of a list.

    Attributes:
        text: the sentence.
        kind: "labelled", or what a plain prompt allows: relation, pair, count, sound.
        problems: what the plan gets wrong, in words.
        placed: for a labelled sentence, whether each thing is where it belongs, however its phrase
            was split.
        whole: whether nothing was told apart.
        seconds: the plan took.
    """

    text: str
    kind: str
    problems: list[str] = field(default_factory=list)
    placed: bool = True
    whole: bool = False
    seconds: float = 0.0


def read_list(text: str) -> list[Sentence | Prompt]:
    """The lines of a list; those with " | " are labelled.

    Raises:
        PlanError: there is none, there are too many, or a labelled one cannot be read.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise PlanError("The list is empty; expected a sentence a line.")
    if len(lines) > MAX_LINES:
        raise PlanError(f"The list has {len(lines)} lines; expected at most {MAX_LINES}.")
    labelled = any(" | " in line for line in lines)
    return [read_sentence(line) if labelled else read_prompt(line) for line in lines]


def score(entries: list[Sentence | Prompt], planner: Planner) -> Iterator[Result]:
    """Plan each line and check it; a planner's own error counts as a wrong plan."""
    for entry in entries:
        labelled = isinstance(entry, Sentence)
        result = Result(entry.text, "labelled" if labelled else entry.kind)
        started = time.perf_counter()
        try:
            plan = planner(entry.text, entry.given if labelled else None)
        except PlanError as error:
            result.problems, result.placed = [str(error)], False
        else:
            result.whole = is_whole(plan)
            if isinstance(entry, Sentence):
                result.problems = problems(entry, plan)
                result.placed = not problems(entry, plan, split=False)
            else:
                result.problems = prompt_problems(entry, plan)
                result.placed = not result.problems
        result.seconds = time.perf_counter() - started
        yield result


def summary(results: list[Result]) -> list[str]:
    """The figures, a line each."""
    lines = []
    for kind in sorted({result.kind for result in results}):
        of_kind = [result for result in results if result.kind == kind]
        right = sum(not result.problems for result in of_kind)
        line = f"{kind}: {right} of {len(of_kind)} right ({right / len(of_kind):.1%})"
        if kind == "labelled":
            placed = sum(result.placed for result in of_kind)
            line += f", {placed} with every thing in its place"
        if kind == "sound":
            whole = sum(result.whole for result in of_kind)
            line += f", {whole} left whole ({whole / len(of_kind):.1%})"
        lines.append(line)
    times = sorted(result.seconds for result in results)
    lines.append(
        f"time: {times[len(times) // 2] * 1000:.1f} ms median, {times[-1] * 1000:.1f} ms at most"
    )
    return lines

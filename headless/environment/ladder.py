"""Try the tested versions first, then what this pip allows, and say what was taken and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..progress import Progress
from .packages import Pip
from .pip_failures import PipError

_DOWNLOAD_TRIES = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """One set of versions to ask pip for.

    Attributes:
        title: what it is, as in "the tested versions".
        lines: requirement lines; pip takes what meets all of them.
        arguments: options of ``pip install`` for this rung, such as an index.
    """

    title: str
    lines: tuple[str, ...]
    arguments: tuple[str, ...] = ()


def climb(
    pip: Pip,
    title: str,
    rungs: Sequence[Rung],
    progress: Progress,
    works: Callable[[], str | None] = lambda: None,
) -> Rung:
    """Install the first rung that this pip can have; return it.

    Args:
        pip: of the environment to install into.
        title: of the step, for the progress line.
        rungs: best first, at least one.
        progress: told why a rung was left.
        works: run after an install; what is wrong with it, or None. It must undo what it rejects.

    Raises:
        PipError: the last rung failed, or one failed for a reason that other versions do not mend.
    """
    for rung, after in zip(rungs, [*rungs[1:], None], strict=True):
        try:
            _install(pip, title, rung, progress)
            wrong = works()
            if wrong is None:
                return rung
            raise PipError(wrong, "Name another Python or another index.", other_versions=True)
        except PipError as error:
            if after is None or not error.other_versions:
                raise
            progress.line(f"  {error.reason} Next try: {after.title} ({', '.join(after.lines)}).")
    raise AssertionError("no rungs")


def _install(pip: Pip, title: str, rung: Rung, progress: Progress) -> None:
    for tries_left in reversed(range(_DOWNLOAD_TRIES)):
        try:
            pip.install(title, [*rung.arguments, *rung.lines])
            return
        except PipError as error:
            if not error.again or not tries_left:
                raise
            progress.line(f"  {error.reason} Trying again.")

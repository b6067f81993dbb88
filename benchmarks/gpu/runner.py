"""Runs stages one after the other, each in a process of its own, within a budget of time.

A stage that crashes, hangs or spoils its CUDA context takes nobody with it. What it had found by
then is in the results; the next start goes on behind it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .results import Results, StageResults

STAGE_SECONDS = 460.0  # after which a stage begins no further cell
GRACE_SECONDS = 75.0  # for its last cell; 9 minutes in all
LEAST_SECONDS = 20.0  # with less, no stage is begun


class Named(Protocol):
    """As much of a stage as the runner needs."""

    @property
    def name(self) -> str: ...


@dataclass
class Runner:
    """One start of the programme.

    Attributes:
        command: starts a stage: the arguments before ``--stage NAME --seconds S``.
        results: where stages write.
        after: called after each stage, to write the report anew.
        seconds: of all stages together.
    """

    command: Sequence[str]
    results: Results
    after: Callable[[], None]
    seconds: float
    stage_seconds: float = STAGE_SECONDS
    grace_seconds: float = GRACE_SECONDS

    def run(self, stages: Sequence[Named]) -> bool:
        """Run what is still to do; True where all of it came to its end within the budget."""
        until = time.monotonic() + self.seconds
        for stage in stages:
            while needs_run(before := self.results.stages().get(stage.name)):
                left = until - time.monotonic()
                if left < min(LEAST_SECONDS, self.seconds / 2):
                    print("Time is out; the same command goes on from here.", flush=True)
                    return False
                self._start(stage.name, left)
                self.after()
                after = self.results.stages()[stage.name]
                if (
                    before is not None
                    and before.end == after.end == "unfinished"
                    and before.cells.keys() == after.cells.keys()
                ):
                    print(f"{stage.name}: no cell came to its end in this time", flush=True)
                    return False
        return True

    def _start(self, name: str, left: float) -> None:
        soft = min(self.stage_seconds, max(left / 2, left - self.grace_seconds))
        hard = min(soft + self.grace_seconds, left)
        print(f"== {name}", flush=True)
        before = len(self.results.lines())
        started = time.monotonic()
        command = [*self.command, "--stage", name, "--seconds", f"{soft:.0f}"]
        process = subprocess.Popen(command)
        try:
            code: int | None = process.wait(hard)
        except subprocess.TimeoutExpired:
            code = None
        finally:  # also at Ctrl-C
            if process.poll() is None:
                process.kill()
                process.wait()
        seconds = round(time.monotonic() - started, 1)
        ended = any("end" in line for line in self.results.lines()[before:])
        if ended:
            return
        if code is None:
            out_of_time = hard < soft + self.grace_seconds
            end = "unfinished" if out_of_time else "crashed"
            self._end(name, end, f"stopped after {seconds:.0f} s", seconds)
        else:
            self._end(name, "crashed", f"its process ended with code {code}", seconds)

    def _end(self, name: str, end: str, why: str, seconds: float) -> None:
        self.results.add(stage=name, end=end, why=why, seconds=seconds)
        print(f"{name}: {end}: {why}", flush=True)


def needs_run(found: StageResults | None) -> bool:
    """Whether a stage has not come to its end.

    A crash is tried again while a cell is open: one that has taken its process with it twice is
    passed over as failed. A stage that crashes outside of its cells is not tried again.
    """
    if found is None or found.end in ("", "unfinished"):
        return True
    return found.end == "crashed" and any(cell not in found.cells for cell in found.begun)


def own_command(script: Path, *options: str) -> list[str]:
    """Starts ``gpu.py`` again by the same Python."""
    return [sys.executable, str(script), *options]

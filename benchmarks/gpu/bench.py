"""What a stage is given: cells that are not done yet, time that is left, and sizes to use."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .results import MOST_TRIES, Results

T = TypeVar("T")


class Skipped(Exception):
    """Raised by a cell or a stage that cannot run here, with the reason."""


class Failed(Exception):
    """Raised by a cell that ran and is wrong; fields of its row go with it."""

    def __init__(self, why: str, **row: Any) -> None:
        super().__init__(why)
        self.row = row


class Bench:
    """One run of a stage.

    Args:
        stage: its name.
        results: where rows go.
        rehearse: sizes cut down.
        seconds: after which no further cell is begun.
    """

    def __init__(self, stage: str, results: Results, *, rehearse: bool, seconds: float) -> None:
        self.stage = stage
        self.results = results
        self.rehearse = rehearse
        self.unfinished = False
        self.failed: list[str] = []
        self._until = time.monotonic() + seconds
        self._before = results.stages().get(stage)

    def size(self, real: T, rehearsed: T) -> T:
        """One of the two."""
        return rehearsed if self.rehearse else real

    @property
    def device(self) -> Any:
        import comfy.model_management

        return comfy.model_management.get_torch_device()

    def is_done(self, cell: str) -> bool:
        """Whether an earlier run came to the cell's end, whichever it was."""
        return self._before is not None and cell in self._before.cells

    def left(self, cells: Sequence[str]) -> bool:
        """Whether any of these cells is still to do; setting up for none is time lost."""
        return not all(map(self.is_done, cells))

    def cell(self, name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Run a cell unless it is done or time is out, and write its row.

        Returns:
            The row, an earlier run's too; None where there is none.
        """
        if self._before is not None and name in self._before.cells:
            row = self._before.cells[name]
            if row["state"] == "failed":
                self.failed.append(name)
            return row
        if time.monotonic() > self._until:
            self.unfinished = True
            return None
        if self._before is not None and self._before.begun.get(name, 0) >= MOST_TRIES:
            why = (
                f"begun {MOST_TRIES} times and never came to its end: it kills or hangs its process"
            )
            return self._write(name, "failed", {"why": why})
        self.results.add(stage=self.stage, cell=name, state="begun")
        start = time.monotonic()
        state, row = self._run(run)
        if "does not fit" in row.get("why", ""):
            from .calls import free

            free(self.device)
        return self._write(name, state, {**row, "took_s": round(time.monotonic() - start, 2)})

    def _run(self, run: Callable[[], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        try:
            return "ok", run()
        except Skipped as reason:
            return "skipped", {"why": str(reason)}
        except Failed as fault:
            return "failed", {**fault.row, "why": str(fault)}
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":
                return "skipped", {"why": "does not fit: " + str(error).split(". ")[0]}
            where = traceback.extract_tb(error.__traceback__)[-1]
            traceback.print_exc()
            why = (
                f"{type(error).__name__}: {error} ({where.filename.split('/')[-1]}:{where.lineno})"
            )
            return "failed", {"why": why[:500]}

    def _write(self, name: str, state: str, row: dict[str, Any]) -> dict[str, Any]:
        line = {"stage": self.stage, "cell": name, "state": state, **row}
        self.results.add(**line)
        if state == "failed":
            self.failed.append(name)
        shown = "  ".join(f"{key} {value}" for key, value in row.items())
        print(f"{self.stage}  {name}  {state}  {shown}", flush=True)
        return line

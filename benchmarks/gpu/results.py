"""What the stages found: one file of JSON lines that only grows, so that nothing is ever lost.

Lines are ``{"stage", "cell", "state", ...}`` of single cells, ``{"stage", "end", ...}`` of runs of
a stage, and ``{"stage", "again": true}``, after which the stage's earlier lines count no more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A cell that was begun that often and never came to its end takes its process with it.
MOST_TRIES = 2


@dataclass
class StageResults:
    """Lines of one stage that count.

    Attributes:
        cells: the last line of each cell that came to an end, by its name.
        begun: how often each cell was begun.
        ends: how the runs of the stage ended, the last one last.
    """

    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)

    @property
    def end(self) -> str:
        """ "passed", "failed", "skipped", "unfinished", or "" before the first run."""
        return self.ends[-1]["end"] if self.ends else ""

    @property
    def seconds(self) -> float:
        """Of all runs together."""
        return sum(end.get("seconds", 0.0) for end in self.ends)


class Results:
    """The file.

    Args:
        path: of the JSON lines; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **line: Any) -> None:
        """Append a line; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.exists() or self.path.read_bytes()[-1:] in (b"", b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if whole else "\n") + json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """All lines; one that a killed process left half-written is passed over."""
        if not self.path.exists():
            return []
        found = []
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found

    def stages(self) -> dict[str, StageResults]:
        """By name of the stage."""
        found: dict[str, StageResults] = {}
        for line in self.lines():
            name = line.get("stage")
            if name is None:
                continue
            if line.get("again"):
                found[name] = StageResults()
                continue
            stage = found.setdefault(name, StageResults())
            if "end" in line:
                stage.ends.append(line)
            elif line.get("state") == "begun":
                stage.begun[line["cell"]] = stage.begun.get(line["cell"], 0) + 1
            elif "cell" in line:
                stage.cells[line["cell"]] = line
        return found

    def machine(self) -> dict[str, Any] | None:
        """What was measured on, or None before the first stage."""
        return next((line["machine"] for line in self.lines() if "machine" in line), None)

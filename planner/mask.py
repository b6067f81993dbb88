"""A painted mask inside a plan: run lengths in a text, small, bounded and readable by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import PlanError

MAX_MASK_SIDE = 128  # cells; finer than the token grid of any picture below 2048 pixels
MAX_RUNS_TEXT = 2 * MAX_MASK_SIDE * MAX_MASK_SIDE + 64  # "1 1 1 ...": one cell and a blank each

_RUNS = re.compile(r"\d{1,5}(?: \d{1,5})*")


@dataclass(frozen=True, slots=True)
class RegionMask:
    """A mask of full and empty cells that fills the box of its region.

    Attributes:
        width, height: cells across and down, 1 to 128.
        runs: lengths of alternating runs in reading order, separated by blanks; the first counts
            empty cells (0 if the first cell is full). They add up to width x height. A 4 x 2 mask
            whose right half is full is "2 2 2 2".
    """

    width: int
    height: int
    runs: str

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            whole = isinstance(side, int) and not isinstance(side, bool)
            if not whole or not 1 <= side <= MAX_MASK_SIDE:
                raise PlanError(
                    f"A mask's {name} is {str(side)[:40]}; expected 1 to {MAX_MASK_SIDE} cells."
                )
        if not isinstance(self.runs, str) or len(self.runs) > MAX_RUNS_TEXT:
            raise PlanError(f"A mask's runs must be a text of at most {MAX_RUNS_TEXT} characters.")
        if not _RUNS.fullmatch(self.runs):
            raise PlanError(
                f"A mask's runs are {self.runs[:40]!r}; expected run lengths separated by single "
                'blanks, such as "2 2 2 2".'
            )
        lengths = self.lengths()
        if sum(lengths) != self.width * self.height:
            raise PlanError(
                f"A mask's runs add up to {sum(lengths)}; expected {self.width} x {self.height} = "
                f"{self.width * self.height} cells."
            )
        if not sum(lengths[1::2]):
            raise PlanError(
                "A mask is empty. Paint it, leave it out, or remove the region and its prompt."
            )

    def lengths(self) -> list[int]:
        """The run lengths, empty cells first."""
        return [int(run) for run in self.runs.split(" ")]

    def rows(self) -> list[list[bool]]:
        """The cells, row by row."""
        cells: list[bool] = []
        full = False
        for length in self.lengths():
            cells += [full] * length
            full = not full
        return [cells[start : start + self.width] for start in range(0, len(cells), self.width)]

    @classmethod
    def from_rows(cls, rows: list[list[bool]]) -> RegionMask:
        """The mask of these cells, which must hold at least one full cell."""
        runs: list[int] = [0]
        full = False
        for cell in (cell for row in rows for cell in row):
            if cell != full:
                runs.append(0)
                full = cell
            runs[-1] += 1
        return cls(len(rows[0]), len(rows), " ".join(map(str, runs)))

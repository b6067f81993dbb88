"""Labelled sentences: what each region must show, and what a plan gets wrong of it.

A line is ``sentence | layout | cells | relations``; ``#`` begins a comment.

- layout: ``W2`` two regions along the width, ``H3`` three along the height, ``G4`` a grid of four;
  ``auto``: the planner proposes as many as there are cells (``auto=W3``: and exactly these);
  ``any``: it proposes, and the cells may come in any order.
- cells: ``attribute, attribute > thing`` separated by ``;``; ``+`` joins things that share a cell,
  ``-`` is background.
- relations, optional: ``cat left dog, bird above tree``; one of left, right, above, below, front,
  behind, near.

Two spaces before a number stand for a line break; ``!`` in front marks a known failure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..compose import contains_phrase
from ..errors import PlanError
from ..layout.cells import split_cells
from ..plan import Box, Plan, RegionPlan
from .words import keeps, region_of, shows

_SPLITS = {"W": "W", "H": "H", "G": "grid"}
_RELATION = re.compile(r"^(.+?) (left|right|above|below|front|behind|near) (.+)$")

Thing = tuple[tuple[str, ...], str]  # attributes, name


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of a list.

    Attributes:
        text: what is planned.
        layout: as written.
        cells: per region its things; the name "-" is background.
        relations: (thing, kind, thing).
        known_failure: marked "!".
    """

    text: str
    layout: str
    cells: tuple[tuple[Thing, ...], ...]
    relations: tuple[tuple[str, str, str], ...] = ()
    known_failure: bool = False

    @property
    def given(self) -> tuple[Box, ...] | None:
        """The boxes that the planner has to fill, or None: it proposes."""
        wanted = self.layout.partition("=")[0]
        return None if wanted in ("auto", "any") else _layout_cells(wanted)


def read_sentence(line: str) -> Sentence:
    """Read one line.

    Raises:
        PlanError: the line has no sentence, layout and cells, or a relation cannot be read.
    """
    parts = [part.strip() for part in line.split(" | ")]
    if len(parts) not in (3, 4):
        raise PlanError(
            f"A labelled line has {len(parts)} part(s) between ' | '; expected sentence, layout, "
            f"cells and perhaps relations: {line[:80]!r}"
        )
    text, layout, cells = parts[:3]
    known = text.startswith("!")
    text = re.sub(r"^!\s*|  (?=\d\.)", lambda m: "\n" if m[0] == "  " else "", text)
    relations = []
    for said in parts[3].split(",") if len(parts) == 4 else ():
        match = _RELATION.match(said.strip())
        if match is None:
            raise PlanError(f"The relation {said.strip()!r} is none; expected 'cat left dog'.")
        relations.append((match[1], match[2], match[3]))
    sentence = Sentence(
        text,
        layout,
        tuple(tuple(map(_read_thing, cell.split("+"))) for cell in cells.split(";")),
        tuple(relations),
        known,
    )
    for name in layout.split("="):
        if name not in ("auto", "any"):
            _layout_cells(name)
    return sentence


def problems(sentence: Sentence, plan: Plan, *, split: bool = True) -> list[str]:
    """What is wrong with the plan of a sentence, in words.

    Args:
        split: whether the split into object and attributes is looked at, too.
    """
    regions = plan.regions
    if len(regions) != len(sentence.cells):
        return [f"{len(regions)} regions: {[r.prompt() for r in regions]}"]
    found = []
    exactly = sentence.layout.partition("=")[2]
    if exactly and tuple(region.box for region in regions) != _layout_cells(exactly):
        found.append(f"boxes {[region.box for region in regions]}")
    order = range(len(regions))
    if sentence.layout == "any":
        matched = _matched(sentence, plan)
        if matched is None:
            return [f"regions {[r.prompt() for r in regions]}"]
        order = matched
    everything = {name for cell in sentence.cells for _, name in cell if name != "-"}
    for number, (cell, index) in enumerate(zip(sentence.cells, order, strict=True), 1):
        found += _cell_problems(cell, regions[index], number, everything, split)
    for first, kind, second in sentence.relations:
        a = region_of(regions, first)
        b = region_of(regions, second, () if a is None else (a,))
        if a is None or b is None or not keeps(kind, regions[a], regions[b]):
            found.append(
                f"not {first!r} {kind} {second!r}: {[(r.prompt(), r.box) for r in regions]}"
            )
    return found


def _cell_problems(
    cell: Sequence[Thing], region: RegionPlan, number: int, everything: set[str], split: bool
) -> list[str]:
    prompt = region.prompt()
    found = []
    here = {name for _, name in cell}
    shown = {name for name in everything if shows(prompt, name) or contains_phrase(prompt, name)}
    strangers = {n for n in shown - here if not any(n in name for name in here)}
    if (missing := here - shown - {"-"}) or (strangers and "-" not in here):
        found.append(f"cell {number}: {prompt!r} (misses {missing or '-'})")
    if "-" in here and region.instance:
        found.append(f"cell {number}: {prompt!r} instead of background")
    if split and len(cell) == 1 and "-" not in here:
        attributes, name = cell[0]
        got = (region.instance, region.attributes)
        if attributes and got != (name, attributes):
            found.append(f"split {number}: {got}")
        if not attributes and region.attributes:
            found.append(f"split {number}: unexpected {region.attributes}")
    return found


def _matched(sentence: Sentence, plan: Plan) -> list[int] | None:
    """For each cell its own region, whichever order they come in; None: a thing has none."""
    free = list(range(len(plan.regions)))
    order = []
    for cell in sentence.cells:
        best: tuple[int, int] | None = None
        for index in free:
            prompt = plan.regions[index].prompt()
            if all(shows(prompt, name) for _, name in cell):
                rank = (len(prompt), index)  # the one that says least else
                best = rank if best is None or rank < best else best
        if best is None:
            return None
        free.remove(best[1])
        order.append(best[1])
    return order


def _read_thing(text: str) -> Thing:
    attributes, _, name = text.strip().rpartition(">")
    words = tuple(word.strip() for word in attributes.split(",") if word.strip())
    return words, name.strip()


def _layout_cells(layout: str) -> tuple[Box, ...]:
    match = re.fullmatch(r"([WHG])([1-9]\d?)", layout)
    if match is None:
        raise PlanError(f"The layout is {layout!r}; expected W2, H3, G4, auto, auto=W2 or any.")
    return split_cells(int(match[2]), _SPLITS[match[1]])  # type: ignore[arg-type]

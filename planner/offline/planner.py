"""The offline planner: rules, no network, no model.

A sentence is read into a `Scene` (what is there, where it is said to be), its phrases are fitted to
the number of regions, put into cells, and each becomes a region prompt that can be read alone: the
phrase, then the background, then the style.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..compose import compose_prompt
from ..errors import PlanError
from ..layout.arrange import propose_cells
from ..layout.boxes import Size, divided, overlapped, reason, sized
from ..layout.cells import Split, split_cells
from ..layout.placement import Item, Link, assign, is_satisfied
from ..layout.relations import RELATIONS, RelationKind
from ..layout.scene import Phrase, Scene
from ..plan import Box, Plan, RegionPlan, check_box
from ..schema import MAX_REGIONS, MAX_TEXT, MAX_WORDS
from .entries import Entry, expand_counts, merge_to, names_of, scene_entries
from .language import Language
from .languages import LANGUAGES, language_of

Cell = Box  # x0, y0, x1, y1 in fractions of the canvas, 0..1
MAX_SIZE_TEXT = 300  # characters of a phrase in which its size is looked for
_LONG = 4  # words; a shorter text may well be one thing


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
        text: one or more sentences in one of `languages.LANGUAGES`.
        n_regions: how many regions to plan, 1..64, or None: as many as the sentence names.
        cells: the boxes of regions that exist already, in their order; they are filled, and
            `n_regions` and `split` are ignored.
        split: without cells: divide the canvas along its width or height or as a grid; None
            chooses what fits the sentence.
        negative_prompt: passed through.
        aspect: width / height of the canvas, passed through.

    Raises:
        PlanError: the text is empty or too long, or a number is out of range.
    """
    boxes = _check_arguments(text, n_regions, cells, split)
    scene = read_scene(text)
    language = LANGUAGES[scene.language]
    notes = list(scene.notes)
    wanted = len(boxes) if boxes is not None else n_regions
    entries = scene_entries(scene, language)
    if not entries:
        notes.append("No object was found in the text; every region gets the whole text.")
        entries = [Entry([Phrase(text.strip())])]
        scene = replace(scene, background="", styles=(), setting="")
    named = [entry.phrases[0] for entry in entries]
    shown = [phrase for phrase in named if phrase.text not in language.nothing]
    whole = _global_prompt(scene, shown or named, language)
    entries = expand_counts(entries, wanted, language, notes)
    entries = merge_to(entries, wanted or MAX_REGIONS, notes)
    items = [_item(entry, index, entries, language) for index, entry in enumerate(entries)]
    n = wanted or len(entries)
    cells = boxes or (split_cells(n, split) if split else propose_cells(items, n, aspect))
    cell_of = assign(items, cells)
    for entry, cell in zip(entries, cell_of, strict=True):
        _note_misplaced(entry, cells[cell], cells, cell, notes)
    final: Sequence[Box] = cells
    sizes = [_size(entry.phrases[0].text, language) for entry in entries]
    proposed = boxes is None and split is None and len(entries) == len(cells)
    if proposed:
        final = overlapped(sized(cells, cell_of, sizes), cell_of, items)
    entry_of = {cell: index for index, cell in enumerate(cell_of)}
    filler = _background_content(scene, language) or whole
    regions: list[RegionPlan] = []
    names = [entry.phrases[0].text[:80] for entry in entries]
    for cell, box in enumerate(final):
        index = entry_of.get(cell)
        if index is None or entries[index].phrases[0].text in language.nothing:
            regions.append(_filler(filler, scene, language, box))
            continue
        entry = entries[index]
        depth = entry.place.depth if entry.place else 0
        why = reason(index, items, sizes[index], names, entry.copies) if proposed else ""
        for part in divided(box, entry.copies, aspect):
            order = depth + _relation_order(entry)
            regions.append(_region(scene, entry, part, order, why, language))
    empty = len(cells) - len(entries)
    if empty:
        content = "background" if scene.background else "whole prompt"
        notes.append(
            f"The text names {len(entries)} thing(s) for {len(cells)} regions; the other {empty} "
            f"get the {content}."
        )
    if proposed and len(regions) == 1 and len(text.split()) > _LONG:
        notes.append("Nothing in the text could be told apart; it is one region.")
    return Plan(
        global_prompt=whole[:MAX_TEXT],
        negative_prompt=negative_prompt,
        regions=tuple(regions),
        aspect=aspect,
        background=scene.background,
        notes=tuple(notes[:MAX_WORDS]),
    )


def read_scene(text: str) -> Scene:
    """Parse a sentence in the language it is written in."""
    return language_of(text).read(text)


def _check_arguments(
    text: str, n_regions: int | None, cells: Sequence[Cell] | None, split: str | None
) -> tuple[Box, ...] | None:
    if not isinstance(text, str) or not text.strip():
        raise PlanError(
            "The text to plan is empty; expected a sentence such as 'a red circle on "
            "the left and a blue square on the right, black background'."
        )
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise PlanError(
            "The text to plan holds a broken Unicode character (a lone surrogate); type or paste "
            "it again."
        )
    if len(text) > MAX_TEXT:
        raise PlanError(
            f"The text to plan has {len(text)} characters; expected at most {MAX_TEXT}."
        )
    if split not in (None, "W", "H", "grid"):
        raise PlanError(f"The split is {split!r}; expected 'W', 'H', 'grid' or None.")
    boxes = None if cells is None else tuple(check_box(tuple(cell)) for cell in cells)
    count = n_regions if boxes is None else len(boxes)
    if count is not None and not 1 <= count <= MAX_REGIONS:
        raise PlanError(f"{count} regions were asked for; expected 1 to {MAX_REGIONS}.")
    return boxes


def _item(entry: Entry, index: int, entries: list[Entry], language: Language) -> Item:
    noun = language.noun(entry.phrases[0].text)
    high, low = noun in language.usually_high, noun in language.usually_low
    usual = 0.0 if high else 1.0 if low or noun in language.rather_low else None
    links = tuple(Link(relation.kind, tuple(anchors)) for relation, anchors in entry.links)
    kinds: list[RelationKind] = []
    kinds.extend(link.kind for link in links)
    kinds.extend(rel.kind for e in entries for rel, anchors in e.links if index in anchors)
    beside = any(RELATIONS[kind].dy == 0 and RELATIONS[kind].depth == 0 for kind in kinds)
    free = entry.place is None or (entry.place.x is None and entry.place.column is None)
    wide = noun in language.wide and free and not beside
    return Item(entry.place, usual, high or low, links, wide)


def _size(text: str, language: Language) -> Size:
    """How large a thing is said to be, by the words before its noun."""
    before = text[:MAX_SIZE_TEXT].lower().partition(language.noun(text) or "\0")[0]
    for word, (width, height) in (language.sizes or {}).items():
        found = re.search(rf"\b{word}\b", before) if language.space else word in before
        if found:
            return Size(width, height)
    return Size()


def _note_misplaced(
    entry: Entry, cell: Box, cells: Sequence[Box], index: int, notes: list[str]
) -> None:
    place = entry.place
    if place is None or not place.on_canvas or is_satisfied(place, cell, cells):
        return
    notes.append(
        f'"{names_of(entry.phrases)}" should lie "{place.words}",'
        " but no free region lies there; "
        f"it went into region {index + 1}."
    )


def _relation_order(entry: Entry) -> int:
    kinds = {relation.kind for relation, _ in entry.links}
    return int("in_front_of" in kinds) - int("behind" in kinds)


def _filler(text: str, scene: Scene, language: Language, box: Box) -> RegionPlan:
    """A region that nothing was named for: the background, or else the whole prompt."""
    styled = _with_styles(text, scene, language) if scene.background else text
    return RegionPlan(
        high_level=text[:MAX_TEXT],
        low_level=", ".join(scene.styles),
        phrase="" if styled == text else styled[:MAX_TEXT],
        box=box,
    )


def _region(
    scene: Scene, entry: Entry, box: Box, order: int, why: str, language: Language
) -> RegionPlan:
    parts = [language.split(phrase.text, phrase.trailing) for phrase in entry.phrases]
    texts = [_phrase_text(phrase, language) for phrase in entry.phrases]
    high = _with_background(language.join([part.high for part in parts]), scene, language)
    whole = _with_background(language.join(texts), scene, language)
    whole = _with_styles(whole, scene, language)
    if len(parts) == 1:
        instance, attributes = parts[0].instance, parts[0].attributes[:MAX_WORDS]
        low_parts = list(attributes)
    else:
        instance, attributes = parts[0].instance, ()
        low_parts = [
            language.space.join((*part.attributes, part.instance))
            for part in parts
            if part.attributes
        ]
    low = language.comma.join([*low_parts, *scene.styles])[:MAX_TEXT]
    composed = compose_prompt(high, low, instance, attributes)
    return RegionPlan(
        high_level=high[:MAX_TEXT],
        low_level=low,
        box=box,
        order=order,
        instance=instance,
        attributes=attributes,
        phrase="" if composed == whole else whole[:MAX_TEXT],
        why=why[:MAX_TEXT],
    )


def _phrase_text(phrase: Phrase, language: Language) -> str:
    """The phrase with what was said of it later: before its noun if it is a plain adjective."""
    if not phrase.trailing:
        return phrase.text
    split = language.split(phrase.text, phrase.trailing)
    return compose_prompt(split.high, ", ".join(split.attributes), split.instance, split.attributes)


def _global_prompt(scene: Scene, phrases: list[Phrase], language: Language) -> str:
    """All things in one prompt; what a verb says of them is only in the text itself."""
    if scene.stated:
        return scene.stated
    things = language.join([_phrase_text(phrase, language) for phrase in phrases] or [""])
    if scene.setting:
        extra = scene.background.removeprefix(_setting_background(scene)).strip()
        things = language.includes.format(scene.setting, things) + (f" {extra}" if extra else "")
    else:
        things = _with_background(things, scene, language)
    return _with_styles(things, scene, language)


def _setting_background(scene: Scene) -> str:
    match = re.match(rf"\w+ {re.escape(scene.setting)}", scene.background)
    return match[0] if match else ""


def _with_background(text: str, scene: Scene, language: Language) -> str:
    if not scene.background:
        return text
    return text + (language.space or language.comma) + scene.background


def _with_styles(text: str, scene: Scene, language: Language) -> str:
    return language.comma.join([text, *scene.styles])


def _background_content(scene: Scene, language: Language) -> str:
    """The background as a prompt of its own ("on black background" -> "black background")."""
    return re.sub(language.before_background, "", scene.background)

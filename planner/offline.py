"""The offline planner: rules, no network, no model.

A sentence is read into a `Scene` (what is there, where it is said to be), its phrases are fitted to
the number of regions, put into cells, and each becomes a region prompt that can be read alone: the
phrase, then the background, then the style.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from . import lexicon_en as en
from . import zh_words as zh
from .attributes import head_noun, split_phrase
from .cells import Split, split_cells
from .compose import compose_prompt, is_cjk
from .entries import Entry, expand_counts, join_texts, merge_to, names_of, scene_entries
from .errors import PlanError
from .parse_en import parse_english
from .parse_zh import parse_chinese
from .placement import Item, Link, assign, is_satisfied, propose_cells
from .plan import Box, Plan, RegionPlan, check_box
from .scene import Phrase, Scene
from .schema import MAX_REGIONS, MAX_TEXT, MAX_WORDS

Cell = Box  # x0, y0, x1, y1 in fractions of the canvas, 0..1

_NOTHING = {"nothing", "nobody", "no one", "empty", "empty space", "空白", "什么都没有"}


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
        text: one or more sentences, English or Chinese.
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
    notes = list(scene.notes)
    wanted = len(boxes) if boxes is not None else n_regions
    entries = scene_entries(scene)
    if not entries:
        notes.append("No object was found in the text; every region gets the whole text.")
        entries = [Entry([Phrase(text.strip())])]
        scene = replace(scene, background="", styles=(), setting="")
    named = [entry.phrases[0] for entry in entries]
    whole = _global_prompt(scene, [phrase for phrase in named if phrase.text not in _NOTHING])
    entries = expand_counts(entries, wanted, scene, notes)
    entries = merge_to(entries, wanted or MAX_REGIONS, notes)
    items = _items(entries)
    if boxes is None:
        n = wanted or len(entries)
        boxes = split_cells(n, split) if split else propose_cells(items, n)
    cell_of = assign(items, boxes)
    regions: list[RegionPlan | None] = [None] * len(boxes)
    for entry, cell in zip(entries, cell_of, strict=True):
        _note_misplaced(entry, boxes[cell], boxes, cell, notes)
        if entry.phrases[0].text in _NOTHING:
            continue
        depth = entry.place.depth if entry.place else 0
        regions[cell] = _region(scene, entry, boxes[cell], depth + _relation_order(entry))
    empty = len(boxes) - len(entries)
    if empty:
        content = "background" if scene.background else "whole prompt"
        notes.append(
            f"The text names {len(entries)} thing(s) for {len(boxes)} regions; the other {empty} "
            f"get the {content}."
        )
    filler = _background_content(scene) or whole
    styled = _with_styles(filler, scene) if scene.background else filler
    return Plan(
        global_prompt=whole[:MAX_TEXT],
        negative_prompt=negative_prompt,
        regions=tuple(
            region
            or RegionPlan(
                high_level=filler[:MAX_TEXT],
                low_level=", ".join(scene.styles),
                phrase="" if styled == filler else styled[:MAX_TEXT],
                box=boxes[index],
            )
            for index, region in enumerate(regions)
        ),
        aspect=aspect,
        background=scene.background,
        notes=tuple(notes[:MAX_WORDS]),
    )


def read_scene(text: str) -> Scene:
    """Parse a sentence in the language it is written in."""
    return parse_chinese(text) if is_cjk(text) else parse_english(text)


def _check_arguments(
    text: str, n_regions: int | None, cells: Sequence[Cell] | None, split: str | None
) -> tuple[Box, ...] | None:
    if not isinstance(text, str) or not text.strip():
        raise PlanError(
            "The text to plan is empty; expected a sentence such as 'a red circle on "
            "the left and a blue square on the right, black background'."
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


def _items(entries: list[Entry]) -> list[Item]:
    items = []
    for entry in entries:
        usual, pinned = _usual_height(entry.phrases[0].text)
        links = tuple(Link(relation.kind, tuple(anchors)) for relation, anchors in entry.links)
        items.append(Item(entry.place, usual, pinned, links))
    return items


def _usual_height(text: str) -> tuple[float | None, bool]:
    """Where such a thing usually is (0 top, 1 bottom), and whether that alone places it."""
    chinese = is_cjk(text)
    noun = split_phrase(text, chinese=True).instance if chinese else head_noun(text)
    words = zh if chinese else en
    if noun in words.USUALLY_HIGH:
        return 0.0, True
    if noun in words.USUALLY_LOW:
        return 1.0, True
    return (1.0 if noun in words.RATHER_LOW else None), False


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


def _region(scene: Scene, entry: Entry, box: Box, order: int) -> RegionPlan:
    parts = [
        split_phrase(phrase.text, phrase.trailing, chinese=scene.chinese)
        for phrase in entry.phrases
    ]
    texts = [_phrase_text(phrase, scene) for phrase in entry.phrases]
    high = _with_background(join_texts([part.high for part in parts], chinese=scene.chinese), scene)
    whole = _with_background(join_texts(texts, chinese=scene.chinese), scene)
    whole = _with_styles(whole, scene)
    if len(parts) == 1:
        instance, attributes = parts[0].instance, parts[0].attributes[:MAX_WORDS]
        low_parts = list(attributes)
    else:
        instance, attributes = parts[0].instance, ()
        link = "" if scene.chinese else " "
        low_parts = [
            link.join((*part.attributes, part.instance)) for part in parts if part.attributes
        ]
    low = ("，" if scene.chinese else ", ").join([*low_parts, *scene.styles])[:MAX_TEXT]
    composed = compose_prompt(high, low, instance, attributes)
    return RegionPlan(
        high_level=high[:MAX_TEXT],
        low_level=low,
        box=box,
        order=order,
        instance=instance,
        attributes=attributes,
        phrase="" if composed == whole else whole[:MAX_TEXT],
    )


def _phrase_text(phrase: Phrase, scene: Scene) -> str:
    """The phrase with what was said of it later: before its noun if it is a plain adjective."""
    if not phrase.trailing:
        return phrase.text
    split = split_phrase(phrase.text, phrase.trailing, chinese=scene.chinese)
    return compose_prompt(split.high, ", ".join(split.attributes), split.instance, split.attributes)


def _global_prompt(scene: Scene, phrases: list[Phrase]) -> str:
    things = join_texts([_phrase_text(phrase, scene) for phrase in phrases], chinese=scene.chinese)
    if scene.setting:
        extra = scene.background.removeprefix(_setting_background(scene)).strip()
        things = f"{scene.setting} with {things}" + (f" {extra}" if extra else "")
    else:
        things = _with_background(things, scene)
    return _with_styles(things, scene)


def _setting_background(scene: Scene) -> str:
    match = re.match(rf"\w+ {re.escape(scene.setting)}", scene.background)
    return match[0] if match else ""


def _with_background(text: str, scene: Scene) -> str:
    if not scene.background:
        return text
    return text + ("，" if scene.chinese else " ") + scene.background


def _with_styles(text: str, scene: Scene) -> str:
    joiner = "，" if scene.chinese else ", "
    return joiner.join([text, *scene.styles])


def _background_content(scene: Scene) -> str:
    """The background as a prompt of its own ("on black background" -> "black background")."""
    if scene.chinese:
        return scene.background
    return re.sub(
        r"^(?:on|against|over|with|before|in front of|inside|in|at|within) ", "", scene.background
    )

"""Fitting the phrases of a scene to a number of regions: relations, counts, sharing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from . import zh_words as zh
from .attributes import head_noun, split_phrase, take_count
from .places_en import take_relation
from .scene import Phrase, Place, Relation, Scene

_MAX_EXPANDED = 12  # without a number of regions, "twenty sheep" stay one flock
_MAX_THINGS = 256
_KEEPS_UNKNOWN_ANCHOR = {"next_to", "below", "behind", "in_front_of"}


@dataclass(slots=True)
class Entry:
    """One or more phrases that share a region."""

    phrases: list[Phrase]
    place: Place | None = None
    links: list[tuple[Relation, list[int]]] = field(default_factory=list)


def scene_entries(scene: Scene) -> list[Entry]:
    """One entry per phrase, relations resolved to entries; unknown anchors become phrases."""
    entries = [Entry([phrase], phrase.place) for phrase in scene.phrases]
    index = -1
    while (index := index + 1) < min(len(entries), _MAX_THINGS):  # grows while anchors are added
        phrase = entries[index].phrases[0]
        for relation in phrase.relations:
            anchors = _resolve(relation, index, entries, scene)
            if anchors:
                entries[index].links.append((relation, anchors))
            else:
                text = f"{phrase.text} {relation.words}"
                entries[index].phrases[0] = replace(phrase, text=text.strip())
    return entries


def _resolve(relation: Relation, index: int, entries: list[Entry], scene: Scene) -> list[int]:
    anchors: list[int] = []
    names: list[str] = []
    for anchor in relation.anchors:
        count, one = _count(re.sub(r"^the ", "", anchor), scene)
        names += [one] * count if relation.kind == "between" and count == 2 else [anchor]
    for name in names:
        found = _find_entry(name, entries, scene, exclude=[index, *anchors])
        if found is None:
            definite = not scene.chinese and name.startswith("the ")
            if definite and relation.kind in _KEEPS_UNKNOWN_ANCHOR:
                return []
            entries.append(_new_entry(name, scene))
            found = len(entries) - 1
        anchors.append(found)
    return anchors


def _new_entry(name: str, scene: Scene) -> Entry:
    """A thing that was only named as an anchor; it may lie to others in turn (a chain)."""
    if scene.chinese:
        return Entry([Phrase(name)])
    text, relation = take_relation(name)
    return Entry([Phrase(text or name, relations=(relation,) if relation and text else ())])


def _find_entry(name: str, entries: list[Entry], scene: Scene, exclude: list[int]) -> int | None:
    """The entry that a person means by a name: same noun, then the most attributes in common."""
    best: tuple[int, int] | None = None
    wanted = split_phrase(name, chinese=scene.chinese)
    for index, entry in enumerate(entries):
        if index in exclude:
            continue
        have = split_phrase(entry.phrases[0].text, chinese=scene.chinese)
        if scene.chinese:
            same = bool(wanted.instance) and have.instance.endswith(wanted.instance)
        else:
            same = head_noun(have.high) == head_noun(wanted.high) != ""
        if not same or not set(wanted.attributes) <= set(have.attributes):
            continue
        score = len(set(wanted.attributes) & set(have.attributes))
        if best is None or score > best[0]:
            best = (score, index)
    return None if best is None else best[1]


def _count(text: str, scene: Scene) -> tuple[int, str]:
    return zh.take_count_zh(text) if scene.chinese else take_count(text)


def expand_counts(
    entries: list[Entry], wanted: int | None, scene: Scene, notes: list[str]
) -> list[Entry]:
    """ "three kittens" become three regions of one kitten each, where there is room."""
    limit = wanted or _MAX_EXPANDED
    total = len(entries)
    expanded: dict[int, list[Entry]] = {}
    for index, entry in enumerate(entries):
        phrase = entry.phrases[0]
        count, one = _count(phrase.text, scene)
        placed = entry.place is not None and entry.place.on_canvas
        linked = entry.links or any(index in anchors for e in entries for _, anchors in e.links)
        if count == 1 or placed or linked:
            continue
        if total + count - 1 > limit:
            notes.append(f'"{names_of([phrase])}" share one region: there is no room for {count}.')
            continue
        total += count - 1
        expanded[index] = [Entry([replace(phrase, text=one)], entry.place) for _ in range(count)]
    if not expanded:
        return entries
    result: list[Entry] = []
    moved: dict[int, int] = {}
    for index, entry in enumerate(entries):
        moved[index] = len(result)
        result += expanded.get(index, [entry])
    for entry in result:
        entry.links = [(rel, [moved[a] for a in anchors]) for rel, anchors in entry.links]
    return result


def merge_to(entries: list[Entry], limit: int, notes: list[str]) -> list[Entry]:
    """Join neighbouring phrases until there are no more than regions."""
    if len(entries) <= limit:
        return entries
    named = len(entries)
    size = -(-named // _MAX_THINGS)  # more things than a picture can show: joined in runs first
    groups = [list(range(k, min(k + size, named))) for k in range(0, named, size)]

    def cost(left: list[int], right: list[int]) -> tuple[int, int, int]:
        places = [entries[i].place for i in (*left, *right)]
        said = {(p.x, p.y, p.row, p.column, p.depth) for p in places if p is not None}
        unplaced = any(place is None for place in places)
        clash = 4 if len(said) > 1 else 1 if said and unplaced else 0
        same_clause = entries[left[-1]].phrases[0].clause == entries[right[0]].phrases[0].clause
        return clash, len(left) + len(right), 0 if same_clause else 1

    while len(groups) > limit:
        at = min(range(len(groups) - 1), key=lambda k: cost(groups[k], groups[k + 1]))
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    group_of = {index: g for g, group in enumerate(groups) for index in group}
    merged = []
    for g, group in enumerate(groups):
        places = [entries[i].place for i in group if entries[i].place is not None]
        links = []
        for index in group:
            for relation, anchors in entries[index].links:
                moved = [group_of[a] for a in anchors]
                if g not in moved:
                    links.append((relation, moved))
        phrases = [phrase for index in group for phrase in entries[index].phrases]
        merged.append(Entry(phrases, places[0] if places else None, links))
        if len(group) > 1:
            notes.append(
                f"The text names {named} things for {limit} region(s): {names_of(phrases)} share "
                "one."
            )
    return merged


def names_of(phrases: list[Phrase]) -> str:
    """The phrases in a note, cut."""
    text = join_texts([phrase.text for phrase in phrases], chinese=False)
    return text if len(text) <= 200 else text[:197] + "..."


def join_texts(texts: Sequence[str], *, chinese: bool) -> str:
    """ "a", "a and b", "a, b and c"; texts that hold a comma are kept apart by semicolons."""
    if len(texts) == 1:
        return texts[0]
    if chinese:
        return "、".join(texts[:-1]) + "和" + texts[-1]
    return ", ".join(texts[:-1]) + " and " + texts[-1]

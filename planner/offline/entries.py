"""Fitting the phrases of a scene to a number of regions: relations, counts, sharing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..layout.scene import Phrase, Place, Relation, Scene
from .en.places import take_relation
from .language import Language

_MAX_EACH = 12  # "twenty sheep" stay one flock
_MAX_EXPANDED = 32  # regions that counts may grow to, without a number of regions
_MAX_THINGS = 256
_KEEPS_UNKNOWN_ANCHOR = {"next_to", "below", "behind", "in_front_of"}  # "a cat near the window"


@dataclass(slots=True)
class Entry:
    """One or more phrases that share a region.

    Attributes:
        phrases: what the region shows.
        place: where it is said to be.
        links: relations, with the indices of the entries they lead to.
        copies: into how many regions of the same phrase its cell is divided.
    """

    phrases: list[Phrase]
    place: Place | None = None
    links: list[tuple[Relation, list[int]]] = field(default_factory=list)
    copies: int = 1


def scene_entries(scene: Scene, language: Language) -> list[Entry]:
    """One entry per phrase, relations resolved to entries; unknown anchors become phrases."""
    entries = [Entry([phrase], phrase.place) for phrase in scene.phrases]
    index = -1
    while (index := index + 1) < min(len(entries), _MAX_THINGS):  # grows while anchors are added
        phrase = entries[index].phrases[0]
        for relation in phrase.relations:
            anchors = _resolve(relation, index, entries, language, len(scene.phrases))
            if anchors:
                entries[index].links.append((relation, anchors))
            else:
                text = f"{phrase.text} {relation.words}"
                entries[index].phrases[0] = replace(phrase, text=text.strip())
    return entries


def _resolve(
    relation: Relation, index: int, entries: list[Entry], language: Language, named: int
) -> list[int]:
    """The entries that a relation leads to; none where it only describes ("near the window").

    The first `named` entries were named for themselves, the others as anchors of these.
    """
    anchors: list[int] = []
    names: list[str] = []
    for anchor in relation.anchors:
        count, one = language.count(anchor.removeprefix(language.definite))
        names += [one] * count if relation.kind == "between" and count == 2 else [anchor]
    for name in names:
        found = _find_entry(name, entries, language, exclude=[index, *anchors])
        if found is None:
            definite = bool(language.definite) and name.startswith(language.definite)
            known = entries[index].phrases[0].text.startswith(language.definite)
            known = known or index >= named
            if definite and not known and relation.kind in _KEEPS_UNKNOWN_ANCHOR:
                return []
            entries.append(_new_entry(name, language))
            found = len(entries) - 1
        anchors.append(found)
    return anchors


def _new_entry(name: str, language: Language) -> Entry:
    """A thing that was only named as an anchor; it may lie to others in turn (a chain)."""
    if language.code != "en":
        return Entry([Phrase(name)])
    text, relation = take_relation(name)
    return Entry([Phrase(text or name, relations=(relation,) if relation and text else ())])


def _find_entry(
    name: str, entries: list[Entry], language: Language, exclude: list[int]
) -> int | None:
    """The entry that a person means by a name: same noun, then the most attributes in common."""
    best: tuple[int, int] | None = None
    wanted = language.split(name, ())
    for index, entry in enumerate(entries):
        if index in exclude:
            continue
        have = language.split(entry.phrases[0].text, ())
        if not language.same(wanted, have) or not set(wanted.attributes) <= set(have.attributes):
            continue
        score = len(set(wanted.attributes) & set(have.attributes))
        if best is None or score > best[0]:
            best = (score, index)
    return None if best is None else best[1]


def expand_counts(
    entries: list[Entry], wanted: int | None, language: Language, notes: list[str]
) -> list[Entry]:
    """ "three kittens" become three regions of one kitten each, where there is room.

    Where relations are told, and for a group that has a place, its members get one cell together,
    which `layout.divided` cuts.
    """
    limit = wanted or _MAX_EXPANDED
    total = len(entries)
    related = any(entry.links for entry in entries)
    result: list[Entry] = []
    moved: dict[int, int] = {}
    for index, entry in enumerate(entries):
        moved[index] = len(result)
        phrase = entry.phrases[0]
        count, one = language.count(phrase.text)
        placed = entry.place is not None and entry.place.on_canvas
        together = placed or (related and not wanted)
        shared = wanted and (
            entry.links or any(index in anchors for e in entries for _, anchors in e.links)
        )
        if count == 1 or shared or (placed and wanted):
            result.append(entry)
            continue
        if total + count - 1 > limit or count > _MAX_EACH:
            notes.append(f'"{names_of([phrase])}" share one region: there is no room for {count}.')
            result.append(entry)
            continue
        total += count - 1
        single = replace(phrase, text=one)
        if together:
            entry.phrases[0] = single
            entry.copies = count
            result.append(entry)
        else:
            result += [Entry([single], entry.place) for _ in range(count)]
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
    texts = [phrase.text for phrase in phrases]
    text = " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)
    return text if len(text) <= 200 else text[:197] + "..."

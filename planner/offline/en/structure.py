"""The structure of an English clause: its subject, its verb, and what the verb leads to.

"The plump, juicy grapes hung low on the vine" names grapes and a vine; the verb is no thing to
show. Without a finite verb ("a woman in a red dress") a phrase is one thing and stays whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...layout.scene import RelationKind
from . import function_words as closed
from . import lexicon as en
from .attributes import is_attribute
from .places import begins_relation
from .verbs import AUXILIARIES, COPULAS, is_finite, is_participle, is_simple_past, is_third_person


@dataclass(frozen=True, slots=True)
class Object:
    """What a verb leads to.

    Attributes:
        text: the noun phrase and what stays with it.
        relation: how the subject lies to it, or None where the verb says nothing of it.
        words: the person's own words.
    """

    text: str
    relation: RelationKind | None
    words: str


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause with a finite verb.

    Attributes:
        subject: its noun phrase, and a relation that followed the verb ("a book on top of ...").
        objects: what else it names.
        stated: whether `subject` ends in such a relation.
    """

    subject: str
    objects: tuple[Object, ...] = ()
    stated: bool = False


def may_be_adjective(word: str) -> bool:
    """Whether a word before a noun looks like an adjective; for words that stand in no list."""
    word = word.lower()
    if is_attribute(word) or word in en.SIZES or word in en.COLOUR_MODIFIERS:
        return True
    if word.endswith("ing") and not is_participle(word):
        return False
    return (
        len(word) > 3
        and word not in closed.NOUN_ENDINGS_IN_Y
        and bool(closed.ADJECTIVE.search(word))
    )


def verb_index(words: list[str], *, plural_subject: bool = False) -> int | None:
    """Index of the finite verb of a clause, or None: it has none."""
    definite = bool(words) and words[0].lower() in closed.DEFINITE
    for index in range(1, len(words)):
        word = words[index].lower().strip(",")
        before = words[index - 1].lower().strip(",")
        following = words[index + 1].lower() if index + 1 < len(words) else ""
        if word == "can" and before in closed.CANS:
            continue
        if before in closed.NEVER_SUBJECT or words[index - 1].endswith(","):
            continue
        certain = word in COPULAS or word in AUXILIARIES or is_simple_past(word)
        if not certain:
            if is_attribute(before) and before not in closed.ATTRIBUTES_AND_NOUNS:
                continue
            if not definite and following in closed.AFTER_PARTICIPLE and not is_third_person(word):
                continue  # "a vase made of glass", "a room filled with light"
        objects = bool(following) and definite and not may_be_adjective(before)
        if is_finite(
            word, before, following, plural_subject=plural_subject, object_follows=objects
        ):
            return index
    return None


def is_prose(sentence: str) -> bool:
    """Whether a sentence states something with a finite verb ("The cat sat ...")."""
    words = sentence.replace(",", " ,").split()
    kept = [word for word in words if word != ","]
    return verb_index(kept) is not None


def ends_noun(word: str, before: str, following: str) -> bool:
    """Whether a word cannot stand inside a noun phrase: a verb, a preposition, "and"."""
    word = word.lower()
    return word in closed.NEVER_SUBJECT or is_finite(word, before, following)


def without_end(text: str) -> str:
    """A phrase without the preposition, conjunction or article that it was cut at."""
    words = text.split()
    while len(words) > 1 and words[-1].strip(",").lower() in closed.CUT_AT:
        del words[-1]
    return " ".join(words).strip(" ,")


def starts_with_verb(text: str) -> bool:
    """Whether a text goes on with a verb ("swayed to the music")."""
    words = text.split(maxsplit=2)
    following = words[1] if len(words) > 1 else ""
    return is_finite(words[0], "it", following) and words[0].lower() not in en.COLOURS


def read_clause(text: str, *, plural_subject: bool = False) -> Clause | None:
    """Take a clause with a finite verb apart; None for a phrase without one.

    Args:
        text: a clause without position words.
        plural_subject: whether other things before it share its verb.
    """
    words = text.split()
    at = verb_index(words, plural_subject=plural_subject)
    if at is None:
        return None
    counted = len(words) > at + 1 and words[at + 1].lower() in en.NUMBERS
    if words[at].lower() in closed.KEEPS_OBJECT and not counted:
        return None
    subject = " ".join(words[:at])
    copula = words[at].lower() in COPULAS
    doing = words[at + 1].lower() if copula and len(words) > at + 2 else ""
    if doing in closed.KEEPS_OBJECT_ING or (
        doing.endswith("ing") and words[at + 2].lower() == "its"
    ):
        return Clause(f"{subject} {' '.join(words[at + 1 :])}")  # "is wearing a red hat"
    rest = _without_verbs(words[at:])
    copula = copula and len(words) - at - len(rest) == 1  # "is serving coffee" is no copula
    if len(rest) > 1 and rest[0].lower() in closed.OBJECT_PRONOUNS:
        del rest[0]  # "made it a stylish choice"
    if not rest:
        return Clause(subject)
    said = " ".join(rest)
    if begins_relation(said):
        return Clause(f"{subject} {said}", stated=True)
    first = rest[0].lower()
    bare = first not in closed.PREPOSITIONS
    if bare and copula and first not in closed.DETERMINERS and first not in en.NUMBERS:
        return None  # "the cat is black": said of it, and read elsewhere
    tail = next((i for i in range(1, len(rest)) if begins_relation(" ".join(rest[i:]))), None)
    if tail is not None and not copula:  # "lies on the table to the right of the candle"
        subject = f"{subject} {' '.join(rest[tail:])}"
        return Clause(subject, tuple(_objects(rest[:tail])), stated=True)
    return Clause(subject, tuple(_objects(rest)))


def _without_verbs(words: list[str]) -> list[str]:
    """What follows the verb: its other parts, adverbs and further verbs are left out."""
    index = 1
    copula = words[0].lower() in COPULAS | AUXILIARIES
    while index < len(words):
        word = words[index].lower().strip(",")
        following = words[index + 1].lower() if index + 1 < len(words) else ""
        if begins_relation(" ".join(words[index : index + 6])):
            break  # "is left of the plate"
        verbal = word == "that" and (following in COPULAS or following in AUXILIARIES)
        verbal = verbal or word in COPULAS or word in AUXILIARIES
        verbal = verbal or (copula and _is_participle_of_verb(word, following))
        adverb = word in closed.ADVERBS and not (
            word in ("around", "up", "down", "off") and following in closed.DETERMINERS
        )
        adverb = adverb or (
            word.endswith("ly")
            and word not in closed.NOUN_ENDINGS_IN_Y
            and following not in ("",)
            and (following in closed.PREPOSITIONS or following in closed.DETERMINERS or copula)
        )
        adverb = adverb or (not following and word.endswith("ly"))
        joined = (
            word == "and"
            and following
            and is_finite(
                following,
                "they",
                words[index + 2] if index + 2 < len(words) else "",
                plural_subject=True,
            )
        )
        if joined:
            index += 2
            continue
        if not (verbal or adverb):
            break
        index += 1
    return words[index:]


def _is_participle_of_verb(word: str, following: str) -> bool:
    if word.endswith("ing"):  # after a copula "building" is no house
        return True
    past = word.endswith("ed") or is_finite(word, "it", "on")
    return past and (
        not following
        or following in closed.PREPOSITIONS
        or following in closed.DETERMINERS
        or following.endswith("ly")
        or following in ("next", "together")
    )


def _objects(words: list[str]) -> list[Object]:
    """The noun phrases after a verb, each with what its preposition says."""
    found: list[Object] = []
    lead: list[str] = []
    current: list[str] = []

    def close() -> None:
        nonlocal lead, current
        while len(current) > 1 and current[-1].lower() in closed.ADVERBS:
            del current[-1]
        text = without_end(" ".join(current))
        if _names_something(current):
            preposition = next((w for w in reversed(lead) if w in closed.VERB_PREPOSITIONS), "")
            kind = closed.VERB_PREPOSITIONS.get(preposition) if lead else None
            found.append(Object(text, kind, " ".join([*lead, text])))
        elif found and text:
            last = found[-1]
            more = " ".join([*lead, text])
            found[-1] = Object(f"{last.text} {more}", last.relation, f"{last.words} {more}")
        lead, current = [], []

    skipped = -1
    for index, word in enumerate(words):
        lower = word.lower()
        following = words[index + 1].lower() if index + 1 < len(words) else ""
        if index == skipped:
            continue
        if lower == "and" and current and (is_participle(following) or is_simple_past(following)):
            close()  # "holding a knife and preparing a dish"
            skipped = index + 1
            continue
        if (
            not current
            and lower in closed.PREPOSITIONS
            and not begins_relation(" ".join(words[index:]))
        ):
            lead.append(lower)
            continue
        splits = (
            current
            and lower in closed.VERB_PREPOSITIONS
            and lower not in closed.STAY_WITH_NOUN
            and (following in closed.DETERMINERS or following in en.NUMBERS)
            and following not in ("its", "their", "his", "her")
        )
        if splits:
            close()
            lead.append(lower)
        else:
            current.append(word)
    close()
    return found


def _names_something(words: list[str]) -> bool:
    content = [w.lower().strip(",") for w in words]
    content = [w for w in content if w not in closed.NO_THINGS]
    return bool(content) and content[0] not in COPULAS | closed.OBJECT_PRONOUNS

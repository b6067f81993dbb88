"""Reading an English sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import replace

from ...layout.scene import MAX_PART, Place, Relation, Scene
from ..draft import Draft
from . import clauses as clauses_en
from . import lexicon as en
from . import patterns, surroundings
from .attributes import head_noun, is_attributes_only, split_phrase, take_count
from .members import Members
from .places import take_places, take_relation
from .rewrites import (
    lower_first,
    participle_first,
    restore,
    restore_text,
    rewrite_part,
    rewrite_text,
)
from .structure import is_prose, read_clause, without_end
from .verbs import is_participle

# Longer sentences are read as lists: finding a verb takes time that grows with their length.
MAX_SENTENCE = 1000
_SAYS_MORE = en.words("their its each from with without like as for through")
_ORDERS = {"left": (0.0, None), "right": (1.0, None), "top": (None, 0.0), "bottom": (None, 1.0)}


def parse_english(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    reader = _Reader()
    for sentence in clauses_en.sentences(rewrite_text(text)):
        reader.read_sentence(lower_first(sentence))
    return reader.scene()


class _Reader:
    """Reads part after part."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._members = Members()
        self._subject = -1  # index of the subject of this sentence's verb
        self._first = 0  # index of the first phrase of this sentence

    def scene(self) -> Scene:
        """What has been read."""
        draft = self._draft
        return Scene(
            phrases=tuple(restore(phrase) for phrase in draft.phrases),
            background=restore_text(" ".join(draft.backgrounds)),
            setting=draft.setting,
            styles=tuple(restore_text(style) for style in draft.styles),
            notes=draft.notes(),
            stated=restore_text(". ".join(draft.sentences)) if draft.prose else "",
        )

    def read_sentence(self, sentence: str) -> None:
        draft = self._draft
        first = not draft.phrases and not draft.backgrounds
        before = len(draft.phrases)
        draft.sentences.append(patterns.PICTURE_OF.sub("", patterns.POLITE.sub("", sentence)))
        order = patterns.ORDERED.search(sentence)
        if order:
            goes_on = re.match(r"(?:on|in|at|along)\b", sentence[order.end() :])
            joint = " " if goes_on else ", "
            sentence = f"{sentence[: order.start()]}{joint}{sentence[order.end() :]}".strip(" ,")
        sentence = surroundings.take_opening(sentence, draft, first=first)
        self._subject = -1
        self._first = before
        group = patterns.GROUP.match(sentence)
        if group and not _is_label(group[1]):
            self._read_clauses(group[1])
            named = len(draft.phrases)
            self._read_clauses(group[2])
            self._members.drop_summary(draft.phrases, named, before)
        else:
            self._read_clauses(sentence)
        if order:
            start = order[1].split()[0]
            end = self._subject + 1 or None  # what the row stands on is none of it
            draft.place_in_order(before, _ORDERS[start], f"number {{}} from the {start}", end)
        if first:
            surroundings.take_setting_phrase(draft)
        surroundings.take_trailing_place(draft)

    def _read_clauses(self, text: str) -> None:
        prose = len(text) <= MAX_SENTENCE and is_prose(text)
        for clause in clauses_en.clauses(text, prose=prose):
            self._draft.clause += 1
            listed = clause.lower().startswith("and ")
            for number, part in enumerate(clauses_en.parts(clause), int(listed)):
                if prose and self._says_more(part, number):
                    self._draft.extend(self._subject, without_end(part))
                else:
                    self._read_part(part, joined=number > 0)

    def _says_more(self, part: str, number: int) -> bool:
        """ "..., ripening in the sun", "..., a symbol of peace": said of the subject before."""
        if number or self._subject < 0:
            return False
        first, _, rest = part.partition(" ")
        doing = first.endswith("ing") and rest.partition(" ")[0] in en.DETERMINERS
        if doing or is_participle(first) or first.lower() in _SAYS_MORE:
            return True
        apposition = first.lower() in ("a", "an") and " of " in f" {rest} "
        return apposition and take_relation(part)[1] is None and take_places(part)[1] is None

    def _read_part(self, part: str, *, joined: bool = False) -> None:
        draft = self._draft
        if len(part) > MAX_PART:
            draft.add(part)
            return
        part = patterns.EACH_OF.sub("", patterns.THERE_IS.sub("", part).strip())
        each = patterns.EACH_WITH.match(part)
        if each and draft.phrases:
            last = draft.phrases[-1]
            draft.phrases[-1] = replace(last, text=f"{last.text} {each[1]}")
            return
        part = rewrite_part(part)
        if not part or surroundings.take_background(part, draft):
            return
        if surroundings.take_style(part, draft) or self._take_statement(part):
            return
        part = surroundings.take_end_clauses(part, draft)
        sides = patterns.EITHER_SIDE.search(part)
        if sides and sides.start():
            self._take_either_side(part[: sides.start()], sides)
            return
        if self._take_clause(part, joined=joined):
            return
        self._take_phrase(part)

    def _take_either_side(self, part: str, sides: re.Match[str]) -> None:
        """ "a candle on each side of the cake": one left of it, one right of it."""
        count, one = take_count(part)
        thing = one if count == 2 else part
        anchor = sides["anchor"] or (self._draft.phrases[-1].text if self._draft.phrases else "")
        for side, x in (("left", 0.0), ("right", 1.0)):
            if anchor:
                words = f"{side} of {anchor}"
                relation = Relation("left_of" if side == "left" else "right_of", (anchor,), words)
                self._draft.add(thing, relations=(relation,))
            else:
                self._draft.add(thing, Place(x=x, words=sides[0].strip(" ,")))

    def _take_clause(self, part: str, *, joined: bool) -> bool:
        """A part with a verb: its subject and objects; a verb's preposition says how they lie."""
        bare, place = take_places(part)
        if patterns.THERE_IS.sub("", bare) != bare or patterns.VERB_FIRST.match(bare):
            return False
        clause = read_clause(bare, plural_subject=joined)
        if clause is None:
            return False
        draft = self._draft
        before = len(draft.phrases)
        pronoun, _, tail = clause.subject.partition(" ")
        if before and pronoun.lower() in patterns.SUBJECT_PRONOUNS:
            subject = self._subject if 0 <= self._subject < before else before - 1
            relation = take_relation(f"it {tail}")[1] if tail else None
            for anchor in relation.anchors if relation else ():
                self._take_phrase(anchor)
        else:
            self._take_phrase(clause.subject, place, stated=clause.stated)
            if not draft.phrases:
                return False
            subject = min(before, len(draft.phrases) - 1)
        alone = not joined or self._subject >= 0
        self._subject = subject
        draft.prose = draft.prose or bool(clause.objects) or clause.stated
        for thing in clause.objects:
            if thing.relation is not None:
                relation = Relation(thing.relation, (thing.text,), thing.words)
                draft.amend(subject, relation=relation)
                for index in range(subject if alone else self._first, subject):
                    phrase = draft.phrases[index]
                    if phrase.place is None and not phrase.relations:
                        draft.amend(index, relation=relation)  # "a pot and a pan are on the stove"
            self._take_phrase(thing.text)
        return True

    def _take_phrase(self, part: str, said: Place | None = None, *, stated: bool = False) -> None:
        """A noun phrase with its position words and relations.

        Args:
            part: the phrase.
            said: a place that was said of it elsewhere.
            stated: whether a verb states its relation, so that both are things to show.
        """
        draft = self._draft
        text, place = take_places(part)
        if said is not None:
            place = said if place is None else place.joined(said)
        text, relation = take_relation(text)
        if place is not None or relation is not None:
            text = patterns.COPULA_END.sub("", text)
            text = patterns.VERB_FIRST.sub("", text).strip()
            text = participle_first(text)
        text = re.sub(r"\s{2,}", " ", text).strip(" ,:")
        if relation is not None and relation.anchors[0] in patterns.PRONOUNS and draft.phrases:
            relation = replace(relation, anchors=(self._meant_by(relation.anchors[0]),))
        if text in ("", "is", "are", "it"):
            self._take_position_alone(place, relation)
            return
        if draft.phrases and text.split()[0].lower() in patterns.SUBJECT_PRONOUNS:
            draft.extend(-1, text)  # "they flitted about": said of what was named
            return
        text = self._members.name(text, place, draft.phrases)
        if self._continues_last(text, place, relation):
            return
        draft.add(text, draft.with_waiting(place), () if relation is None else (relation,))
        self._members.count(text, len(draft.phrases) - 1)
        if stated and relation is not None and relation.kind != "between":
            for anchor in relation.anchors:
                if self._find_subject(take_relation(anchor)[0]) is None:
                    self._take_phrase(anchor, stated=True)

    def _meant_by(self, pronoun: str) -> str:
        """What "it" is: the last thing that was named, even if only to say where another is."""
        last = self._draft.phrases[-1]
        if pronoun in ("it", "that", "this") and last.relations:
            return last.relations[-1].anchors[-1]
        return last.text

    def _continues_last(self, text: str, place: Place | None, relation: Relation | None) -> bool:
        """Parts that only say more about the phrase before: "glossy", "with a hat"."""
        phrases = self._draft.phrases
        if not phrases or relation is not None:
            return False
        last = phrases[-1]
        if place is not None and last.place is not None:
            return False
        if is_attributes_only(text):
            self._draft.amend(-1, trailing=text, place=place)
            return True
        if place is None and patterns.CONTINUES.match(text):
            phrases[-1] = replace(last, text=f"{last.text}, {text}")
            return True
        return False

    def _take_statement(self, part: str) -> bool:
        """ "The cat is black", "it is on the left": said of a phrase that is there already."""
        match = patterns.SUBJECT_IS.match(part)
        index = self._find_subject(match[1]) if match else None
        if match is None or index is None:
            return False
        rest, place = take_places(match[2])
        rest, relation = take_relation(rest)
        self._draft.amend(
            index,
            trailing=rest.strip(" ,") or None,
            place=self._draft.phrases[index].place or place,
            relation=relation,
        )
        return True

    def _find_subject(self, subject: str) -> int | None:
        phrases = self._draft.phrases
        if not phrases:
            return None
        if subject in ("it", "they", "he", "she", "this"):
            return len(phrases) - 1
        wanted = split_phrase(subject)
        for index in range(len(phrases) - 1, -1, -1):
            have = split_phrase(phrases[index].text)
            same = head_noun(have.high) == head_noun(wanted.high)
            if same and set(wanted.attributes) <= set(have.attributes):
                return index
        return None

    def _take_position_alone(self, place: Place | None, relation: Relation | None) -> None:
        """A part that says only where the phrase before it is."""
        if relation is not None and self._draft.phrases:
            self._draft.amend(-1, relation=relation)
        if place is not None:
            self._draft.place_alone(place)


def _is_label(text: str) -> bool:
    """Whether what stands before a colon says where or what kind, and names no group."""
    text = patterns.THERE_IS.sub("", text)
    background = patterns.BACKGROUND_IS.match(f"{text}:x")
    return bool(take_places(text)[1] or background)

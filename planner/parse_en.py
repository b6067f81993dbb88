"""Reading an English sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import replace

from . import clauses_en
from . import lexicon_en as en
from . import patterns_en as patterns
from . import surroundings_en as surroundings
from .attributes import head_noun, is_attribute, is_attributes_only, split_phrase, take_count
from .compose import compose_prompt
from .draft import Draft
from .places_en import JOINED, take_places, take_relation
from .scene import MAX_PART, Phrase, Place, Relation, Scene

_ORDERS = {"left": (0.0, None), "right": (1.0, None), "top": (None, 0.0), "bottom": (None, 1.0)}


def parse_english(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    if text.isupper():
        text = text.lower()
    text = patterns.PAIRS.sub(rf"\1 {JOINED} \2", text)
    text = patterns.BETWEEN_AND.sub(rf"between \1 {JOINED} ", text)
    reader = _Reader()
    for sentence in clauses_en.sentences(text):
        reader.read_sentence(_lower_first(sentence))
    return reader.scene()


class _Reader:
    """Reads part after part."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._group = -1  # index of "two circles" while "one red" may still follow
        self._one = ""  # one of them

    def scene(self) -> Scene:
        """What has been read."""
        draft = self._draft
        return Scene(
            phrases=tuple(_restore(phrase) for phrase in draft.phrases),
            background=_restore_text(" ".join(draft.backgrounds)),
            setting=draft.setting,
            styles=tuple(_restore_text(style) for style in draft.styles),
            notes=draft.notes(),
        )

    def read_sentence(self, sentence: str) -> None:
        draft = self._draft
        first = not draft.phrases and not draft.backgrounds
        before = len(draft.phrases)
        order = patterns.ORDERED.search(sentence)
        if order:
            sentence = f"{sentence[: order.start()]}, {sentence[order.end() :]}".strip(" ,")
        sentence = surroundings.take_opening(sentence, draft, first=first)
        group = patterns.GROUP.match(sentence)
        if group and not _is_label(group[1]):
            self._read_clauses(group[1])
            named = len(draft.phrases)
            self._read_clauses(group[2])
            summary = named - 1
            if len(draft.phrases) > named > before and self._group == summary:
                del draft.phrases[summary]  # "two people: a man and a woman"
                self._group = -1
        else:
            self._read_clauses(sentence)
        if order:
            start = order[1].split()[0]
            draft.place_in_order(before, _ORDERS[start], f"number {{}} from the {start}")
        if first:
            surroundings.take_setting_phrase(draft)
        surroundings.take_trailing_place(draft)

    def _read_clauses(self, text: str) -> None:
        for clause in clauses_en.clauses(text):
            self._draft.clause += 1
            for part in clauses_en.parts(clause):
                self._read_part(part)

    def _read_part(self, part: str) -> None:
        draft = self._draft
        if len(part) > MAX_PART:
            draft.add(part)
            return
        part = patterns.THERE_IS.sub("", part).strip()
        part = patterns.INVERTED.sub(r"\3 \1 \2", part)
        part = patterns.INVERTED_PRONOUN.sub(r"\3 \1 \2", part)
        if not part or surroundings.take_background(part, draft):
            return
        if surroundings.take_style(part, draft) or self._take_statement(part):
            return
        part = surroundings.take_end_clauses(part, draft)
        text, place = take_places(part)
        text, relation = take_relation(text)
        if place is not None or relation is not None:
            text = patterns.COPULA_END.sub("", text)
            text = patterns.VERB_FIRST.sub("", text).strip()
        text = re.sub(r"\s{2,}", " ", text).strip(" ,:")
        if relation is not None and relation.anchors[0] in patterns.PRONOUNS and draft.phrases:
            relation = replace(relation, anchors=(draft.phrases[-1].text,))
        if text in ("", "is", "are", "it"):
            self._take_position_alone(place, relation)
            return
        text = self._name_one_of_them(text, place)
        if self._continues_last(text, place, relation):
            return
        draft.add(text, draft.with_waiting(place), () if relation is None else (relation,))
        count, one = take_count(text)
        if count > 1:
            self._group, self._one = len(draft.phrases) - 1, one

    def _name_one_of_them(self, text: str, place: Place | None) -> str:
        """ "two circles, one red": the second part is "a red circle", and the first is dropped."""
        phrases = self._draft.phrases
        if not phrases:
            return text
        match = patterns.ONE_OF_THEM.match(text)
        said = (match[1] or "") if match else ""
        whole = self._one
        if match is None:
            match = patterns.ANOTHER_ONE.match(text)
            if match is None:
                return text
            said = match[1]
            whole = self._one or phrases[-1].text
        elif not self._one:
            if place is None:
                return text
            whole = re.sub(r"^the ", "a ", phrases[-1].text)
        if said and not is_attributes_only(said):
            return text
        if 0 <= self._group < len(phrases):
            del phrases[self._group]
            self._group = -1
        split = split_phrase(whole, chinese=False)
        if not said:
            return whole
        return compose_prompt(split.high, "", split.instance, (said,))

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
        wanted = split_phrase(subject, chinese=False)
        for index in range(len(phrases) - 1, -1, -1):
            have = split_phrase(phrases[index].text, chinese=False)
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


def _lower_first(text: str) -> str:
    """Lower a sentence's first letter, but not an acronym's or a name's."""
    first = text.split(maxsplit=1)[0].strip(",:")
    known = (*en.DETERMINERS, *en.NUMBERS, *en.FUNCTION_WORDS)
    if first.lower() in known or is_attribute(first):
        return text[0].lower() + text[1:]
    return text


def _restore_text(text: str) -> str:
    return text.replace(JOINED, "and")


def _restore(phrase: Phrase) -> Phrase:
    return replace(
        phrase,
        text=_restore_text(phrase.text),
        trailing=tuple(_restore_text(part) for part in phrase.trailing),
    )

"""Reading an English sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import replace

from . import clauses_en
from . import lexicon_en as en
from . import patterns_en as patterns
from . import surroundings_en as surroundings
from .attributes import head_noun, is_attribute, is_attributes_only, singular, split_phrase, take_count
from .compose import compose_prompt, fit_article
from .draft import Draft
from .places_en import JOINED, take_places, take_relation
from .scene import MAX_PART, Phrase, Place, Relation, Scene
from .structure_en import is_prose, read_clause, without_end
from .verbs_en import is_finite, is_participle, is_third_person

# Longer sentences are read as lists: finding a verb takes time that grows with their length.
MAX_SENTENCE = 1000
_SAYS_MORE = en.words("their its each from with without like as for through")
_ORDERS = {"left": (0.0, None), "right": (1.0, None), "top": (None, 0.0), "bottom": (None, 1.0)}


def parse_english(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    if text.isupper():
        text = text.lower()
    if "foreground" in text.lower():  # then the background is a depth, too
        text = patterns.DEPTH_LABEL.sub(r"\1in the \2 ", text)
    if patterns.OTHER_HALF.search(text):
        text = patterns.FIRST_HALF.sub("the left half ", text, count=1)
        text = patterns.OTHER_HALF.sub("the right half shows ", text, count=1)
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
        self._lead = ""  # what one of them does: "holding"
        self._subject = -1  # index of the subject of this sentence's verb
        self._first = 0  # index of the first phrase of this sentence

    def scene(self) -> Scene:
        """What has been read."""
        draft = self._draft
        return Scene(
            phrases=tuple(_restore(phrase) for phrase in draft.phrases),
            background=_restore_text(" ".join(draft.backgrounds)),
            setting=draft.setting,
            styles=tuple(_restore_text(style) for style in draft.styles),
            notes=draft.notes(),
            stated=_restore_text(". ".join(draft.sentences)) if draft.prose else "",
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
            summary = named - 1
            if len(draft.phrases) > named > before and self._group == summary:
                del draft.phrases[summary]  # "two people: a man and a woman"
                self._group = -1
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
        part = patterns.RELATIVE.sub(" ", part)
        part = patterns.ON_WHICH.sub("on top of it", part)
        part = patterns.INVERTED.sub(r"\3 \1 \2", part)
        part = patterns.INVERTED_PRONOUN.sub(r"\3 \1 \2", part)
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
        if patterns.THERE_IS.match(bare)[0] or patterns.VERB_FIRST.match(bare):
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

    def _take_phrase(
        self, part: str, said: Place | None = None, *, stated: bool = False
    ) -> None:
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
            text = _participle_first(text)
        text = re.sub(r"\s{2,}", " ", text).strip(" ,:")
        if relation is not None and relation.anchors[0] in patterns.PRONOUNS and draft.phrases:
            relation = replace(relation, anchors=(self._meant_by(relation.anchors[0]),))
        if text in ("", "is", "are", "it"):
            self._take_position_alone(place, relation)
            return
        if draft.phrases and text.split()[0].lower() in patterns.SUBJECT_PRONOUNS:
            draft.extend(-1, text)  # "they flitted about": said of what was named
            return
        text = self._name_one_of_them(text, place)
        if self._continues_last(text, place, relation):
            return
        draft.add(text, draft.with_waiting(place), () if relation is None else (relation,))
        count, one = take_count(text)
        if count > 1:
            self._group, self._one = len(draft.phrases) - 1, one
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

    def _name_one_of_them(self, text: str, place: Place | None) -> str:
        """ "two circles, one red": the second part is "a red circle", and the first is dropped."""
        phrases = self._draft.phrases
        if not phrases and not text.startswith(("one of ", "One of ")):
            return text
        match = patterns.ONE_OF_THEM.match(text)
        if match and match["kind"] and not self._one:
            self._one = f"a {singular(match['kind'])}"
        said = (match["said"] or "") if match else ""
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
            if not self._one or not _says_what_it_does(said, text):
                return text
            said = self._doing(said)
        if 0 <= self._group < len(phrases):
            del phrases[self._group]
            self._group = -1
        if not said:
            return whole
        if not is_attributes_only(said):
            return f"{whole} {said}"
        split = split_phrase(whole, chinese=False)
        return compose_prompt(split.high, "", split.instance, (said,))

    def _doing(self, said: str) -> str:
        """ "one holding a kite, the other a ball": what is left out the second time."""
        words = said.split()
        at = next((i for i, w in enumerate(words) if w in en.DETERMINERS or w in en.NUMBERS), 0)
        if at:
            self._lead = " ".join(words[:at])
            return said
        return f"{self._lead or 'with'} {said}" if words[0] in en.DETERMINERS else said

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


def _participle_first(text: str) -> str:
    """ "a cat sleeping", cut before "on top of a car", is "a sleeping cat"."""
    words = text.split()
    if len(words) > 2 and words[-2] not in en.DETERMINERS and is_finite(words[-1], "it", "on"):
        return " ".join(words[:-1])  # "a robot with glowing eyes stands"
    if len(words) < 3 or not is_participle(words[-1]) or words[0].lower() not in en.DETERMINERS:
        return text
    if words[-1] in patterns.POSTURES:
        return " ".join(words[:-1])
    return fit_article(f"{words[0]} ", words[-1]) + " ".join([words[-1], *words[1:-1]])


def _says_what_it_does(said: str, text: str) -> bool:
    """Whether "one ..." goes on with a verb or "with", and is no count ("one chicken")."""
    first, _, rest = said.partition(" ")
    if first in en.DETERMINERS or first in en.NUMBERS:
        return text.startswith(("the other", "another"))
    following = rest.partition(" ")[0]
    does = is_participle(first) or is_finite(first, "it", following)
    return does or first in ("with", "in", "without") or (not rest and is_third_person(first))


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

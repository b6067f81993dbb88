"""Reading an English sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import replace

from . import clauses_en
from . import lexicon_en as en
from . import patterns_en as patterns
from .attributes import (
    head_noun,
    is_attribute,
    is_attributes_only,
    split_phrase,
    take_count,
)
from .compose import compose_prompt
from .places_en import JOINED, take_places, take_relation
from .scene import MAX_PART, Phrase, Place, Relation, Scene

_ORDERS = {"left": (0.0, None), "right": (1.0, None), "top": (None, 0.0), "bottom": (None, 1.0)}
_WEATHER = en.words("sky sunset sunrise night rain fog snow")
_PLACES_ON = en.words(
    "beach street road field meadow island rooftop balcony terrace stage hill mountain"
)


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
    """Reads part after part; later parts may add to earlier phrases."""

    def __init__(self) -> None:
        self._phrases: list[Phrase] = []
        self._backgrounds: list[str] = []
        self._styles: list[str] = []
        self._notes: list[str] = []
        self._setting = ""
        self._waiting: Place | None = None  # a position that was said before its phrase
        self._group = -1  # index of "two circles" while "one red" may still follow
        self._one = ""  # one of them
        self._clause = 0

    def scene(self) -> Scene:
        """What has been read."""
        if self._waiting is not None:
            self._notes.append(f'"{self._waiting.words}" belongs to nothing that could be found.')
        return Scene(
            phrases=tuple(_restore(phrase) for phrase in self._phrases),
            background=_restore_text(" ".join(self._backgrounds)),
            setting=self._setting,
            styles=tuple(_restore_text(style) for style in self._styles),
            notes=tuple(self._notes),
        )

    def read_sentence(self, sentence: str) -> None:
        first = not self._phrases and not self._backgrounds
        before = len(self._phrases)
        order = patterns.ORDERED.search(sentence)
        if order:
            sentence = f"{sentence[: order.start()]}, {sentence[order.end() :]}".strip(" ,")
        sentence = self._take_opening(sentence, first=first)
        group = patterns.GROUP.match(sentence)
        if group and not _is_label(group[1]):
            self._read_clauses(group[1])
            named = len(self._phrases)
            self._read_clauses(group[2])
            summary = named - 1
            if len(self._phrases) > named > before and self._group == summary:
                del self._phrases[summary]  # "two people: a man and a woman"
                self._group = -1
        else:
            self._read_clauses(sentence)
        if order:
            self._place_in_order(before, order[1].split()[0])
        if first:
            self._take_setting_phrase()
        self._take_trailing_place()

    def _read_clauses(self, text: str) -> None:
        for clause in clauses_en.clauses(text):
            self._clause += 1
            for part in clauses_en.parts(clause):
                self._read_part(part)

    def _take_opening(self, sentence: str, *, first: bool) -> str:
        """Cut off "please draw", "a watercolor painting of" and "a kitchen with"."""
        sentence = patterns.LABEL.sub("", sentence)
        sentence = patterns.PICTURE_OF.sub("", patterns.POLITE.sub("", sentence))
        match = patterns.STYLE_OF.match(sentence) or patterns.STYLED_PICTURE_OF.match(sentence)
        if match and not self._phrases:
            self._styles.append(re.sub(r"^(?:an?|the) ", "", match[1]).strip())
            sentence = sentence[match.end() :]
        match = patterns.SETTING_WITH.match(sentence)
        if first and match and _is_place(match[2]) and not take_places(match[1])[1]:
            self._set_setting(match[1], match[2])
            sentence = sentence[match.end() :]
        return sentence

    def _set_setting(self, text: str, noun: str) -> None:
        self._setting = text
        on = noun.lower() in _PLACES_ON
        self._backgrounds.append(f"{'on' if on else 'in'} {text}")

    def _read_part(self, part: str) -> None:
        if len(part) > MAX_PART:
            self._phrases.append(Phrase(part, clause=self._clause))
            return
        part = patterns.THERE_IS.sub("", part).strip()
        part = patterns.INVERTED.sub(r"\3 \1 \2", part)
        part = patterns.INVERTED_PRONOUN.sub(r"\3 \1 \2", part)
        if not part or self._take_background(part) or self._take_style(part):
            return
        if self._take_statement(part):
            return
        part = self._take_end_clauses(part)
        text, place = take_places(part)
        text, relation = take_relation(text)
        if place is not None or relation is not None:
            text = patterns.COPULA_END.sub("", text)
            text = patterns.VERB_FIRST.sub("", text).strip()
        text = re.sub(r"\s{2,}", " ", text).strip(" ,:")
        if relation is not None and relation.anchors[0] in patterns.PRONOUNS and self._phrases:
            relation = replace(relation, anchors=(self._phrases[-1].text,))
        if text in ("", "is", "are", "it"):
            self._take_place_alone(place, relation)
            return
        text = self._name_one_of_them(text, place)
        if self._continues_last(text, place, relation):
            return
        if self._waiting is not None:
            place = self._waiting if place is None else place.joined(self._waiting)
            self._waiting = None
        relations = () if relation is None else (relation,)
        self._phrases.append(Phrase(text, place, relations, clause=self._clause))
        count, one = take_count(text)
        if count > 1:
            self._group, self._one = len(self._phrases) - 1, one

    def _name_one_of_them(self, text: str, place: Place | None) -> str:
        """ "two circles, one red": the second part is "a red circle", and the first is dropped."""
        if not self._phrases:
            return text
        match = patterns.ONE_OF_THEM.match(text)
        said = (match[1] or "") if match else ""
        whole = self._one
        if match is None:
            match = patterns.ANOTHER_ONE.match(text)
            if match is None:
                return text
            said = match[1]
            whole = self._one or self._phrases[-1].text
        elif not self._one:
            if place is None:
                return text
            whole = re.sub(r"^the ", "a ", self._phrases[-1].text)
        if said and not is_attributes_only(said):
            return text
        if 0 <= self._group < len(self._phrases):
            del self._phrases[self._group]
            self._group = -1
        split = split_phrase(whole, chinese=False)
        if not said:
            return whole
        return compose_prompt(split.high, "", split.instance, (said,))

    def _continues_last(self, text: str, place: Place | None, relation: Relation | None) -> bool:
        """Parts that only say more about the phrase before: "glossy", "with a hat"."""
        if not self._phrases or relation is not None:
            return False
        last = self._phrases[-1]
        if place is not None and last.place is not None:
            return False
        if is_attributes_only(text):
            self._amend(-1, trailing=text, place=place)
            return True
        if place is None and patterns.CONTINUES.match(text):
            self._phrases[-1] = replace(last, text=f"{last.text}, {text}")
            return True
        return False

    def _take_background(self, part: str) -> bool:
        match = patterns.BACKGROUND_IS.match(part)
        if match:
            self._backgrounds.append(f"with {_background_name(match[1])}")
            return True
        match = patterns.BACKGROUND.match(part)
        if match:
            self._backgrounds.append(_background_phrase(match[1]))
            return True
        match = patterns.IN_PLACE.match(part)
        if match and _is_place(match[3]):
            self._backgrounds.append(match[1])
            return True
        return False

    def _take_style(self, part: str) -> bool:
        bracketed = patterns.BRACKETED.match(part)
        if bracketed:
            if patterns.STYLE_CLAUSE.match(bracketed[1]):
                self._styles.append(part)
                return True
            return False
        if not patterns.STYLE_CLAUSE.match(part):
            return False
        # "a photograph" or "a painting on the left" is a thing to show, not a style.
        if re.match(r"(?:an?|the|two|three) ", part) and not part.endswith("style"):
            return False
        known = re.fullmatch(en.STYLE_WORDS, part, re.IGNORECASE)
        if not known and not self._phrases and not self._backgrounds and not self._styles:
            return False
        self._styles.append(re.sub(r"^(?:in|as|with) (?:an? )?(?!the style)", "", part))
        return True

    def _take_end_clauses(self, part: str) -> str:
        """Cut "... in watercolor style" and "... on black background" off the end of a phrase."""
        match = patterns.STYLE_END.search(part)
        if match:
            self._styles.append(re.sub(r"^in (?:an? )?(?!the style|style)", "", match[1]))
            part = part[: match.start()]
        match = patterns.BACKGROUND_END.search(part)
        if match:
            self._backgrounds.append(_background_phrase(match[1]))
            part = part[: match.start()]
        return part

    def _take_statement(self, part: str) -> bool:
        """ "The cat is black", "it is on the left": said of a phrase that is there already."""
        match = patterns.SUBJECT_IS.match(part)
        index = self._find_subject(match[1]) if match else None
        if match is None or index is None:
            return False
        rest, place = take_places(match[2])
        rest, relation = take_relation(rest)
        target = self._phrases[index]
        self._phrases[index] = replace(
            target,
            place=target.place or place,
            relations=(*target.relations, *([] if relation is None else [relation])),
        )
        if rest.strip(" ,"):
            self._amend(index, trailing=rest.strip(" ,"))
        return True

    def _find_subject(self, subject: str) -> int | None:
        if not self._phrases:
            return None
        if subject in ("it", "they", "he", "she", "this"):
            return len(self._phrases) - 1
        wanted = split_phrase(subject, chinese=False)
        for index in range(len(self._phrases) - 1, -1, -1):
            have = split_phrase(self._phrases[index].text, chinese=False)
            same = head_noun(have.high) == head_noun(wanted.high)
            if same and set(wanted.attributes) <= set(have.attributes):
                return index
        return None

    def _take_place_alone(self, place: Place | None, relation: Relation | None) -> None:
        """A part that is only a position: of the phrase before it, unless that one has one."""
        if relation is not None and self._phrases:
            last = self._phrases[-1]
            self._phrases[-1] = replace(last, relations=(*last.relations, relation))
        if place is None:
            return
        if self._phrases and self._phrases[-1].place is None and self._waiting is None:
            self._amend(-1, place=place)
        else:
            self._waiting = place if self._waiting is None else self._waiting.joined(place)

    def _amend(
        self, index: int, *, trailing: str | None = None, place: Place | None = None
    ) -> None:
        phrase = self._phrases[index]
        if trailing is not None:
            phrase = replace(phrase, trailing=(*phrase.trailing, trailing))
        if place is not None:
            phrase = replace(phrase, place=place)
        self._phrases[index] = phrase

    def _place_in_order(self, start: int, first: str) -> None:
        """ "From left to right": the phrases of the sentence, evenly along that axis."""
        count = len(self._phrases) - start
        x, y = _ORDERS[first]
        for k in range(count if count > 1 else 0):
            share = k / (count - 1)
            place = Place(
                x=None if x is None else abs(x - share),
                y=None if y is None else abs(y - share),
                words=f"number {k + 1} from the {first}",
            )
            if self._phrases[start + k].place is None:
                self._amend(start + k, place=place)

    def _take_setting_phrase(self) -> None:
        """ "cozy living room, a sofa on the left": a place without an article, nowhere placed."""
        if len(self._phrases) < 2 or self._setting or self._backgrounds:
            return
        for index in (0, len(self._phrases) - 1):
            phrase = self._phrases[index]
            others = self._phrases[:index] + self._phrases[index + 1 :]
            bare = phrase.text.split(maxsplit=1)[0].lower() not in (*en.DETERMINERS, *en.NUMBERS)
            elsewhere = all(other.place is not None for other in others)
            noun = head_noun(phrase.text)
            if not (bare and elsewhere and phrase.place is None and not phrase.relations):
                continue
            if not _is_place(noun):
                continue
            del self._phrases[index]
            if index == 0:
                self._set_setting(phrase.text, noun)
            else:
                with_it = noun in _WEATHER
                self._backgrounds.append(f"{'with' if with_it else 'in'} {phrase.text}")
            return

    def _take_trailing_place(self) -> None:
        """ "... in a kitchen" at the end of a sentence is where all of it happens."""
        if not self._phrases:
            return
        last = self._phrases[-1]
        match = patterns.IN_PLACE.search(last.text[-MAX_PART:])
        if match is None or match.start() == 0 or not _is_place(match[3]):
            return
        if any(_own_place(phrase.text) for phrase in self._phrases[:-1]):
            return  # "a cat on a bed and a dog in a garden": each has its own
        self._backgrounds.append(match[1])
        text = last.text[: len(last.text) - len(match[0])].strip()
        self._phrases[-1] = replace(last, text=patterns.COPULA_END.sub("", text))


def _is_label(text: str) -> bool:
    """Whether what stands before a colon says where or what kind, and names no group."""
    text = patterns.THERE_IS.sub("", text)
    background = patterns.BACKGROUND_IS.match(f"{text}:x")
    return bool(take_places(text)[1] or background)


def _background_name(text: str) -> str:
    text = text.strip()
    if "background" in text or not is_attributes_only(text):
        return text
    return f"{text} background"


def _background_phrase(text: str) -> str:
    text = re.sub(r"^(?:all |set |placed |shown )| behind (?:them|it)$", "", text)
    return text if re.match(r"(?:on|against|over|with|before|in) ", text) else f"on {text}"


def _own_place(text: str) -> bool:
    match = patterns.IN_PLACE.search(text[-MAX_PART:])
    return match is not None and match.start() > 0


def _is_place(word: str) -> bool:
    return word.lower() in en.PLACES


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

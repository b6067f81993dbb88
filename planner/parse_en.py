"""Reading an English sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from . import lexicon_en as en
from .attributes import head_noun, is_attribute, is_attributes_only, noun_phrase_end
from .places_en import JOINED, take_places, take_relation
from .scene import MAX_PART, Phrase, Place, Relation, Scene

_POLITE = re.compile(
    r"^(?:please |can you |could you )*"
    r"(?:(?:draw|paint|create|generate|make|render|produce|imagine|depict|show)(?: me| us)?"
    r"|i(?: would|'d)? (?:want|like)(?: to see)?|give me)\s+(?=\S)"
)
_PICTURE_OF = re.compile(
    r"^(?:(?:an?|the) )?(?:image|picture|pic|scene|composition)\s+"
    r"(?:of|with|showing|containing|that shows|where there (?:is|are)|depicting)\s+"
)
_STYLE_OF = re.compile(
    rf"^((?:(?:an?|the) )?(?:[\w-]+ ){{0,3}}?(?:{en.STYLE_HEADS}))\s+(?:of|showing|depicting)\s+"
)
_STYLE_CLAUSE = re.compile(
    rf"^(?:in |as |with )?(?:an? |the )?(?:in the style of .+|style of .+"
    rf"|(?:(?!(?:in|on|at|with|of|and|by)\b)[\w-]+ ){{0,4}}?(?:{en.STYLE_HEADS})(?: style)?"
    rf"|{en.STYLE_WORDS})$"
)
_STYLE_END = re.compile(
    r"\s+((?:in (?:an? |the )?(?:style of .+|(?:[\w-]+ ){1,3}style))|(?:in the style of .+))$"
)
_BACKDROP = (
    r"(?:an? |the )?(?:(?!(?:on|in|at|with|against|over|and)\b)[\w-]+ ){0,4}?"
    r"(?:background|backdrop)(?: behind (?:them|it))?"
)
_BACKGROUND = re.compile(
    r"^((?:(?:all |set |placed |shown )?(?:on|against|over|with|before|in front of) )?"
    rf"{_BACKDROP})$"
)
_BACKGROUND_END = re.compile(rf"\s((?:on|against|over|with|before|in front of) {_BACKDROP})$")
_BACKGROUND_IS = re.compile(
    r"^(?:the )?(?:background|backdrop|bg)\s*(?:is|are|shows|should be|:|=|-|of)\s*(.+)$"
)
_IN_PLACE = re.compile(
    r"(?:^|\s)((?:all )?(?:in|inside|at|on|within) (?:(?:an?|the|some) )?"
    r"((?:(?!(?:an?|the|on|in|at|with|left|right|and)\b)[\w-]+ ){0,4}?([\w-]+))"
    r"(?: at (?:night|dusk|dawn|sunset|sunrise))?)$"
)
_SETTING_WITH = re.compile(
    r"^((?:an?|the) (?:[\w-]+ ){0,3}?([\w-]+))\s*"
    r"(?:with|containing|that has|has|contains|:|where there (?:is|are))\s+(?=\S)"
)
_THERE_IS = re.compile(
    r"^(?:and |then |also |finally |while |plus |with )*(?:there(?:'s| is| are) (?:also )?|we see |"
    r"(?:you|one) can see |it (?:shows|has|contains) )?"
)
_COPULA_END = re.compile(
    r"\s+(?:is|are|be|should be|appears?|stays?|goes|placed|located|positioned|shown)"
    r"(?: placed| located| positioned| shown| seen)?$"
)
_SUBJECT_IS = re.compile(r"^(it|they|he|she|this|the [\w -]+?) (?:is|are|should be|has|have) (.+)$")
_CONTINUES = re.compile(
    r"^(?:with|without|wearing|holding|sitting|standing|looking|lying|running|made|covered|filled|"
    r"surrounded|which|that|who|its|their|under|of)\b"
)
_COMPOUNDS = re.compile(
    r"\b(salt|bread|fish|rock|black|pen|cup|knife|mac|bow|day|peace|up|hide|thunder) and "
    r"(pepper|butter|chips|roll|white|paper|saucer|fork|cheese|arrow|night|quiet|down|seek|lightning)\b"
)
_BETWEEN_AND = re.compile(r"\bbetween ((?:(?! and |,|;|\.).)+) and ")
# "Left of the house is a tree": the thing that is placed comes last.
_INVERTED = re.compile(
    r"^((?:(?:on|to|at) the )?(?:left|right)(?: side)? of|above|below|beneath|under|behind"
    r"|in front of|next to|beside|near|on top of)"
    r" (.+?) (?:there is|there are|is|are|stands|sits|lies|hangs) "
    r"((?:an?|the|two|three|some|another) .+)$"
)
_NUMBERED = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")
_BARE_PLACE = re.compile(r"\b(?:on|in|at|to) the\b|\b(?:left|right|top|bottom)\b")


@dataclass(slots=True)
class _State:
    phrases: list[Phrase] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    setting: str = ""
    waiting: Place | None = None  # a position that was said before its phrase
    clause: int = 0


def parse_english(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    state = _State()
    if text.isupper():
        text = text.lower()
    text = _COMPOUNDS.sub(rf"\1 {JOINED} \2", text)
    text = _BETWEEN_AND.sub(rf"between \1 {JOINED} ", text)
    for index, sentence in enumerate(_sentences(text)):
        _read_sentence(sentence, state, first=index == 0)
    if state.waiting is not None:
        state.notes.append(f'"{state.waiting.words}" belongs to nothing that could be found.')
    return Scene(
        phrases=tuple(_restore(phrase) for phrase in state.phrases),
        background=_restore_text(" ".join(state.backgrounds)),
        setting=state.setting,
        styles=tuple(_restore_text(style) for style in state.styles),
        notes=tuple(state.notes),
    )


def _sentences(text: str) -> list[str]:
    parts = re.split(r"\n|;|(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s*$)|[!?]", text)
    return [part for part in (_NUMBERED.sub("", part).strip(" ,.") for part in parts) if part]


def _read_sentence(sentence: str, state: _State, *, first: bool) -> None:
    sentence = _lower_first(sentence)
    sentence = _PICTURE_OF.sub("", _POLITE.sub("", sentence))
    match = _STYLE_OF.match(sentence)
    if match and not state.phrases:
        state.styles.append(re.sub(r"^(?:an?|the) ", "", match[1]))
        sentence = sentence[match.end() :]
    match = _SETTING_WITH.match(sentence)
    if first and match and _is_place(match[2]) and not take_places(match[1])[1]:
        state.setting = match[1]
        state.backgrounds.append(f"{_preposition(match[2])} {match[1]}")
        sentence = sentence[match.end() :]
    for clause in _merge_adjectives(sentence.split(",")):
        state.clause += 1
        for part in _split_and(clause):
            _read_part(part, state)
    _take_trailing_place(state)


def _merge_adjectives(clauses: list[str]) -> list[str]:
    """Undo the split inside "a big, shiny apple"."""
    merged: list[str] = []
    for clause in (clause.strip() for clause in clauses):
        if not clause:
            continue
        if merged and _ends_in_attribute_only(merged[-1]) and not _starts_phrase(clause):
            merged[-1] = f"{merged[-1]} {clause}"
        else:
            merged.append(clause)
    return merged


def _ends_in_attribute_only(text: str) -> bool:
    words = re.split(r"\band\b", text)[-1].split()
    if not words or words[0].lower() not in (*en.DETERMINERS, *en.NUMBERS):
        return False
    rest = words[1:]
    return bool(rest) and all(
        is_attribute(w) or w in en.SIZES or w in en.COLOUR_MODIFIERS for w in rest
    )


def _split_and(clause: str) -> list[str]:
    """Split at each "and" that separates two things."""
    parts = re.split(r"\s+(?:and|&|plus|as well as|along with|together with)\s+|^and\s+", clause)
    merged: list[str] = []
    for part in (part.strip() for part in parts):
        if not part:
            continue
        if merged and not _separates(merged[-1], part):
            merged[-1] = f"{merged[-1]} and {part}"
        else:
            merged += _split_with(part)
    return merged


def _split_with(part: str) -> list[str]:
    """ "a dog in the middle with a ball on the left": two things, as each has its own place."""
    left, word, right = part.partition(" with ")
    if word and take_places(left)[1] and _starts_phrase(right) and take_places(right)[1]:
        return [left, right]
    return [part]


def _separates(left: str, right: str) -> bool:
    left_alone, _ = take_places(left)
    words = left_alone.split()
    if words and is_attributes_only(re.sub(r"^(?:an?|the|\w+teen|two|three) ", "", left_alone)):
        return False  # "a red and white cat"
    if _CONTINUES.match(right) and not _starts_phrase(right):
        return False
    if _starts_phrase(right):
        return True
    if is_attributes_only(right):
        return False
    has_place = take_places(left)[1] is not None
    plain = noun_phrase_end(left_alone) >= len(left_alone)
    return has_place or plain or take_places(right)[1] is not None


def _starts_phrase(text: str) -> bool:
    first = text.split(maxsplit=1)[0].lower()
    if first in en.DETERMINERS or first in en.NUMBERS or first.isdigit():
        return first not in ("its", "their")  # "its tail" belongs to what was named before
    if first in ("there", "on", "at", "in", "to") and _BARE_PLACE.match(text):
        return True
    return first in ("left", "right", "top", "bottom", "center", "centre", "middle", "there")


def _read_part(part: str, state: _State) -> None:
    if len(part) > MAX_PART:
        state.phrases.append(Phrase(part, clause=state.clause))
        return
    part = _INVERTED.sub(r"\3 \1 \2", _THERE_IS.sub("", part).strip())
    if not part:
        return
    if _take_background(part, state) or _take_style(part, state):
        return
    match = _SUBJECT_IS.match(part)
    if match and _take_statement(match, state):
        return
    part = _take_end_clauses(part, state)
    without, place = take_places(part)
    without, relation = take_relation(without)
    if place is not None or relation is not None:
        without = _COPULA_END.sub("", without)
        without = _THERE_IS.sub("", without).strip()
    without = re.sub(r"\s{2,}", " ", without).strip(" ,:")
    if without in ("", "is", "are", "it", "one", "the other", "another", "another one"):
        _take_place_alone(place, relation, state)
        return
    if state.phrases and place is None and relation is None:
        if is_attributes_only(without):
            _amend(state, -1, trailing=without)
            return
        if _CONTINUES.match(without):
            state.phrases[-1] = replace(
                state.phrases[-1], text=f"{state.phrases[-1].text}, {without}"
            )
            return
    if state.waiting is not None:
        place = state.waiting if place is None else place.joined(state.waiting)
        state.waiting = None
    relations = () if relation is None else (relation,)
    state.phrases.append(Phrase(without, place, relations, clause=state.clause))


def _take_background(part: str, state: _State) -> bool:
    match = _BACKGROUND_IS.match(part)
    if match:
        state.backgrounds.append(f"with {_background_name(match[1])}")
        return True
    match = _BACKGROUND.match(part)
    if match:
        state.backgrounds.append(_background_phrase(match[1]))
        return True
    match = _IN_PLACE.match(part)
    if match and _is_place(match[3]):
        state.backgrounds.append(match[1])
        return True
    return False


def _background_name(text: str) -> str:
    text = text.strip()
    if "background" in text or not is_attributes_only(text):
        return text
    return f"{text} background"


def _background_phrase(text: str) -> str:
    text = re.sub(r"^(?:all |set |placed |shown )| behind (?:them|it)$", "", text)
    return text if re.match(r"(?:on|against|over|with|before|in) ", text) else f"on {text}"


def _take_style(part: str, state: _State) -> bool:
    if not _STYLE_CLAUSE.match(part):
        return False
    # "a photograph" or "a painting on the left" alone is a thing to show, not a style.
    if not state.phrases and not state.backgrounds:
        return False
    if re.match(r"(?:an?|the|two|three) ", part) and not part.endswith("style"):
        return False
    state.styles.append(re.sub(r"^(?:in|as|with) (?:an? )?(?!the style)", "", part))
    return True


def _take_end_clauses(part: str, state: _State) -> str:
    """Cut "... in watercolor style" and "... on black background" off the end of a phrase."""
    match = _STYLE_END.search(part)
    if match:
        style = re.sub(r"^in (?:an? )?(?!the style|style)", "", match[1])
        state.styles.append(style)
        part = part[: match.start()]
    match = _BACKGROUND_END.search(part)
    if match:
        state.backgrounds.append(_background_phrase(match[1]))
        part = part[: match.start()]
    return part


def _take_statement(match: re.Match[str], state: _State) -> bool:
    """ "The cat is black", "it is on the left": said of a phrase that is there already."""
    subject, said = match[1], match[2]
    index = _find_subject(subject, state)
    if index is None:
        return False
    rest, place = take_places(said)
    rest, relation = take_relation(rest)
    rest = rest.strip(" ,")
    if place is not None or relation is not None:
        target = state.phrases[index]
        state.phrases[index] = replace(
            target,
            place=place if target.place is None else target.place,
            relations=target.relations + (() if relation is None else (relation,)),
        )
    if rest:
        _amend(state, index, trailing=rest)
    return True


def _find_subject(subject: str, state: _State) -> int | None:
    if not state.phrases:
        return None
    if subject in ("it", "they", "he", "she", "this"):
        return len(state.phrases) - 1
    noun = head_noun(subject)
    for index in range(len(state.phrases) - 1, -1, -1):
        if head_noun(state.phrases[index].text) == noun:
            return index
    return None


def _take_place_alone(place: Place | None, relation: Relation | None, state: _State) -> None:
    """A part that is only a position: of the phrase before it, unless that one has one."""
    if relation is not None and state.phrases:
        last = state.phrases[-1]
        state.phrases[-1] = replace(last, relations=(*last.relations, relation))
    if place is None:
        return
    if state.phrases and state.phrases[-1].place is None and state.waiting is None:
        _amend(state, -1, place=place)
    elif state.waiting is None:
        state.waiting = place
    else:
        state.waiting = state.waiting.joined(place)


def _amend(
    state: _State, index: int, *, trailing: str | None = None, place: Place | None = None
) -> None:
    phrase = state.phrases[index]
    if trailing is not None:
        phrase = replace(phrase, trailing=(*phrase.trailing, trailing))
    if place is not None:
        phrase = replace(phrase, place=place)
    state.phrases[index] = phrase


def _take_trailing_place(state: _State) -> None:
    """ "... in a kitchen" at the end of a sentence is where all of it happens."""
    if not state.phrases:
        return
    last = state.phrases[-1]
    match = _IN_PLACE.search(last.text)
    if match is None or match.start() == 0 or not _is_place(match[3]):
        return
    others = [p for p in state.phrases[:-1] if _own_place(p.text)]
    if others:
        return  # "a cat on a bed and a dog in a garden": each has its own
    state.backgrounds.append(match[1])
    state.phrases[-1] = replace(last, text=_COPULA_END.sub("", last.text[: match.start()].strip()))


def _own_place(text: str) -> bool:
    match = _IN_PLACE.search(text)
    return match is not None and match.start() > 0


def _is_place(word: str) -> bool:
    return word.lower() in en.PLACES


def _preposition(word: str) -> str:
    on = "beach street road field meadow island rooftop balcony terrace stage hill mountain"
    return "on" if word.lower() in on.split() else "in"


def _lower_first(text: str) -> str:
    """Lower a sentence's first letter, but not an acronym's or a name's."""
    first = text.split(maxsplit=1)[0]
    known = first.lower() in en.DETERMINERS or first.lower() in en.NUMBERS
    function_words = (
        "on in at to there please draw paint show create generate make imagine i it they"
    )
    words = f"{function_words} left right top bottom center centre middle background with"
    if known or first.lower().strip(",:") in words.split() or is_attribute(first):
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

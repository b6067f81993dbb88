"""Where an English sentence's scene is and how it looks: settings, backgrounds and styles."""

from __future__ import annotations

import re
from dataclasses import replace

from ...layout.scene import MAX_PART
from ..draft import Draft
from . import lexicon as en
from . import patterns
from .attributes import head_noun, is_attributes_only
from .places import take_places

_WEATHER = en.words("sky sunset sunrise night rain fog snow")
_PLACES_ON = en.words(
    "beach street road field meadow island rooftop balcony terrace stage hill mountain"
)


def take_opening(sentence: str, draft: Draft, *, first: bool) -> str:
    """Cut off "please draw", "a watercolor painting of" and "a kitchen with".

    Args:
        sentence: to read.
        draft: gets the style and the setting.
        first: whether nothing has been read before; only then it may open with a setting.
    """
    sentence = patterns.LABEL.sub("", sentence)
    sentence = patterns.PICTURE_OF.sub("", patterns.POLITE.sub("", sentence))
    match = patterns.STYLE_OF.match(sentence) or patterns.STYLED_PICTURE_OF.match(sentence)
    if match and not draft.phrases:
        draft.styles.append(re.sub(r"^(?:an?|the) ", "", match[1]).strip())
        sentence = sentence[match.end() :]
    match = patterns.SETTING_WITH.match(sentence)
    if first and match and _is_place(match[2]) and not take_places(match[1])[1]:
        _set_setting(match[1], match[2], draft)
        sentence = sentence[match.end() :]
    return sentence


def take_background(part: str, draft: Draft) -> bool:
    """Whether the part is a background, which then belongs to the draft."""
    match = patterns.BACKGROUND_IS.match(part)
    if match:
        draft.backgrounds.append(f"with {_background_name(match[1])}")
        return True
    match = patterns.BACKGROUND.match(part)
    if match:
        draft.backgrounds.append(_background_phrase(match[1]))
        return True
    match = patterns.IN_PLACE.match(part)
    if match and _is_place(match[3]):
        draft.backgrounds.append(match[1])
        return True
    return False


def take_style(part: str, draft: Draft) -> bool:
    """Whether the part is a style, which then belongs to the draft."""
    bracketed = patterns.BRACKETED.match(part)
    if bracketed:
        if patterns.STYLE_CLAUSE.match(bracketed[1]):
            draft.styles.append(part)
            return True
        return False
    if not patterns.STYLE_CLAUSE.match(part):
        return False
    # "a photograph" or "a painting on the left" is a thing to show, not a style.
    if re.match(r"(?:an?|the|two|three) ", part) and not part.endswith("style"):
        return False
    known = re.fullmatch(en.STYLE_WORDS, part, re.IGNORECASE)
    if not known and not draft.phrases and not draft.backgrounds and not draft.styles:
        return False
    draft.styles.append(re.sub(r"^(?:in|as|with) (?:an? )?(?!the style)", "", part))
    return True


def take_end_clauses(part: str, draft: Draft) -> str:
    """Cut "... in watercolor style" and "... on black background" off the end of a phrase."""
    match = patterns.STYLE_END.search(part)
    if match:
        draft.styles.append(re.sub(r"^in (?:an? )?(?!the style|style)", "", match[1]))
        part = part[: match.start()]
    match = patterns.BACKGROUND_END.search(part)
    if match:
        draft.backgrounds.append(_background_phrase(match[1]))
        part = part[: match.start()]
    return part


def take_setting_phrase(draft: Draft) -> None:
    """ "cozy living room, a sofa on the left": a place without an article, nowhere placed."""
    if len(draft.phrases) < 2 or draft.setting or draft.backgrounds:
        return
    for index in (0, len(draft.phrases) - 1):
        phrase = draft.phrases[index]
        others = draft.phrases[:index] + draft.phrases[index + 1 :]
        bare = phrase.text.split(maxsplit=1)[0].lower() not in (*en.DETERMINERS, *en.NUMBERS)
        elsewhere = all(other.place is not None for other in others)
        noun = head_noun(phrase.text)
        if not (bare and elsewhere and phrase.place is None and not phrase.relations):
            continue
        if not _is_place(noun):
            continue
        del draft.phrases[index]
        if index == 0:
            _set_setting(phrase.text, noun, draft)
        else:
            with_it = noun in _WEATHER
            draft.backgrounds.append(f"{'with' if with_it else 'in'} {phrase.text}")
        return


def take_trailing_place(draft: Draft) -> None:
    """ "... in a kitchen" at the end of a sentence is where all of it happens."""
    if not draft.phrases:
        return
    last = draft.phrases[-1]
    match = patterns.IN_PLACE.search(last.text[-MAX_PART:])
    if match is None or match.start() == 0 or not _is_place(match[3]):
        return
    if any(_own_place(phrase.text) for phrase in draft.phrases[:-1]):
        return  # "a cat on a bed and a dog in a garden": each has its own
    draft.backgrounds.append(match[1])
    text = last.text[: len(last.text) - len(match[0])].strip()
    draft.phrases[-1] = replace(last, text=patterns.COPULA_END.sub("", text))


def _set_setting(text: str, noun: str, draft: Draft) -> None:
    draft.setting = text
    on = noun.lower() in _PLACES_ON
    draft.backgrounds.append(f"{'on' if on else 'in'} {text}")


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

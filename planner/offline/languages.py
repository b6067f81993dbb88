"""The languages of the offline planner. Another one is a file as `worded/de` is, and a row."""

from __future__ import annotations

import re

from ..compose import is_cjk
from .en import lexicon as en
from .en.attributes import head_noun, split_phrase, take_count
from .en.parse import parse_english
from .language import Language, SplitPhrase
from .worded.de import GERMAN
from .zh import words as zh
from .zh.parse import parse_chinese


def _same_english(wanted: SplitPhrase, have: SplitPhrase) -> bool:
    return head_noun(have.high) == head_noun(wanted.high) != ""


def _same_chinese(wanted: SplitPhrase, have: SplitPhrase) -> bool:
    return bool(wanted.instance) and have.instance.endswith(wanted.instance)


ENGLISH = Language(
    code="en",
    read=parse_english,
    split=split_phrase,
    count=take_count,
    noun=head_noun,
    same=_same_english,
    definite="the ",
    before_background=r"^(?:on|against|over|with|before|in front of|inside|in|at|within) ",
    nothing=("nothing", "nobody", "no one", "empty", "empty space"),
    usually_high=en.USUALLY_HIGH,
    usually_low=en.USUALLY_LOW,
    rather_low=en.RATHER_LOW,
    wide=en.WIDE,
    sizes=en.SIZE_FACTORS,
    markers=en.words("a an the and of with on in is are left right top bottom above below behind"),
)
CHINESE = Language(
    code="zh",
    read=parse_chinese,
    split=zh.split_phrase_zh,
    count=zh.take_count_zh,
    noun=lambda text: zh.split_phrase_zh(text).instance,
    same=_same_chinese,
    comma="，",
    last="和",
    between="、",
    space="",
    nothing=("空白", "什么都没有"),
    usually_high=zh.USUALLY_HIGH,
    usually_low=zh.USUALLY_LOW,
    rather_low=zh.RATHER_LOW,
    wide=zh.WIDE,
    sizes=zh.SIZE_FACTORS,
)
LANGUAGES = {language.code: language for language in (ENGLISH, CHINESE, GERMAN)}


def language_of(text: str) -> Language:
    """The language that a text is written in; English where nothing tells."""
    if is_cjk(text):
        return CHINESE
    words = re.findall(r"[^\W\d_]+", text.lower())
    return max(
        (ENGLISH, GERMAN), key=lambda language: sum(word in language.markers for word in words)
    )

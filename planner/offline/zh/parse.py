"""Reading a Chinese sentence into a `Scene`."""

from __future__ import annotations

import re

from ...compose import compose_prompt
from ...layout.scene import MAX_PART, Place, Relation, Scene
from ..draft import Draft
from ..lists import list_lines
from .places import BACK, starts_high_or_low, take_places, take_relation
from .words import (
    COLOUR,
    LEAD,
    MEASURES,
    PLACES,
    SHORT_COLOUR,
    STYLE,
    TAIL,
    is_attribute_zh,
    split_attributes_zh,
    take_count_zh,
)

_BACKGROUND = re.compile(
    r"^(?:以)?(?:背景(?:是|为|：|:)?(?P<after>.+)|(?:在)?(?P<before>.{1,16}?)(?:作为|为|的)?背景(?:下|上|前|中)?)$"
)
_IN_PLACE = re.compile(rf"^(?:在)?(?P<place>.{{0,8}}?(?:{PLACES}))(?:里面|里|中|内|上|下)?$")
_IN_PLACE_START = re.compile(
    rf"^在?(?P<place>[^，]{{0,8}}?(?:{PLACES}))(?:里面|里|中|内|上)"
    r"(?:有|(?:，)?(?=[\d一二两三四五六七八九十]))"
)
_POLITE = re.compile(
    r"^(?:请)?(?:帮我|给我)?(?:画(?!面)|生成|绘制|创作|制作|展示)(?:出)?(?:一(?:张|幅|个))?"
    r"(?:(?:图片|图像|图|画面|画)(?:，|：|:)?)?"
)
_PICTURE = re.compile(
    r"^(?:这是)?一(?:张|幅)(?:图片|图|画)[，：:]?|^(?:画面|图片|图)(?:中|里|上)(?:有|，)?"
)
_STYLE_CLAUSE = re.compile(rf"^(?:{STYLE})(?:的?(?:风格|作品|画))?$", re.IGNORECASE)
_STYLE_START = re.compile(
    r"^(?:一(?:张|幅))?((?:\w{0,6}?)(?:风格|画风))的(?:一?(?:张|幅)?(?:画|图)[，：:]?)?"
)
_ORDERED = re.compile(
    r"(?:，|^)?从(左到右|右到左|上到下|下到上)(?:依次)?(?:排列着|排列|是|为|有)?[：:，]?"
)
_ORDERS = {"左": (0.0, None), "右": (1.0, None), "上": (None, 0.0), "下": (None, 1.0)}
_STYLED_PICTURE = re.compile(
    r"^一?(?:张|幅)(油画|水彩画|素描|国画|水墨画|照片|摄影作品|插画|版画|漫画)[，：:]"
)
# 左右两边各有一棵树
_BOTH_SIDES = re.compile(
    r"^(?:在)?(?:左右)?(?:两|二)(?:边|侧|旁)(?:各|都|分别)(?:有|是|站着|放着)?(?P<thing>.+)$|^左右(?:各|都|分别)有?(?P<other>.+)$"
)
_COUNTED = rf"(?:\d{{1,2}}|[一二两三四五六七八九十几]+)[{MEASURES}]"


def parse_chinese(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    reader = _Reader()
    text = list_lines(text.strip())
    text = re.sub(r"(?<=[\u3400-\u9fff，。；])[^\S\n]+|[^\S\n]+(?=[\u3400-\u9fff，。；])", "", text)
    if "前景" in text:  # then the background is a depth, too, and not what lies behind all
        text = re.sub(r"背景(?:是|为|：|:)", "背景中是", text)
    for sentence in re.split(r"[。；;\n！!？?]", text):
        reader.read_sentence(sentence.strip())
    return reader.scene()


class _Reader:
    """Reads part after part."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._one = ""  # one of the things that were named by their number

    def scene(self) -> Scene:
        """What has been read."""
        draft = self._draft
        _take_setting_phrase(draft)
        return Scene(
            phrases=tuple(draft.phrases),
            background="，".join(draft.backgrounds),
            styles=tuple(draft.styles),
            notes=draft.notes(),
            language="zh",
        )

    def read_sentence(self, sentence: str) -> None:
        draft = self._draft
        sentence = _PICTURE.sub("", _POLITE.sub("", sentence, count=1), count=1)
        order = _ORDERED.search(sentence)
        if order:
            sentence = f"{sentence[: order.start()]}，{sentence[order.end() :]}".strip("，")
        before = len(draft.phrases)
        match = _STYLE_START.match(sentence) or _STYLED_PICTURE.match(sentence)
        if match and match.end() < len(sentence):
            draft.styles.append(match[1])
            sentence = sentence[match.end() :]
        match = _IN_PLACE_START.match(sentence)
        if match and not starts_high_or_low(sentence):
            draft.backgrounds.append(f"在{match['place']}里")
            sentence = sentence[match.end() :]
        for clause in re.split(r"[，,、]", sentence):
            draft.clause += 1
            for part in _split_and(clause.strip()):
                self._read_part(part.strip(" ，：:"))
        if order:
            start = order[1][0]
            draft.place_in_order(before, _ORDERS[start], f"从{start}第{{}}")

    def _read_part(self, part: str) -> None:
        draft = self._draft
        if not part:
            return
        if len(part) > MAX_PART:
            draft.add(part)
            return
        if _take_background(part, draft):
            return
        if (draft.phrases or draft.backgrounds) and _STYLE_CLAUSE.match(part):
            draft.styles.append(part)
            return
        both = _BOTH_SIDES.match(part)
        if both:
            for side, x in (("左", 0.0), ("右", 1.0)):
                draft.add(both["thing"] or both["other"], Place(x=x, words=f"{side}边"))
            return
        if not starts_high_or_low(part) and self._take_relation(part):
            return
        text, place = take_places(part)
        text = TAIL.sub("", LEAD.sub("", text)).strip()
        if not text:
            if place is not None:
                draft.place_alone(place)
            return
        if draft.phrases and place is None and is_attribute_zh(text):
            draft.amend(-1, trailing=text.removesuffix("的"))
            return
        if place is not None and is_attribute_zh(text) and self._take_one_of_them(text, place):
            return
        place = draft.with_waiting(place)
        index = self._find(text)
        if index is not None and place is not None and draft.phrases[index].place is None:
            draft.amend(index, place=place)
            return
        draft.add(text, place)

    def _take_relation(self, part: str) -> bool:
        draft = self._draft
        related = take_relation(part)
        if related is not None:
            subject, relation = related
            subject = TAIL.sub("", LEAD.sub("", subject))
            index = self._find(subject)
            if index is None:
                draft.add(subject, relations=(relation,))
            else:
                draft.amend(index, relation=relation)
            return True
        beside = re.match(r"^(?:它的?)?旁边?(?:还)?有(.+)$", part)
        if beside and draft.phrases:
            anchor = split_attributes_zh(draft.phrases[-1].text)[1]
            draft.add(beside[1], relations=(Relation("next_to", (anchor,), part),))
            return True
        return False

    def _take_one_of_them(self, text: str, place: Place) -> bool:
        """两个圆，左边的是红色: the second part is 一个红色的圆, and the first is dropped."""
        phrases = self._draft.phrases
        if not phrases:
            return False
        if take_count_zh(phrases[-1].text)[0] > 1 and phrases[-1].place is None:
            self._one = take_count_zh(phrases.pop().text)[1]
        if not self._one:
            return False
        high, instance, _ = split_attributes_zh(self._one)
        self._draft.add(compose_prompt(high, "", instance, (text.removesuffix("的"),)), place)
        return True

    def _find(self, text: str) -> int | None:
        """The earlier phrase that a bare noun names again ("猫" after "一只黑猫")."""
        if re.match(_COUNTED, text):
            return None
        for index, phrase in enumerate(self._draft.phrases):
            if phrase.text.endswith(text):
                return index
        return None


def _split_and(clause: str) -> list[str]:
    """Split at each 和/与 that separates two things, not at the one in "A和B之间"."""
    if not clause:
        return []
    parts = re.split(r"(?:和|与|以及|还有|及|并且)", clause)
    merged: list[str] = []
    for part in parts:
        if not part:
            continue
        between = re.match(r".+?(?:之间|的?中间)", part) and "在" in clause[: clause.find(part)]
        colours = merged and re.search(rf"(?:{COLOUR}|{SHORT_COLOUR})的?$", merged[-1])
        bare = colours and is_attribute_zh(_strip_count(merged[-1]))
        if merged and (between or bare):
            merged[-1] = f"{merged[-1]}和{part}"
        else:
            merged.append(part)
    return merged


def _strip_count(text: str) -> str:
    return re.sub(rf"^{_COUNTED}", "", text)


def _take_setting_phrase(draft: Draft) -> None:
    """一片森林，中间有一座小屋: a place that is itself nowhere is where all of it happens."""
    if len(draft.phrases) < 2 or draft.backgrounds:
        return
    head, *others = draft.phrases
    instance = split_attributes_zh(head.text)[1]
    elsewhere = all(other.place is not None for other in others)
    if head.place is None and elsewhere and re.fullmatch(PLACES, instance):
        del draft.phrases[0]
        draft.backgrounds.append(f"在{_strip_count(head.text)}里")


def _take_background(part: str, draft: Draft) -> bool:
    match = _BACKGROUND.match(part)
    if match and not BACK.match(part):
        said = match["after"] or match["before"]
        if match["after"] and re.match(r"(?:中|里|上|处)(?:有|是)", said):
            return False
        said = re.sub(r"^(?:在|一片|一个)", "", said).removesuffix("的")
        plain = re.fullmatch(rf"{COLOUR}|{SHORT_COLOUR}", said) or match["before"]
        draft.backgrounds.append(f"{said}背景" if plain else f"背景是{said}")
        return True
    match = _IN_PLACE.match(part)
    if match and part.startswith("在"):
        draft.backgrounds.append(part if re.search(r"[里中内上下]$", part) else f"{part}里")
        return True
    return False

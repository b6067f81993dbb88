"""Reading a Chinese sentence into a `Scene`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from .compose import compose_prompt
from .scene import MAX_PART, Phrase, Place, Relation, RelationKind, Scene
from .zh_words import (
    COLOUR,
    MEASURES,
    PLACES,
    SHORT_COLOUR,
    STYLE,
    is_attribute_zh,
    split_attributes_zh,
    take_count_zh,
)

_SIDE = r"(?:边|侧|面|方|部|半边|半部分|半部|半|手边|边缘)"
_CANVAS = r"(?:(?:画面|图片|图像|图中|画布|照片|画|图)(?:的|中的|中|里的)?)?(?:最|正|偏)?"
_CORNER = re.compile(
    rf"(?:在|位于)?{_CANVAS}(?:(?P<h>左|右)(?P<v>上|下)|(?P<v2>上|下)(?P<h2>左|右))(?:角|{_SIDE})?"
)
_SIDE_WORD = re.compile(
    rf"(?:在|位于)?{_CANVAS}(?:(?P<h>左|右){_SIDE}|(?P<v>上|下|顶|底)(?:{_SIDE}|端)"
    r"|(?P<c>中间|中央|正中间?|中心|居中|当中))(?:位置|区域)?"
)
# 左：一只猫, 上是天空; but not 桌子上有.
_BARE_WORD = re.compile(
    rf"(?<![\u4e00-\u9fff])(?:在)?{_CANVAS}(?:(?P<h>左|右)|(?P<v>上|下))(?=[:：是为有])"
)
_BACK = re.compile(r"(?:在|位于)?(?:画面的?)?(?:背景(?:中|里|上|处)|远处|远方|后景(?:中|里)?)")
_FRONT = re.compile(r"(?:在|位于)?(?:画面的?)?(?:前景(?:中|里|处)?|近处|最前面)")
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
_LEAD = re.compile(
    r"^(?:的|然后|另外|此外|还有|以及|并且|而且|而|和|与|及|有着|有|是|：|:|则是|则|画着|画了|为|放着|摆着|站着|坐着)+"
)
_TAIL = re.compile(r"(?:[站坐趴放躺停挂摆靠蹲跪睡立飞]?在|位于|是|有|放着|处|的|，|：|:)+$")
_ORDERED = re.compile(
    r"(?:，|^)?从(左到右|右到左|上到下|下到上)(?:依次)?(?:排列着|排列|是|为|有)?[：:，]?"
)
_ORDERS = {"左": (0.0, None), "右": (1.0, None), "上": (None, 0.0), "下": (None, 1.0)}
_STYLED_PICTURE = re.compile(
    r"^一?(?:张|幅)(油画|水彩画|素描|国画|水墨画|照片|摄影作品|插画|版画|漫画)[，：:]"
)

_ANCHOR_SIDES: tuple[tuple[RelationKind, str], ...] = (
    ("between", r"之间|中间"),
    ("left_of", r"左边|左侧|左面|左方"),
    ("right_of", r"右边|右侧|右面|右方"),
    ("in_front_of", r"前面|前方|前边|面前"),
    ("behind", r"后面|后方|后边|背后|身后"),
    ("above", r"上面|上方|之上|上边|顶上"),
    ("below", r"下面|下方|之下|下边|底下"),
    ("next_to", r"旁边|旁|身边|身旁|边上|附近"),
)
_SIDES = "|".join(f"(?P<{kind}>{words})" for kind, words in _ANCHOR_SIDES)
_AT = r"(?:[站坐趴放躺停挂摆靠蹲跪睡立飞]?在|位于)"
_CANVAS_NOUNS = r"(?:画面|图片|图像|图|画布|照片|画)"
# "猫在狗的左边": the subject comes first.
_SUBJECT_FIRST = re.compile(
    rf"^(?P<subject>.+?){_AT}(?P<anchor>(?!{_CANVAS_NOUNS}的?(?:左|右|上|下|中|前|后)).+?)的?(?:{_SIDES})$"
)
# "狗的左边有一只猫": the anchor comes first.
_ANCHOR_FIRST = re.compile(
    rf"^(?:在)?(?P<anchor>(?!{_CANVAS_NOUNS}的?(?:左|右|上|下|中|前|后)).+?)的?(?:{_SIDES})(?:有|是|站着|坐着|放着|趴着|挂着|摆着|躺着)(?P<subject>.+)$"
)
_COUNTED = rf"(?:\d{{1,2}}|[一二两三四五六七八九十几]+)[{MEASURES}]"


@dataclass(slots=True)
class _State:
    phrases: list[Phrase] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    waiting: Place | None = None
    clause: int = 0
    one: str = ""  # one of the things that were named by their number


def parse_chinese(text: str) -> Scene:
    """Read a sentence, a list or several sentences."""
    state = _State()
    text = re.sub(r"(?<=[\u3400-\u9fff，。；])\s+|\s+(?=[\u3400-\u9fff，。；])", "", text.strip())
    for sentence in re.split(r"[。；;\n！!？?]", text):
        sentence = _PICTURE.sub("", _POLITE.sub("", sentence.strip(), count=1), count=1)
        order = _ORDERED.search(sentence)
        if order:
            sentence = f"{sentence[: order.start()]}，{sentence[order.end() :]}".strip("，")
        start = len(state.phrases)
        match = _STYLE_START.match(sentence) or _STYLED_PICTURE.match(sentence)
        if match and match.end() < len(sentence):
            state.styles.append(match[1])
            sentence = sentence[match.end() :]
        match = _IN_PLACE_START.match(sentence)
        if match:
            state.backgrounds.append(f"在{match['place']}里")
            sentence = sentence[match.end() :]
        for clause in re.split(r"[，,、]", sentence):
            state.clause += 1
            for part in _split_and(clause.strip()):
                _read_part(part, state)
        if order:
            _place_in_order(state, start, order[1][0])
    _take_setting_phrase(state)
    if state.waiting is not None:
        state.notes.append(f'"{state.waiting.words}" belongs to nothing that could be found.')
    return Scene(
        phrases=tuple(state.phrases),
        background="，".join(state.backgrounds),
        styles=tuple(state.styles),
        notes=tuple(state.notes),
        chinese=True,
    )


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


def _read_part(part: str, state: _State) -> None:
    part = part.strip(" ，：:")
    if not part:
        return
    if len(part) > MAX_PART:
        state.phrases.append(Phrase(part, clause=state.clause))
        return
    if _take_background(part, state):
        return
    if (state.phrases or state.backgrounds) and _STYLE_CLAUSE.match(part):
        state.styles.append(part)
        return
    relation_match = _SUBJECT_FIRST.match(part) or _ANCHOR_FIRST.match(part)
    if relation_match and _LEAD.sub("", relation_match["anchor"]).strip("的最正偏"):
        _take_relation(relation_match, state)
        return
    beside = re.match(r"^(?:它的?)?旁边?(?:还)?有(.+)$", part)
    if beside and state.phrases:
        anchor = split_attributes_zh(state.phrases[-1].text)[1]
        relation = Relation("next_to", (anchor,), part)
        state.phrases.append(Phrase(beside[1], None, (relation,), clause=state.clause))
        return
    text, place = _take_places(part)
    text = _TAIL.sub("", _LEAD.sub("", text)).strip()
    if not text:
        _take_place_alone(place, state)
        return
    if state.phrases and place is None and is_attribute_zh(text):
        last = state.phrases[-1]
        state.phrases[-1] = replace(last, trailing=(*last.trailing, text.removesuffix("的")))
        return
    if place is not None and is_attribute_zh(text) and _take_one_of_them(text, place, state):
        return
    if state.waiting is not None:
        place = state.waiting if place is None else place.joined(state.waiting)
        state.waiting = None
    index = _find(text, state)
    if index is not None and place is not None and state.phrases[index].place is None:
        state.phrases[index] = replace(state.phrases[index], place=place)
        return
    state.phrases.append(Phrase(text, place, clause=state.clause))


def _take_one_of_them(text: str, place: Place, state: _State) -> bool:
    """两个圆，左边的是红色: the second part is 一个红色的圆, and the first is dropped."""
    if not state.phrases:
        return False
    if take_count_zh(state.phrases[-1].text)[0] > 1 and state.phrases[-1].place is None:
        state.one = take_count_zh(state.phrases.pop().text)[1]
    if not state.one:
        return False
    high, instance, _ = split_attributes_zh(state.one)
    said = text.removesuffix("的")
    whole = compose_prompt(high, "", instance, (said,))
    state.phrases.append(Phrase(whole, place, clause=state.clause))
    return True


def _take_setting_phrase(state: _State) -> None:
    """一片森林，中间有一座小屋: a place that is itself nowhere is where all of it happens."""
    if len(state.phrases) < 2 or state.backgrounds:
        return
    head, *others = state.phrases
    instance = split_attributes_zh(head.text)[1]
    elsewhere = all(other.place is not None for other in others)
    if head.place is None and elsewhere and re.fullmatch(PLACES, instance):
        del state.phrases[0]
        state.backgrounds.append(f"在{re.sub(rf'^{_COUNTED}', '', head.text)}里")


def _place_in_order(state: _State, start: int, first: str) -> None:
    """从左到右: the phrases of the sentence, evenly along that axis."""
    count = len(state.phrases) - start
    x, y = _ORDERS[first]
    for k in range(count if count > 1 else 0):
        share = k / (count - 1)
        place = Place(
            x=None if x is None else abs(x - share),
            y=None if y is None else abs(y - share),
            words=f"从{first}第{k + 1}",
        )
        phrase = state.phrases[start + k]
        state.phrases[start + k] = replace(phrase, place=phrase.place or place)


def _take_background(part: str, state: _State) -> bool:
    match = _BACKGROUND.match(part)
    if match and not _BACK.match(part):
        said = match["after"] or match["before"]
        if match["after"] and re.match(r"(?:中|里|上|处)(?:有|是)", said):
            return False
        said = re.sub(r"^(?:在|一片|一个)", "", said).removesuffix("的")
        plain = re.fullmatch(rf"{COLOUR}|{SHORT_COLOUR}", said) or match["before"]
        state.backgrounds.append(f"{said}背景" if plain else f"背景是{said}")
        return True
    match = _IN_PLACE.match(part)
    if match and part.startswith("在"):
        state.backgrounds.append(part if re.search(r"[里中内上下]$", part) else f"{part}里")
        return True
    return False


def _take_relation(match: re.Match[str], state: _State) -> None:
    kind: RelationKind = next(kind for kind, _ in _ANCHOR_SIDES if match[kind])
    anchor = _LEAD.sub("", match["anchor"])
    anchors: tuple[str, ...] = (anchor,)
    if kind == "between":
        anchors = tuple(re.split(r"和|与", anchor, maxsplit=1))
        if len(anchors) != 2:
            kind, anchors = "next_to", (anchor,)
    subject = _TAIL.sub("", _LEAD.sub("", match["subject"]))
    relation = Relation(kind, anchors, match[0])
    index = _find(subject, state)
    if index is not None:
        found = state.phrases[index]
        state.phrases[index] = replace(found, relations=(*found.relations, relation))
        return
    state.phrases.append(Phrase(subject, None, (relation,), clause=state.clause))


def _find(text: str, state: _State) -> int | None:
    """The earlier phrase that a bare noun names again ("猫" after "一只黑猫")."""
    if re.match(_COUNTED, text):
        return None
    for index, phrase in enumerate(state.phrases):
        if phrase.text.endswith(text):
            return index
    return None


def _take_places(text: str) -> tuple[str, Place | None]:
    place: Place | None = None
    for pattern in (_BACK, _FRONT, _CORNER, _SIDE_WORD, _SIDE_WORD, _BARE_WORD):
        match = pattern.search(text)
        if match is None:
            continue
        found = _read(pattern, match)
        place = found if place is None else place.joined(found)
        text = text[: match.start()] + text[match.end() :]
    return text, place


def _read(pattern: re.Pattern[str], match: re.Match[str]) -> Place:
    words = match[0]
    if pattern is _BACK:
        return Place(depth=-1, words=words)
    if pattern is _FRONT:
        return Place(depth=1, words=words)
    groups = match.groupdict()
    horizontal = groups.get("h") or groups.get("h2")
    vertical = groups.get("v") or groups.get("v2")
    if groups.get("c"):
        return Place(x=0.5, y=0.5, words=words)
    return Place(
        x=None if horizontal is None else float(horizontal == "右"),
        y=None if vertical is None else float(vertical in "下底"),
        words=words,
    )


def _take_place_alone(place: Place | None, state: _State) -> None:
    if place is None:
        return
    if state.phrases and state.phrases[-1].place is None and state.waiting is None:
        state.phrases[-1] = replace(state.phrases[-1], place=place)
    else:
        state.waiting = place if state.waiting is None else state.waiting.joined(place)

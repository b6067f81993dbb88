"""Position words of Chinese: where they point, and how they are cut out of a phrase."""

from __future__ import annotations

import re

from ...layout.relations import RelationKind, kind_of, word_groups
from ...layout.scene import Place, Relation
from .words import LEAD

_SIDE = r"(?:边|侧|面|方|部|半边|半部分|半部|半|手边|边缘)"
_CANVAS = r"(?:(?:画面|图片|图像|图中|画布|照片|画|图)(?:的|中的|中|里的)?)?(?:最|正|偏)?"
_CORNER = re.compile(
    rf"(?:在|位于)?{_CANVAS}(?:(?P<h>左|右)(?P<v>上|下)|(?P<v2>上|下)(?P<h2>左|右))(?:角|{_SIDE})?"
)
_SIDE_WORD = re.compile(
    rf"(?:在|位于)?{_CANVAS}(?:(?P<h>左|右){_SIDE}|(?P<v>上|下|顶|底)(?:{_SIDE}|端)"
    r"|(?P<c>中间|中央|正中间?|中心|居中|当中))(?:位置|区域)?"
)
# 天空中有一只鹰，地上有一只兔子: where in the world is where in the picture, too.
_SKY = re.compile(
    r"^(?:在)?(?:(?P<sky>天空[中上里]|空中|天上|半空中?|高空)|(?P<ground>地上|地面上?|地下|脚下))(?=有|飞|飘|[站坐趴躺放停跑走]|是|一)"
)
# 左：一只猫, 上是天空; but not 桌子上有.
_BARE_WORD = re.compile(
    rf"(?<![\u4e00-\u9fff])(?:在)?{_CANVAS}(?:(?P<h>左|右)|(?P<v>上|下))(?=[:：是为有])"
)
BACK = re.compile(r"(?:在|位于)?(?:画面的?)?(?:背景(?:中|里|上|处)|远处|远方|后景(?:中|里)?)")
_FRONT = re.compile(r"(?:在|位于)?(?:画面的?)?(?:前景(?:中|里|处)?|近处|最前面)")

RELATION_WORDS: dict[RelationKind, str] = {
    "between": r"之间|中间",
    "left_of": r"左边|左侧|左面|左方|左手边|左",
    "right_of": r"右边|右侧|右面|右方|右手边|右",
    "in_front_of": r"前面|前方|前边|面前|跟前|正前方|前",
    "behind": r"后面|后方|后边|背后|身后|后",
    "above": r"上面|上方|之上|上边|顶上|顶部|上空|头顶|上",
    "below": r"下面|下方|之下|下边|底下|底部|脚下|下",
    "next_to": r"旁边|旁|身边|身旁|边上|附近|周围|一侧|边",
}
_SIDES = word_groups(RELATION_WORDS)
_POSTURE = "站坐趴放躺停挂摆靠蹲跪睡立飞飘浮漂游跑走住藏躲骑爬落长种悬搁停升倚卧插堆铺"
_AT = rf"(?:[{_POSTURE}]?在|位于)"
_DOING = rf"(?:有|是|[{_POSTURE}生开亮](?:着|起|满|了))"
_CANVAS_NOUNS = r"(?:画面|图片|图像|图|画布|照片|画)"
_NOT_CANVAS = rf"(?!{_CANVAS_NOUNS}的?(?:左|右|上|下|中|前|后))"
# "猫在狗的左边": the subject comes first; a verb may follow.
_SUBJECT_FIRST = re.compile(
    rf"^(?P<subject>.+?){_AT}(?P<anchor>{_NOT_CANVAS}(?![上下左右前后中最旁]).+?)的?正?(?:{_SIDES})"
    rf"(?:(?<=[边面方侧间旁后前上下])[\u4e00-\u9fff]{{1,2}}着?)?$"
)
# "狗的左边有一只猫", "窗台上放着一盆花": the anchor comes first.
_ANCHOR_FIRST = re.compile(
    rf"^(?:在)?(?P<anchor>{_NOT_CANVAS}(?![上下左右前后中最旁]).+?)的?正?(?:{_SIDES}){_DOING}(?P<subject>.+)$"
)
# "一条龙飞过城堡上空"
_PASSES = re.compile(
    r"^(?P<subject>.+?)[飞飘跃跳掠越滑](?:过|越|在)(?P<anchor>[^在]+?)(?:的?(?:上空|上方|顶上|头顶))?$"
)


def starts_high_or_low(text: str) -> bool:
    """Whether a text begins with the sky or the ground as a place (天空中有)."""
    return _SKY.match(text) is not None


def take_relation(part: str) -> tuple[str, Relation] | None:
    """What is said to lie beside something else, and how ("猫在狗的左边": "猫", left of "狗")."""
    match = _SUBJECT_FIRST.match(part) or _ANCHOR_FIRST.match(part)
    if match is None:
        over = _PASSES.match(part)
        if over is None:
            return None
        return over["subject"], Relation("above", (over["anchor"],), over[0])
    if "上有" in match[0] and match.groupdict().get("above") == "上":
        return None  # 桌子上有一个花瓶: one thing, as "a vase on a table" is
    anchor = LEAD.sub("", match["anchor"])
    if not anchor.strip("的最正偏"):
        return None
    kind = kind_of(match)
    anchors: tuple[str, ...] = (anchor,)
    if kind == "between":
        anchors = tuple(re.split(r"和|与", anchor, maxsplit=1))
        if len(anchors) != 2:
            kind, anchors = "next_to", (anchor,)
    return match["subject"], Relation(kind, anchors, match[0])


def take_places(text: str) -> tuple[str, Place | None]:
    """The phrase without its position words, and where they point, or None without any."""
    place: Place | None = None
    for pattern in (_SKY, BACK, _FRONT, _CORNER, _SIDE_WORD, _SIDE_WORD, _BARE_WORD):
        match = pattern.search(text)
        if match is None:
            continue
        found = _read(pattern, match)
        place = found if place is None else place.joined(found)
        text = text[: match.start()] + text[match.end() :]
    return text, place


def _read(pattern: re.Pattern[str], match: re.Match[str]) -> Place:
    words = match[0]
    if pattern is BACK:
        return Place(depth=-1, words=words)
    if pattern is _FRONT:
        return Place(depth=1, words=words)
    groups = match.groupdict()
    if pattern is _SKY:
        return Place(y=0.0 if groups["sky"] else 1.0, words=words)
    horizontal = groups.get("h") or groups.get("h2")
    vertical = groups.get("v") or groups.get("v2")
    if groups.get("c"):
        return Place(x=0.5, y=0.5, words=words)
    return Place(
        x=None if horizontal is None else float(horizontal == "右"),
        y=None if vertical is None else float(vertical in "下底"),
        words=words,
    )

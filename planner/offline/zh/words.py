"""Chinese words that the offline planner knows, and the phrase split that needs nothing else."""

from __future__ import annotations

import re

from ...layout.scene import MAX_PART
from ..language import SplitPhrase

NUMBERS = {
    "两": 2, "二": 2, "俩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
    "十": 10, "十二": 12,
}  # fmt: skip
MEASURES = (
    "个只条张把朵棵株辆座件匹头位名幅本杯瓶盏块片颗粒支根艘架台间栋双对群束串枚顶扇面尊盆碗篮轮弯壶"
)
COLOUR = (
    r"(?:深|浅|暗|亮|淡|鲜|纯|粉|天|海|草|墨|嫩|翠|橄榄|玫瑰|宝石|柠檬|咖啡|巧克力|米)?"
    r"(?:红|绿|蓝|黄|紫|橙|橘|青|白|黑|灰|棕|褐|粉|金|银|彩|米|咖啡|巧克力|玫瑰)(?:红|绿|蓝|黄|紫|白)?色"
)
SHORT_COLOUR = (
    r"(?:大红|粉红|深红|深蓝|浅蓝|天蓝|深绿|浅绿|翠绿|金黄|雪白|乌黑|漆黑|"
    r"红|绿|蓝|黄|紫|橙|青|白|黑|灰|粉|金|银)"
)
MATERIAL = (
    r"(?:木质|木制|木头|实木|玻璃|金属|塑料|皮质|皮革|丝绸|棉质|羊毛|陶瓷|瓷|石头|石质|大理石|水晶|"
    r"铁制|铁|铜|钢|布艺|竹编|竹|藤编|纸质|毛绒|冰|玉|木)"
)
LOOK = (
    r"(?:毛茸茸|毛绒绒|闪亮|闪闪发光|发光|光滑|粗糙|柔软|透明|半透明|古老|老旧|破旧|崭新|复古|现代|"
    r"可爱|美丽|漂亮|优雅|华丽|简约|年轻|年老|条纹|斑点|格子|生锈|明亮|昏暗|温暖|干净|肮脏|新鲜|"
    r"蓬松|卡通|写实|神秘|凶猛|温顺|快乐|悲伤|湿润|干枯|精致)"
)
# 黄瓜 is a cucumber and no yellow melon: short colours stop before these.
NOT_AFTER_COLOUR = (
    r"(?!瓜|牛奶|酒|发女|板|猩猩|云石|梅|楼|杨|鼠|熊猫|茶|包车|绿灯|鹭|葡萄酒|鱼缸|丝带|头发|菜|糖)"
)

# What usually lies high or low in a picture, as the lists of `en.lexicon`.
USUALLY_HIGH = ("天空", "星空", "夜空", "太阳", "月亮", "云", "云朵", "星星", "彩虹", "天花板")
USUALLY_LOW = ("地面", "地板", "草地", "草坪", "地毯")
RATHER_LOW = (
    "椅子",
    "桌子",
    "沙发",
    "床",
    "凳子",
    "长椅",
    "猫",
    "狗",
    "兔子",
    "汽车",
    "河",
    "湖",
    "花",
)

WIDE = (
    "天空",
    "大海",
    "海",
    "地面",
    "墙",
    "草地",
    "沙滩",
    "沙漠",
    "麦田",
    "田野",
    "雪山",
    "森林",
    "河",
    "街道",
    "晚霞",
)
SIZE_FACTORS = {
    "微小": (0.5, 0.5), "小小": (0.5, 0.5), "小": (0.65, 0.65), "巨大": (1.8, 1.8),
    "高大": (1.2, 1.5), "大": (1.4, 1.4), "高高": (0.85, 1.5), "长长": (1.5, 0.85),
}  # fmt: skip

PLACES = (
    r"厨房|房间|客厅|卧室|浴室|教室|办公室|图书馆|博物馆|森林|树林|花园|公园|草地|草原|草坪|海滩|沙滩|海边|"
    r"海底|大海|海上|湖边|河边|山上|山谷|山顶|雪地|沙漠|街道|街上|城市|村庄|田野|天空|太空|宇宙|夜空|"
    r"院子|庭院|屋顶|阳台|舞台|商店|超市|餐厅|咖啡馆|酒吧|工厂|车站|教堂|城堡|宫殿|寺庙|农场|洞穴|"
    r"工作室|画室|室内|室外|户外|夜晚|黄昏|清晨|雨中|雪中|竹林"
)
STYLE = (
    r"[\w\s]{0,12}?(?:风格|画风|画法|质感|光线|光照|打光)|油画|水彩画?|水墨画?|国画|素描|写实|照片级真实|摄影作品?|"
    r"卡通|动漫|插画|像素画|赛博朋克|印象派|高清|超清|4k|8k|高质量|高品质|杰作|精细|细节丰富|电影感|逼真|"
    r"柔和的光线|暖色调|冷色调"
)

LEAD = re.compile(
    r"^(?:的|然后|另外|此外|还有|以及|并且|而且|而|和|与|及|有着|有|是|：|:|则是|则|画着|画了|为|放着|摆着|站着|坐着)+"
)
TAIL = re.compile(r"(?:[站坐趴放躺停挂摆靠蹲跪睡立飞]?在|位于|是|有|放着|处|的|，|：|:)+$")

# A material before a single character is part of the noun (玻璃杯), before a longer one it is not.
_ATTRIBUTE = re.compile(rf"(?:{COLOUR}|{LOOK})(?:的|(?=[^的]))|{MATERIAL}(?:的|(?=[^的][^的]))")
_SHORT = re.compile(rf"{SHORT_COLOUR}(?:的|{NOT_AFTER_COLOUR}(?=[^的色]))")
_PREFIX = re.compile(
    rf"^(?:(?:\d{{1,2}}|[一二两俩三四五六七八九十几多]+)(?:[{MEASURES}])?|[{MEASURES}](?=\w\w)|那[{MEASURES}]?|这[{MEASURES}]?)"
)
_DOING = re.compile(r"(?:穿|戴|拿|骑|抱|举|看|坐|站|提|牵|背|捧)着|正在|[站坐趴躺停睡]在")
_PREDICATE = re.compile(rf"^(.+?)(?:是|呈)({COLOUR}|{LOOK}|{MATERIAL})的?$")


def split_attributes_zh(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Split a Chinese phrase into (phrase without attributes, instance, attributes).

    Example:
        >>> split_attributes_zh("一个红色的圆")
        ('一个圆', '圆', ('红色',))
    """
    attributes: list[str] = []
    match = _PREDICATE.match(text)
    if match:
        text = match[1]
        attributes.append(match[2])
    carrier = re.match(
        rf"^.{{1,6}}?(?:上|里|中|内)有(?=(?:\d|[一二两三四五六七八九十几])+[{MEASURES}])", text
    )
    start = carrier.end() if carrier else 0  # 桌子上有一个红色的花瓶: the vase is what is described
    prefix = _PREFIX.match(text[start:])
    start += prefix.end() if prefix else 0
    before, rest = text[:start], text[start:]
    size = ""
    while rest:
        found = re.match(r"(?:大|小|巨大|高大|矮小)的?(?=\S)", rest)
        if found and re.match(rf"{COLOUR}|{MATERIAL}|{LOOK}", rest[found.end() :]):
            size += found[0]
            rest = rest[found.end() :]
            continue
        found = _ATTRIBUTE.match(rest) or _SHORT.match(rest)
        if found is None or found.end() >= len(rest):
            break
        attributes.append(found[0].removesuffix("的"))
        rest = rest[found.end() :].lstrip("，、和又")
    subject = _DOING.split(rest, maxsplit=1)[0] or rest
    instance = subject.rsplit("的", 1)[-1] or subject
    return before + size + rest, instance, tuple(attributes)


def split_phrase_zh(text: str, trailing: tuple[str, ...] = ()) -> SplitPhrase:
    """Split one phrase; `trailing` are attributes that followed it after a comma."""
    if len(text) > MAX_PART:
        return SplitPhrase(text, "", trailing)
    high, instance, attributes = split_attributes_zh(text)
    return SplitPhrase(high, instance, (*attributes, *trailing))


def is_attribute_zh(text: str) -> bool:
    """Whether the text only describes ("红色的")."""
    return re.fullmatch(rf"(?:{COLOUR}|{MATERIAL}|{LOOK}|{SHORT_COLOUR})的?", text) is not None


def take_count_zh(text: str) -> tuple[int, str]:
    """How many of it, and the phrase for one of them ("三只小猫": 3, "一只小猫")."""
    match = re.match(rf"(\d{{1,2}}|十二|[两二俩三四五六七八九十])([{MEASURES}])?(?=\S)", text)
    if not match:
        return 1, text
    count = int(match[1]) if match[1].isdigit() else NUMBERS[match[1]]
    if not 2 <= count <= 64 or (match[2] is None and not match[1].isdigit()):
        return 1, text
    return count, f"一{match[2] or '个'}{text[match.end() :]}"

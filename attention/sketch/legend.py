"""The legend of a sketch: which colour stands for which phrase."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import ImageColor

from ..errors import RegionError

CHINESE_NAMES = {
    "红": "red", "绿": "green", "蓝": "blue", "黄": "yellow", "橙": "orange", "橘": "orange",
    "紫": "purple", "粉": "pink", "棕": "saddlebrown", "褐": "saddlebrown", "黑": "black",
    "灰": "gray", "白": "white", "青": "cyan", "金": "gold", "银": "silver",
}  # fmt: skip

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of a legend.

    Attributes:
        label: the colour as it was written.
        color: red, green, blue, 0..255.
        exact: written as a number ("#e63946"), not as a name.
        phrase: what this colour stands for.
    """

    label: str
    color: Rgb
    exact: bool
    phrase: str


def parse_color(text: str) -> Rgb:
    """A colour name (CSS, or a Chinese one such as 红色) or "#rgb", "#rrggbb".

    Raises:
        RegionError: it is neither.
    """
    word = text.strip().lower()
    word = CHINESE_NAMES.get(word.removesuffix("色"), word)
    try:
        red, green, blue = ImageColor.getrgb(word)[:3]
        if not all(0 <= level <= 255 for level in (red, green, blue)):
            raise ValueError  # "rgb(999, 0, 0)" is read as it stands
    except ValueError:
        raise RegionError(
            f"{text.strip()!r} is no colour. Expected a CSS name such as red or skyblue, "
            "a Chinese one such as 红色, or a number such as #e63946."
        ) from None
    return red, green, blue


def parse_legend(text: str) -> tuple[LegendEntry, ...]:
    """Read "colour -> phrase", one per line; "=>", "→", "=" and ":" do as well.

    Raises:
        RegionError: a line without colour or phrase, no colour, or a colour twice.
    """
    entries: list[LegendEntry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        label, arrow, phrase = _split_line(line)
        if not label or not arrow:
            raise RegionError(
                f"Line {number} of the legend is {line.strip()!r}, expected 'colour -> phrase', "
                "for example 'red -> a red fox' or '#3a86ff -> a blue car'."
            )
        if not phrase:
            raise RegionError(
                f"Line {number} of the legend has the colour {label!r} without a phrase. Write "
                f"'{label} -> what it stands for', or remove the line."
            )
        color = parse_color(label)
        same = next((e for e in entries if e.color == color), None)
        if same is not None:
            raise RegionError(
                f"Line {number} of the legend gives {label!r} a second phrase ({phrase!r}; the "
                f"first is {same.phrase!r}). Paint each instance in a colour of its own."
            )
        entries.append(LegendEntry(label, color, label.startswith("#"), phrase))
    return tuple(entries)


def _split_line(line: str) -> tuple[str, str, str]:
    match = re.match(r"\s*(#?[^\s#:=→>-]+(?: [^\s:=→>-]+)*?)\s*(->|=>|→|[=:：])(.*)$", line)
    return (match[1].strip(), match[2], match[3].strip()) if match else ("", "", "")

"""What the other programs keep in widgets beside the text."""

from __future__ import annotations

from dataclasses import dataclass

DIRECTIONS = ("columns", "rows")
PARTS = ("as written", "first is global", "last is global", "first goes before each")


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """Settings of an import that stand outside of the text.

    Attributes:
        direction: which way parts are laid out: "columns" (Regional Prompter's Columns or
            Horizontal, forge-couple's Horizontal) or "rows" (Rows, Vertical).
        sizes: Regional Prompter's divide ratio ("1,2,1" or "1,1,1;2,1"), or forge-couple's mapping
            ("0:0.5 0:1 1" per line, or the JSON of an infotext); empty: equal parts.
        parts: what the first or last part is besides a region, one of `PARTS` (Regional
            Prompter's base and common prompt, forge-couple's global effect).
        width_px, height_px: size of the picture, for formats that give pixels.
        negative_prompt: of the whole picture, or in Regional Prompter's parts.
    """

    direction: str = "columns"
    sizes: str = ""
    parts: str = "as written"
    width_px: int = 1024
    height_px: int = 1024
    negative_prompt: str = ""

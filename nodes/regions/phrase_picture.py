"""Pictures of sketches and of phrase bindings: the token grid, and a table beside it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...attention.canvas.regions import Box, RegionSet
from ...attention.phrases import Layers, PhraseBinding, show_layers, show_tokens

Color = tuple[int, int, int]

PICTURE_PX = 640  # longer side of the grid
TABLE_PX = 560
_PAPER, _INK, _FAINT, _LINE = (250, 250, 250), (25, 25, 28), (110, 110, 116), (214, 214, 218)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of the table: a region's colour and number, a heading, and smaller lines below."""

    color: Color | None
    badge: str
    heading: str
    details: tuple[str, ...] = ()


def binding_rows(
    binding: PhraseBinding, colors: Sequence[Color], layers: Layers | None = None
) -> list[TableRow]:
    """Table of a binding: each phrase with its tokens, and the layers of each class of tokens."""
    rows = [
        TableRow(
            colors[index],
            str(index + 1),
            phrase.text,
            (
                f"tokens {show_tokens(phrase.tokens)}",
                f"instance {show_tokens(phrase.instance)}   "
                f"attributes {show_tokens(phrase.attributes)}",
            ),
        )
        for index, phrase in enumerate(binding.phrases)
    ]
    background = (f"tokens {show_tokens(binding.background)}",)
    rows.append(TableRow(None, "", "background", background))
    for name, ranges in (layers or {}).items():
        rows.append(TableRow(None, "", f"layers of {name}: {show_layers(ranges)}"))
    return rows


def draw_regions(
    regions: RegionSet, colors: Sequence[Color], rows: Sequence[TableRow], long_side: int
) -> torch.Tensor:
    """Draw regions on the token grid, with a table to the right.

    Args:
        regions: R regions; painted masks give the aspect, boxes alone a square.
        colors: R colours.
        rows: of the table; empty: no table.
        long_side: image tokens along the longer side of the grid, 1..256.

    Returns:
        [1, height, width, 3] float32 in 0..1, ComfyUI's IMAGE.
    """
    n_rows, n_cols = _grid(regions, long_side)
    cell = max(2, PICTURE_PX // max(n_rows, n_cols))
    grid = _draw_grid(regions, colors, n_rows, n_cols, cell)
    if not rows:
        return _to_tensor(grid)
    table = _draw_table(rows)
    height = max(grid.height, table.height) + 24
    page = Image.new("RGB", (grid.width + table.width + 36, height), _PAPER)
    page.paste(grid, (12, 12))
    page.paste(table, (grid.width + 24, 12))
    return _to_tensor(page)


def _grid(regions: RegionSet, long_side: int) -> tuple[int, int]:
    painted = [r.shape for r in regions.regions if not isinstance(r.shape, Box)]
    height, width = painted[0].shape if painted else (1, 1)
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _draw_grid(
    regions: RegionSet, colors: Sequence[Color], n_rows: int, n_cols: int, cell: int
) -> Image.Image:
    masks = regions.masks(n_rows, n_cols)
    share = masks / masks.sum(0).clamp_min(1.0)
    paint = torch.tensor(colors, dtype=torch.float32)
    free = (1.0 - share.sum(0)).clamp_min(0.0)[..., None]
    picture = torch.einsum("rhw,rc->hwc", share, paint) + 255.0 * free
    small = Image.fromarray(picture.clamp(0, 255).numpy().astype(np.uint8))
    image = small.resize((n_cols * cell, n_rows * cell), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image, "RGBA")
    if cell >= 4:
        for x in range(0, image.width + 1, cell):
            draw.line((x, 0, x, image.height), fill=(0, 0, 0, 28))
        for y in range(0, image.height + 1, cell):
            draw.line((0, y, image.width, y), fill=(0, 0, 0, 28))
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=_LINE)
    for index, mask in enumerate(masks):
        x, y = _label_place(mask)
        _badge(draw, (x + 0.5) * cell, (y + 0.5) * cell, str(index + 1), colors[index], 14)
    return image


def _label_place(mask: torch.Tensor) -> tuple[int, int]:
    """The token (x, y) deepest within the region: a centre of mass may lie outside a ring."""
    from scipy import ndimage

    inside = np.pad((mask >= min(0.5, float(mask.max()))).numpy(), 1)
    depth = np.asarray(ndimage.distance_transform_edt(inside))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x), int(y)


def _badge(
    draw: ImageDraw.ImageDraw, x: float, y: float, text: str, color: Color, radius: int
) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, fill=color, outline=(255, 255, 255), width=2)
    light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    fill = _INK if light else (255, 255, 255)
    draw.text((x, y), text, fill=fill, anchor="mm", font=_font(radius + 2))


def _draw_table(rows: Sequence[TableRow]) -> Image.Image:
    lines = [(row, [part for text in row.details for part in _wrap(text, 14)]) for row in rows]
    heights = [26 + 18 * len(details) + 12 for _, details in lines]
    image = Image.new("RGB", (TABLE_PX, sum(heights)), _PAPER)
    draw = ImageDraw.Draw(image)
    top = 0
    for (row, details), height in zip(lines, heights, strict=True):
        if row.color is not None:
            _badge(draw, 14, top + 13, row.badge, row.color, 12)
        heading = readable(row.heading, f"phrase {row.badge} (see the text)")
        draw.text((38, top + 4), _cut(heading, 17), fill=_INK, font=_font(17))
        for number, detail in enumerate(details):
            draw.text((38, top + 27 + 18 * number), detail, fill=_FAINT, font=_font(14))
        top += height
        draw.line((0, top - 5, TABLE_PX, top - 5), fill=_LINE)
    return image


def _wrap(text: str, size: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and _font(size).getlength(longer) > TABLE_PX - 44:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(text: str, size: int) -> str:
    if _font(size).getlength(text) <= TABLE_PX - 44:
        return text
    while text and _font(size).getlength(text + "...") > TABLE_PX - 44:
        text = text[:-1]
    return text + "..."


def readable(text: str, instead: str) -> str:
    """The text, without accents if need be, or `instead` where the font lacks its characters.

    The font is Pillow's own: the only one that is there on every machine, and it has no Chinese.
    """
    font = _font(17)
    missing = _bitmap(font, "\uffff")
    parts = unicodedata.normalize("NFKD", text)
    for wording in (text, "".join(c for c in parts if not unicodedata.combining(c))):
        if all(c.isspace() or _bitmap(font, c) != missing for c in wording):
            return wording
    return instead


def _bitmap(font: Any, character: str) -> bytes:
    """What the font draws for it."""
    return bytes(font.getmask(character))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _to_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255.0)[None]

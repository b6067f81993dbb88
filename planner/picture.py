"""A plan as a picture: its boxes, numbered, and what each of them shows."""

from __future__ import annotations

import io
import textwrap
from xml.sax.saxutils import escape

from .errors import PlanError
from .plan import Plan, RegionPlan

SIDE_PX = 640  # the longer side of the canvas
_LINE_PX, _LEGEND_COLUMNS = 18, 84
# Told apart by most people with a colour vision deficiency (Okabe and Ito, 2008).
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#000000")


def plan_svg(plan: Plan) -> str:
    """The plan as an SVG file, in any script; a region without a box is only listed.

    Raises:
        PlanError: the plan has no box at all.
    """
    width, height = _canvas(plan)
    lines = _legend(plan)
    total = height + _LINE_PX * (len(lines) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" '
        f'viewBox="0 0 {width} {total}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{total}" fill="#ffffff"/>',
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" fill="#f4f4f4" '
        'stroke="#808080"/>',
    ]
    for index in _back_to_front(plan):
        x0, y0, x1, y1 = _pixels(plan.regions[index], width, height)
        color = _color(plan.regions[index], index)
        parts.append(
            f'<rect x="{x0 + 1:.1f}" y="{y0 + 1:.1f}" width="{x1 - x0 - 2:.1f}" '
            f'height="{y1 - y0 - 2:.1f}" fill="{color}" fill-opacity="0.25" stroke="{color}" '
            'stroke-width="2"/>'
            f'<text x="{x0 + 8:.1f}" y="{y0 + 18:.1f}" font-weight="bold">{index + 1}</text>'
        )
    for number, line in enumerate(lines, 1):
        parts.append(f'<text x="8" y="{height + _LINE_PX * number}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>"])


def plan_image(plan: Plan, format: str) -> bytes:
    """The same with Pillow, in one of its formats ("PNG"); its own font has Latin letters only.

    Raises:
        PlanError: the plan has no box at all.
    """
    from PIL import Image, ImageDraw, ImageFont  # only who draws needs it

    width, height = _canvas(plan)
    lines = _legend(plan)
    image = Image.new("RGB", (width, height + _LINE_PX * (len(lines) + 1)), "white")
    draw = ImageDraw.Draw(image, "RGBA")
    draw.rectangle((0, 0, width - 1, height - 1), fill="#f4f4f4", outline="#808080")
    font = ImageFont.load_default()
    for index in _back_to_front(plan):
        color = _color(plan.regions[index], index)
        x0, y0, x1, y1 = _pixels(plan.regions[index], width, height)
        draw.rectangle((x0 + 1, y0 + 1, x1 - 2, y1 - 2), fill=color + "40", outline=color, width=2)
        draw.text((x0 + 8, y0 + 6), str(index + 1), fill="black", font=font)
    for number, line in enumerate(lines):
        draw.text((8, height + _LINE_PX * number + 4), line, fill="black", font=font)
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def _canvas(plan: Plan) -> tuple[int, int]:
    if all(region.box is None for region in plan.regions):
        raise PlanError("The plan has no boxes, so there is nothing to draw.")
    aspect = plan.aspect or 1.0
    width, height = (1.0, 1 / aspect) if aspect >= 1 else (aspect, 1.0)
    return max(64, round(SIDE_PX * width)), max(64, round(SIDE_PX * height))


def _legend(plan: Plan) -> list[str]:
    lines = []
    for index, region in enumerate(plan.regions, 1):
        why = f" - {region.why}" if region.why else ""
        lines += textwrap.wrap(f"{index}. {region.prompt()}{why}", _LEGEND_COLUMNS)[:3]
    return lines


def _back_to_front(plan: Plan) -> list[int]:
    boxed = [i for i, region in enumerate(plan.regions) if region.box is not None]
    return sorted(boxed, key=lambda i: plan.regions[i].order)


def _color(region: RegionPlan, index: int) -> str:
    return region.color or _COLORS[index % len(_COLORS)]


def _pixels(region: RegionPlan, width: int, height: int) -> tuple[float, float, float, float]:
    assert region.box is not None  # `_back_to_front` leaves the others out
    x0, y0, x1, y1 = region.box
    # Never thinner than the border that is drawn around it.
    return (
        x0 * width,
        y0 * height,
        max(x1 * width, x0 * width + 4),
        max(y1 * height, y0 * height + 4),
    )

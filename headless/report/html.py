"""The report's page: everything in one HTML file, readable without a network."""

from __future__ import annotations

import base64
import html
import io
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .data import AxisInfo, SweepData, mean, select

THUMB_PX = 176
PLOT_SCALE = 1.6  # plots have that many pixels per pixel of the page
WIDE_PX = 1100  # plots that are wider take the whole width of the page
_MOST_COLUMNS = 6
_MOST_ROWS = 24
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.5rem 4rem; color: #222; background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; }
p { max-width: 44rem; margin: .5rem 0; }
.facts { color: #555; }
.failed { background: #fdecea; border-left: 4px solid #c0392b; padding: .5rem .9rem; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 2rem; }
.plots .wide { grid-column: 1 / -1; }
@media (max-width: 46rem) { .plots { grid-template-columns: minmax(0, 1fr); } }
.plot img { max-width: 100%; height: auto; display: block; }
figure { margin: 0; }
figcaption { color: #555; font-size: .86rem; max-width: 44rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; }
.numbers th, .numbers td { padding: .3rem .8rem; border-bottom: 1px solid #e3e3e3; }
.numbers th { text-align: left; border-bottom: 2px solid #999; font-weight: 600;
  vertical-align: bottom; }
.numbers th.n, .numbers td.n { text-align: right; }
.numbers td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.numbers td.best { font-weight: 700; }
.numbers small { color: #777; }
.pictures td, .pictures th { padding: .25rem .6rem .5rem 0; vertical-align: top; }
.pictures th { text-align: left; font-weight: 600; font-size: .92rem; }
.pictures tbody th { white-space: nowrap; padding-right: 1rem; }
.pair { display: flex; gap: 3px; }
.pair figcaption { font-size: .74rem; line-height: 1.2; }
.pair img { display: block; width: 100%; min-width: 84px; max-width: 176px; height: auto;
  border-radius: 2px; }
"""


def page(
    data: SweepData, plots: Sequence[tuple[Mapping[str, Any], bytes]], notes: Sequence[str]
) -> str:
    """The whole page.

    Args:
        data: of the sweep.
        plots: declared plots with their PNGs.
        notes: sentences on what is missing.
    """
    body = [f"<h1>{_text(data.title)}</h1>", *_paragraphs(data.about), _facts(data)]
    body += [f'<p class="failed">{_text(note)}</p>' for note in notes]
    if plots:
        body += ['<div class="plots">', *(_plot(plot, png) for plot, png in plots), "</div>"]
    body += _tables(data)
    body += _pictures(data)
    body += _failures(data)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(data.title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _paragraphs(text: str) -> list[str]:
    return [f"<p>{_text(part)}</p>" for part in text.split("\n\n") if part.strip()]


def _facts(data: SweepData) -> str:
    axes = ", ".join(f"{a.title} ({len(a.labels)})" for a in data.axes)
    failed = sum(1 for row in data.rows if row["error"])
    tail = f", {failed} failed" if failed else ""
    return f'<p class="facts">{len(data.rows)} jobs{tail}. Axes: {_text(axes)}.</p>'


def _plot(plot: Mapping[str, Any], png: bytes) -> str:
    title = str(plot.get("title") or "")
    note = f"<figcaption>{_text(plot['note'])}</figcaption>" if plot.get("note") else ""
    head = f"<h2>{_text(title)}</h2>" if title else ""
    source = _data_url("png", png)
    width_px = struct.unpack(">I", png[16:20])[0]
    wide = ' class="wide"' if width_px > WIDE_PX else ""
    return (
        f'<section{wide}>{head}<figure class="plot"><img alt="{_text(title or "plot")}" '
        f'width="{round(width_px / PLOT_SCALE)}" src="{source}">{note}</figure></section>'
    )


def _tables(data: SweepData) -> list[str]:
    """Per varied axis: the mean of each number, with its interval."""
    columns = data.numeric()
    parts: list[str] = []
    if not columns:
        return parts
    for axis in data.varied():
        head = "".join(f'<th class="n">{_text(c)}</th>' for c in columns)
        lines = [f'<tr><th>{_text(axis.title)}</th>{head}<th class="n">jobs</th></tr>']
        for label in axis.labels:
            rows = select(data.rows, **{axis.name: label})
            cells = "".join(_mean_cell([r[c] for r in rows]) for c in columns)
            lines.append(f'<tr><td>{_text(label)}</td>{cells}<td class="n">{len(rows)}</td></tr>')
        parts.append(f"<h2>By {_text(axis.title)}</h2>")
        parts.append(f'<div class="scroll"><table class="numbers">{"".join(lines)}</table></div>')
    if parts:
        parts.append(
            '<p class="facts">Means over all other axes; after &plusmn; half of the 95 % '
            "interval.</p>"
        )
    return parts


def _mean_cell(values: Sequence[float]) -> str:
    found = mean(values)
    if found is None:
        return '<td class="n">not measured</td>'
    spread = f" <small>&plusmn; {found.half_width:.3f}</small>" if found.n > 1 else ""
    return f'<td class="n">{found.value:.3f}{spread}</td>'


def _pictures(data: SweepData) -> list[str]:
    """Rows: the first varied axis; columns: the repeats, or the next axis."""
    if not any(row["pictures"] for row in data.rows):
        return []
    varied = data.varied()
    repeats = [a for a in data.axes if a.is_repeat]
    down: AxisInfo = varied[0] if varied else data.axes[0]
    others = [a for a in [*repeats, *varied, *data.axes] if a.name != down.name]
    across = others[0] if others else None
    rest = [a for a in data.axes if a.name != down.name and (not across or a.name != across.name)]
    fixed = {a.name: a.labels[0] for a in rest}
    columns = list(across.labels[:_MOST_COLUMNS]) if across else [None]
    head = "".join(f"<th>{_text(f'{across.title} {c}') if across else ''}</th>" for c in columns)
    lines = [f"<thead><tr><th>{_text(down.title)}</th>{head}</tr></thead><tbody>"]
    for label in down.labels[:_MOST_ROWS]:
        cells = []
        for column in columns:
            wanted = {down.name: label, **fixed}
            if across:
                wanted[across.name] = column
            cells.append(f"<td>{_cell(select(data.rows, **wanted))}</td>")
        lines.append(f"<tr><th>{_text(label)}</th>{''.join(cells)}</tr>")
    shown = ", ".join(f"{a.title} {a.labels[0]}" for a in rest)
    note = f'<p class="facts">Shown for {_text(shown)}.</p>' if shown else ""
    return [
        "<h2>Pictures</h2>",
        note,
        f'<div class="scroll"><table class="pictures">{"".join(lines)}</tbody></table></div>',
    ]


def _cell(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows or not rows[0]["pictures"]:
        return ""
    figures = [
        f'<figure><img alt="{_text(title)}" src="{_thumbnail(path)}">'
        f"<figcaption>{_text(_short(title))}</figcaption></figure>"
        for title, path in rows[0]["pictures"].items()
    ]
    return f'<div class="pair">{"".join(figures)}</div>'


def _short(title: str) -> str:
    """A picture's caption: the title of the node that saved it, without the saving."""
    return re.sub(r"^Save( Image)?[,:]? +", "", title)


def _failures(data: SweepData) -> list[str]:
    failed = [row for row in data.rows if row["error"]]
    if not failed:
        return []
    items = []
    for row in failed[:20]:
        point = ", ".join(f"{a.title} {row[a.name]}" for a in data.axes)
        items.append(f"<li>{_text(point)}: {_text(row['error'])}</li>")
    more = f"<p>and {len(failed) - 20} more</p>" if len(failed) > 20 else ""
    return ["<h2>Failed jobs</h2>", f"<ul>{''.join(items)}</ul>{more}"]


def _thumbnail(path: Path) -> str:
    """A picture as a data URL: a small JPEG where Pillow is there, else the file itself."""
    data = path.read_bytes()
    try:
        from PIL import Image
    except ImportError:
        return _data_url(path.suffix.lstrip(".") or "png", data)
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
        small.thumbnail((2 * THUMB_PX, 2 * THUMB_PX))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
    return _data_url("jpeg", out.getvalue())


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

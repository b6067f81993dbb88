"""``report``: one self-contained HTML page and PNG plots of a sweep's results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..report import data as report_data
from ..report import html as report_html
from ..report import plots as report_plots
from ..report.data import SweepData
from ..saving import write_atomically
from .options import enter


def add_command(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register ``report`` with the command line."""
    add = commands.add_parser(
        "report", parents=list(parents), help="a page with plots and pictures of a sweep's results"
    )
    add.add_argument("folder", type=Path, metavar="DIR", help="folder that 'sweep' made")
    add.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The command."""
    data = report_data.load(options.folder)  # a wrong folder is told before anything else
    if find_spec("matplotlib") is None:
        _, code = enter(options)
        if code is not None:
            return code
    notes = []
    plots: list[tuple[Mapping[str, Any], bytes]] = []
    if find_spec("matplotlib") is None:
        notes.append(
            "The plots are left out, because matplotlib is not installed. Install it and make the "
            f"report again: {sys.executable} -m pip install matplotlib"
        )
    else:
        plots = make_plots(data)
    page = report_html.page(data, plots, notes)
    target = options.folder / "report.html"
    write_atomically(target, page.encode("utf-8"))
    for number, (plot, png) in enumerate(plots, 1):
        write_atomically(options.folder / f"plot_{number}_{plot.get('kind', 'line')}.png", png)
    for note in notes:
        options.progress.line(note)
    print(f"Report:\n  {target}")
    if plots:
        print(f"  {len(plots)} plots beside it, plot_*.png")
    return 0


def make_plots(data: SweepData) -> list[tuple[Mapping[str, Any], bytes]]:
    """The declared plots, or one of each number against each axis."""
    wanted = list(data.plots) or report_plots.default_plots(data)
    return [(plot, report_plots.draw(data, plot)) for plot in wanted]

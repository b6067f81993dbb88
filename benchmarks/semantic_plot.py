"""Picture of the depth curve: right objects against the patched layers of the demo model.

python3 -m headless run benchmarks/semantic_plot.py     # needs matplotlib
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from semantic_methods import PREFIXES, WINDOWS, Method

RESULTS = Path(__file__).resolve().parent / "results"
COLORS = {"W2": "#0072B2", "grid4": "#D55E00"}
LABELS = {"W2": "2 regions side by side", "grid4": "4 regions, 2 x 2"}


def draw(report: dict[str, Any], path: Path) -> None:
    """Prefixes on the left, windows on the right, 95 % intervals.

    Args:
        report: what ``semantic.py --methods prefix window`` wrote.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    cells = {(c["layout"], c["method"]): c for c in report["cells"]}
    figure = Figure(figsize=(9.4, 3.5), dpi=144, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True, width_ratios=(9, 7))
    groups: tuple[tuple[str, tuple[Method, ...], list[str]], ...] = (
        ("first k layers patched", PREFIXES, [str(k) for k in range(len(PREFIXES))]),
        ("only these layers patched", WINDOWS, [m.label.removeprefix("layers ") for m in WINDOWS]),
    )
    for axes, (title, methods, ticks) in zip(panels, groups, strict=True):
        for number, (layout, color) in enumerate(COLORS.items()):
            known = [
                (at, cells[layout, m.name]["object"])
                for at, m in enumerate(methods)
                if (layout, m.name) in cells
            ]
            if not known:
                continue
            at = [x + 0.12 * (number - 0.5) for x, _ in known]
            share = [100 * c["share"] for _, c in known]
            low = [s - 100 * c["interval"][0] for s, (_, c) in zip(share, known, strict=True)]
            high = [100 * c["interval"][1] - s for s, (_, c) in zip(share, known, strict=True)]
            line = "o-" if methods is PREFIXES else "o"
            axes.errorbar(
                at, share, (low, high), fmt=line, color=color, capsize=2, elinewidth=1, ms=5,
                label=LABELS[layout],
            )  # fmt: skip
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlabel(f"{title} (of 8)")
        axes.set_ylim(0, 102)
        axes.grid(axis="y", color="#DDDDDD", lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("right object in its region, %")
    panels[0].legend(frameon=False, loc="lower right", fontsize=9)
    figure.savefig(path)


def main() -> None:
    report = json.loads((RESULTS / "semantic_depth.json").read_text(encoding="utf-8"))
    path = RESULTS / "semantic_depth.png"
    draw(report, path)
    print(path)


if __name__ == "__main__":
    main()

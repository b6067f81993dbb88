"""The report in Markdown: what was measured on, every stage, and the goals beside the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .results import Results, StageResults
from .stages import CORRECT, FAST, STAGES, WHERE, Stage

PUBLISHED = """\
What others publish (none names a ratio for the same model, picture and device):

- Regional Prompting FLUX (arXiv 2411.02395, dense mask, A800-SXM4-80GB): at 16 masks its inference
  is 9 times faster than RPG on Flux.1 dev; its figure 6 shows the time rising with the masks.
- FlexAttention (PyTorch, H100): sparse blocks 581 TFLOP/s beside 431 of a fused kernel with a bias
  (pytorch issue 138493); there are shapes where it is slower than a dense one (148711: 38.0 against
  27.3 ms).
"""


def machine(rehearse: bool) -> dict[str, Any]:
    """What is measured on."""
    import platform

    import torch

    on_gpu = torch.cuda.is_available() and not rehearse
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
        "torch": torch.__version__,
        "rehearsal": rehearse,
    }
    if on_gpu:
        found["memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        found["capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
    return found


def write(results: Results, path: Path) -> None:
    """Write the report anew from all that was found so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(results), encoding="utf-8")


def text(results: Results) -> str:
    """The whole report."""
    found, about = results.stages(), results.machine() or {}
    lines = ["# GPU programme", ""]
    if about.get("rehearsal"):
        lines += ["**Rehearsal: sizes cut down. Its times say nothing about a GPU.**", ""]
    lines += [", ".join(f"{key} {value}" for key, value in about.items()), ""]
    lines += ["| stage | shows | end | cells | seconds |", "|---|---|---|---|---|"]
    lines += [_summary(stage, found.get(stage.name)) for stage in STAGES]
    for part in (CORRECT, FAST, WHERE):
        lines += ["", f"## {part}"]
        if part == FAST:
            lines += ["", PUBLISHED.rstrip()]
        for stage in STAGES:
            if stage.part == part and stage.name in found:
                lines += ["", f"### {stage.name}: {stage.title}", "", *_table(found[stage.name])]
    return "\n".join(lines) + "\n"


def _summary(stage: Stage, found: StageResults | None) -> str:
    if found is None:
        return f"| {stage.name} | {stage.title} | not run yet | | |"
    states = [line["state"] for line in found.cells.values()]
    counted = ", ".join(
        f"{states.count(s)} {s}" for s in ("ok", "skipped", "failed") if s in states
    )
    end = found.end or "begun"
    why = found.ends[-1].get("why", "") if found.ends else ""
    shown = f"{end}: {_cell(why)}" if why else end
    return f"| {stage.name} | {stage.title} | {shown} | {counted} | {found.seconds:.0f} |"


def _table(found: StageResults) -> list[str]:
    """One row a cell; fields that any of them has are columns."""
    hidden = ("stage", "cell", "state")
    columns = list(dict.fromkeys(key for line in found.cells.values() for key in line))
    columns = [key for key in columns if key not in hidden]
    if "goal" in columns:
        columns.insert(columns.index("goal") + 1, "met")
    lines = [
        "| cell | state | " + " | ".join(columns) + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    for line in found.cells.values():
        if line.get("goal") is not None and "ratio" in line:
            line = {**line, "met": "yes" if line["ratio"] <= line["goal"] else "**no**"}
        values = [_cell(line.get(key)) for key in columns]
        lines.append(f"| {line['cell']} | {line['state']} | " + " | ".join(values) + " |")
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        value = ", ".join(f"{key} {_cell(part)}" for key, part in value.items())
    elif isinstance(value, list):
        value = json.dumps(value)
    return str(value).replace("|", "\\|").replace("\n", " ")

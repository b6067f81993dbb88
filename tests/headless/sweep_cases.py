"""A sweep of plain colours, of ComfyUI's own nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regional_dit.headless.sweep.file import load, make_jobs
from regional_dit.headless.sweep.store import Store

GRAPH = {
    "1": {"class_type": "EmptyImage",
          "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"},
          "_meta": {"title": "Save"}},
    "3": {"class_type": "PrimitiveInt", "inputs": {"value": 0}},
}  # fmt: skip


def write_sweep(folder: Path, count: int, name: str = "colors", **changes: Any) -> Path:
    """A sweep of so many colours, whose table has a number for each."""
    (folder / "graph.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    content = {
        "name": name,
        "workflow": "graph.json",
        "axes": [{
            "name": "color", "set": ["EmptyImage.color", "PrimitiveInt.value"],
            "range": {"from": 1000, "count": count},
        }],
        "collect": {"number": "PrimitiveInt:INT"},
        **changes,
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def finished(out: Path) -> int:
    """Jobs of a sweep that are done."""
    return len(list(out.glob("jobs/*.json")))


def start(tmp_path: Path, path: Path) -> tuple[Store, list[Any]]:
    """An opened store, and the sweep's jobs."""
    sweep = load(path)
    store = Store(tmp_path / "out")
    store.open(sweep)
    return store, make_jobs(sweep)

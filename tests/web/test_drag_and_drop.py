"""All workflows dropped on the graph, as files and as pictures, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .conftest import BOTH, Driver


@BOTH
def test_workflows_load_by_drag_and_drop(
    driver: Driver, repo: Path, tmp_path: Path, vue: bool
) -> None:
    """All whose nodes this host has; in the second renderer as many as hold every kind of node."""
    schemas = requests.get(f"{driver.url}/object_info", timeout=60).json()
    known = schemas.keys()
    sources = sorted((repo / "workflows").glob("*.json"), key=lambda path: path.stat().st_size)
    sources = [source for source in sources if kinds_that_run(source) <= known]
    assert len(sources) > 20
    shortest, *_, longest = sources
    if vue:
        sources = [shortest, *with_all_kinds_of_nodes(sources)]
    files, twins = [], {}
    for source in dict.fromkeys(sources):
        text = source.read_text(encoding="utf-8")
        picture = tmp_path / f"{source.stem}.png"
        embedded = PngInfo()
        embedded.add_text("workflow", text)
        Image.new("RGB", (8, 8)).save(picture, pnginfo=embedded)
        twin = json.loads((source.parent / "api" / source.name).read_text(encoding="utf-8"))
        # A picture holds the same text as the file: to read the shortest and the longest is enough.
        for path in (source, picture) if source in (shortest, longest) else (source,):
            files.append({"path": str(path)})
            twins[str(path)] = twin
    found = driver.run("dropped", vue=vue, files=files)
    for path, twin in twins.items():
        loaded = found[path]
        assert loaded["unknown"] == [], path
        for dialog in loaded["dialogs"]:  # the editor offers to download what is not there
            assert dialog.startswith("Missing Models"), path
            assert any(name in dialog for name in models_named_in(path, repo)), path
        prompt = loaded["prompt"]
        assert prompt.keys() == twin.keys(), path
        assert simple(prompt, schemas, twin) == simple(twin, schemas), path
        assert vue or loaded["small"] == [], path


def models_named_in(path: str, repo: Path) -> set[str]:
    """Files that a workflow says where to get."""
    source = repo / "workflows" / f"{Path(path).stem}.json"
    nodes = json.loads(source.read_text(encoding="utf-8"))["nodes"]
    return {m["name"] for node in nodes for m in node["properties"].get("models", ())}


def kinds_that_run(source: Path) -> set[str]:
    """Classes of the nodes of a workflow's API file, so without notes."""
    twin = json.loads((source.parent / "api" / source.name).read_text("utf-8"))
    return {node["class_type"] for node in twin.values()}


def with_all_kinds_of_nodes(sources: list[Path]) -> list[Path]:
    """The longest file, and whatever holds most of the kinds that are still missing."""
    kinds = {
        path: {node["type"] for node in json.loads(path.read_text("utf-8"))["nodes"]}
        for path in sources
    }
    chosen, missing = [sources[-1]], set().union(*kinds.values()) - kinds[sources[-1]]
    while missing:
        chosen.append(max(sources, key=lambda path: len(kinds[path] & missing)))
        missing -= kinds[chosen[-1]]
    return chosen


def simple(
    prompt: dict[str, Any], schemas: dict[str, Any], twin: dict[str, Any] | None = None
) -> dict[str, Any]:
    """An API workflow without what the front end adds, and with drawings as values.

    ComfyUI's own nodes change with its version: of their inputs those that this host shows, and of
    a loaded workflow those that its twin, made by another version, has.
    """
    nodes = {}
    for node_id, node in prompt.items():
        inputs = {k: v for k, v in node["inputs"].items() if k != "preview"}
        if not node["class_type"].startswith("RegionalDiT_"):
            sections = schemas[node["class_type"]]["input"]
            specs = {**sections.get("required", {}), **sections.get("optional", {})}
            shown = {n for n, spec in specs.items() if len(spec) < 2 or not spec[1].get("hidden")}
            kept = shown & (twin or prompt)[node_id]["inputs"].keys()
            inputs = {k: v for k, v in inputs.items() if k in kept}
        if node["class_type"] == "RegionalDiT_RegionEditor":
            drawing = json.loads(inputs["plan_json"])
            inputs["plan_json"] = [(r["high_level"], r["box"]) for r in drawing["regions"]]
        nodes[node_id] = (node["class_type"], inputs)
    return nodes

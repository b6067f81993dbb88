"""A study of a real model's workflow, small, with tiny models of the host's classes as loaded."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tiny_clip import tiny_text, tiny_vision
from workflow_runner import Runner, small

# ConditioningSetMask runs on the server of tests/headless: its nodes want one.
RULES = ("merged prompt", "bind", "rpf", "specialty, regional text")

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde


@pytest.fixture
def runner(
    tiny_loaders: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registered: None,
) -> Runner:
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    nodes = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    for name, stand_in in tiny_loaders.loaders("Flux").items():
        monkeypatch.setitem(nodes, name, stand_in)
    vision, text = tiny_vision(tmp_path), tiny_text(tmp_path)
    for name, kind, model, inputs in (
        ("CLIPVisionLoader", "CLIP_VISION", vision, ("clip_name",)),
        ("CLIPLoader", "CLIP", text, ("clip_name", "type", "device")),
    ):
        made = tiny_loaders.loader((kind,), lambda model=model, **_: (model,), *inputs)
        monkeypatch.setitem(nodes, name, made)
    from regional_dit.nodes import NODES

    for node in NODES:
        monkeypatch.setitem(nodes, node.GET_SCHEMA().node_id, node)
    return Runner(tmp_path / "output")


def test_every_kind_of_way_runs_and_is_scored(runner: Runner) -> None:
    from regional_dit.headless.commands import study

    parser = argparse.ArgumentParser()
    study.add_command(parser.add_subparsers(), [])
    words = ["study", "--model", "flux1-dev", "--scenes", "1", "--rules", *RULES]
    _, jobs = study.make_study(parser.parse_args(words))
    pictures = {}
    for job in jobs:
        shown = runner.run(small(job.graph))
        pictures[job.labels["rule"], job.labels["regions"]] = runner.picture(shown["save"])
        (table,) = shown["alignment"]["text"]
        assert f"| {job.labels['regions']}. " in table and "leakage" in table
        plan = json.loads(
            next(n["inputs"]["plan_json"] for n in job.graph.values() if "plan_json" in n["inputs"])
        )
        assert all(region["high_level"] in table for region in plan["regions"])
    assert len(pictures) == 2 * len(RULES)
    kinds: list[Any] = [picture.tobytes() for picture in pictures.values()]
    assert len(set(kinds)) == len(kinds), "two ways made the same picture"

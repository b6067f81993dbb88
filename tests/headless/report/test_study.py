"""Studies: what is asked for, the workflows, the table, and one on a real server."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.commands import study
from regional_dit.headless.errors import UsageError
from regional_dit.headless.queue import workflow as workflows
from regional_dit.headless.study import graph as study_graph
from regional_dit.headless.study import table as study_table
from regional_dit.headless.sweep.store import JobResult, Store

PATCH = "RegionalDiT_PatchCrossAttention"


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    study.add_command(parser.add_subparsers(), [])
    return parser.parse_args(["study", *words])


def only(graph: dict[str, Any], class_type: str) -> dict[str, Any]:
    (node,) = (n for n in graph.values() if n["class_type"] == class_type)
    return node["inputs"]


@pytest.mark.parametrize("model", study.MODELS)
def test_every_rule_gets_every_scene(model: str) -> None:
    declared, jobs = study.make_study(options("--model", model, "--scenes", "3"))
    rules, regions, scenes = ([p.label for p in axis.points] for axis in declared.axes)
    assert {(j.labels["rule"], j.labels["regions"], j.labels["scene"]) for j in jobs} == set(
        product(rules, regions, scenes)
    )
    assert len({job.key for job in jobs}) == len(jobs), "two rules make the same picture"
    for job in jobs:
        workflows.check(job.graph, model)
        plan = json.loads(only(job.graph, "RegionalDiT_LLMProgressivePrompt")["plan_json"])
        assert len(plan["regions"]) == job.labels["regions"]
        assert only(job.graph, "KSampler")["seed"] == study.FIRST_SEED + job.labels["scene"] - 1


def test_unpatched_ways_are_unpatched_and_masks_are_complete() -> None:
    _, jobs = study.make_study(options("--model", "flux1-dev", "--scenes", "1"))
    by_rule = {(j.labels["rule"], j.labels["regions"]): j.graph for j in jobs}
    for rule, n in product(("merged prompt", "ConditioningSetMask", "bind"), (2, 4)):
        graph = by_rule[rule, n]
        patched = graph[only(graph, "KSampler")["model"][0]]["class_type"] == PATCH
        assert patched == (rule == "bind")
        masks = [n for n in graph.values() if n["class_type"] == "ConditioningSetMask"]
        assert len(masks) == (n if rule == "ConditioningSetMask" else 0)
    guided = only(by_rule["ConditioningSetMask", 4], "FluxGuidance")["conditioning"]
    assert by_rule["ConditioningSetMask", 4][guided[0]]["class_type"] == "ConditioningCombine"
    guided = only(by_rule["specialty", 4], "FluxGuidance")["conditioning"]
    assert by_rule["specialty", 4][guided[0]]["class_type"] == "RegionalDiT_BindPhrases"


def test_phrases_are_in_their_prompts() -> None:
    content = json.loads(study.STUDY_FILE.read_text(encoding="utf-8"))
    for world, layout in product(("demo", "photo"), ("2", "4")):
        scenes = content["scenes"][world][layout]
        assert len({s["picture"] for s in scenes}) == len(scenes) >= 8
        for scene in scenes:
            phrases = scene.get("phrases", scene["regions"])
            assert len(scene["regions"]) == len(phrases) == int(layout)
            assert all(scene["picture"].count(phrase) == 1 for phrase in phrases)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "sdxl"], "--model can be: demo-hunyuan_dit"),
        (["--model", "flux1-dev", "--rules", "rcac"], "there are: merged prompt"),
        (["--model", "flux1-dev", "--attention", "cross"], "joint attention, not cross"),
        (["--model", "flux1-dev", "--scenes", "0"], "expected 1 or more"),
        (["--model", "own.json"], "needs --attention"),
    ],
)
def test_wrong_wishes_are_explained(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study.make_study(options(*words))


def test_a_workflow_without_the_nodes_is_refused(tmp_path: Path, repo: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"1": {"class_type": "EmptyImage", "inputs": {}}}))
    with pytest.raises(UsageError, match="0 nodes of the class RegionalDiT_RegionSplit"):
        study_graph.base_of(path, [])
    whole = (repo / "workflows" / "api" / "sd35_2_regions.json").read_text(encoding="utf-8")
    path.write_text(whole, encoding="utf-8")
    wanted = options("--model", str(path), "--attention", "joint", "--set", "KSampler.steps=3")
    declared, jobs = study.make_study(wanted)
    assert declared.name == "study_own"
    assert {only(job.graph, "KSampler")["steps"] for job in jobs} == {3}


def test_table_compares_scene_by_scene(tmp_path: Path) -> None:
    wanted = options("--model", "demo-flux", "--scenes", "2", "--layouts", "2",
                     "--rules", "merged prompt", "bind")  # fmt: skip
    declared, jobs = study.make_study(wanted)
    store = Store(tmp_path)
    store.open(declared)
    for job in jobs:
        right = 1.0 if job.labels["rule"] == "bind" else 0.5 * (job.labels["scene"] - 1)
        values = {**dict.fromkeys(job.collect, 0.25), "right object": right}
        store.save(JobResult(job.key, values), {})
    lines = study_table.table(store, jobs, study.compared_with(wanted, jobs)).splitlines()
    assert "right object, from bind" in lines[0]
    assert "| 0.250 ± 0.490" in lines[2] and "-0.750 ± 0.490" in lines[2]
    assert "| 1.000 ± 0.000" in lines[3] and lines[3].rstrip(" |").endswith("2")


def test_a_study_of_the_demo_on_a_real_server(repo: Path, server: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, str(repo / "headless"), "study", "--model", "demo-flux", "--scenes", "1",
        "--layouts", "2", "--rules", "merged prompt", "ConditioningSetMask", "bind", "specialty",
        "--set", "KSampler, regional.steps=4", "--server", server.url, "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "right object, from bind" in done.stdout
    assert len(list((out / "pictures").glob("*.png"))) == 4
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('<img alt="') >= 4 and "ConditioningSetMask" in page
    colours = [
        line.split(",") for line in (out / "results.csv").read_text(encoding="utf-8").splitlines()
    ]
    at = colours[0].index("own colour prevails")
    assert float(colours[3][at]) == 1.0, "bind"

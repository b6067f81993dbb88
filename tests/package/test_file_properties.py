"""Workflow and sweep files from anyone's hand: what they mean, or a sentence."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_cases import RAN
from random_files import is_a_sentence, json_values, spoiled, texts, written
from regional_dit.headless.commands import report
from regional_dit.headless.errors import UsageError, WorkflowError
from regional_dit.headless.queue import workflow as workflows
from regional_dit.headless.report import data as report_data
from regional_dit.headless.report import html as report_html
from regional_dit.headless.sweep import file as sweep_file
from regional_dit.headless.sweep.job import with_collectors
from regional_dit.headless.sweep.store import JobResult, Store

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0},
        "_meta": {"title": "Paint"},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    "3.5": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}, "_meta": {"title": "a.b"}},
}
AXIS = {"name": "color", "title": "Colour", "set": "Paint.color", "values": [1, 2, "red"]}
SWEEP = {
    "name": "colors",
    "title": "Colours",
    "about": "What colours do.",
    "workflow": "graph.json",
    "set": {"SaveImage.filename_prefix": "y", "1.width": 4},
    "nodes": {"9": {"class_type": "ImageInvert", "inputs": {"image": ["Paint", 0]}}},
    "axes": [
        AXIS,
        {"name": "seed", "set": ["Paint.batch_size"], "range": {"from": 5, "count": 2}},
        {
            "name": "size",
            "points": [
                {"label": "small", "set": {"Paint.width": 4, "Paint.height": 4}},
                {
                    "label": "other",
                    "nodes": {"7": {"class_type": "ImageInvert", "inputs": {"image": ["9", 0]}}},
                    "set": {"SaveImage.images": ["7", 0]},
                },
            ],
        },
    ],
    "collect": {"size of it": "Paint:IMAGE", "other": "ImageInvert:0"},
    "plots": [{"kind": "line", "x": "color", "y": ["other"]}],
}
INFO = {
    "EmptyImage": {
        "input": {"required": {"width": ["INT", {}], "note": ["STRING", {}]}},
        "output_name": ["IMAGE"],
    },
    "ImageInvert": {"input": {"optional": {"mask": ["MASK"]}}, "output_name": ["IMAGE"]},
    "SaveImage": {"input": {}, "output_name": []},
}
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FILES
@example(data=b"[" * 100_000)
@example(data=b'{"1": {"class_type": "A", "inputs": {"x": ' + b"9" * 5000 + b"}}}")
@given(data=written(st.one_of(json_values, spoiled(GRAPH))))
def test_any_workflow_file_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    RAN["examples"] += 1
    path = tmp_path / "graph.json"
    path.write_bytes(data)
    try:
        graph = workflows.load(path)
    except UsageError as error:
        assert is_a_sentence(error)
        return
    for node_id, node in graph.items():
        assert str(node["class_type"]) in workflows.title(graph, node_id) or node.get("_meta")
        for value in node["inputs"].values():
            assert not workflows.is_link(value) or value[0] in graph


setting_texts = st.one_of(
    st.tuples(
        st.one_of(st.sampled_from([*GRAPH, "Paint", "a.b", "SaveImage", "paint", ""]), texts),
        st.one_of(st.sampled_from(["width", "images", "note", "filename_prefix", "mask"]), texts),
        st.one_of(json_values.map(json.dumps), st.just("[" * 3_000), st.just('["1", 0]'), texts),
    ).map(lambda parts: f"{parts[0]}.{parts[1]}={parts[2]}"),
    st.text(max_size=20),
)


@FILES
@example(GRAPH, ["1.width=" + "[" * 100_000], None)
@example({"1": {"class_type": "A", "inputs": {"x": 1}, "_meta": ["title"]}}, ["A.x=2"], None)
@given(spoiled(GRAPH), st.lists(setting_texts, max_size=3), st.sampled_from([None, INFO]))
def test_any_setting_is_made_or_refused(content: Any, lines: list[str], info: Any) -> None:
    RAN["examples"] += 1
    try:
        graph = workflows.check(content, "graph.json")
        before = json.dumps(graph)
        settings_ = [workflows.parse_setting(line) for line in lines]
        changes = workflows.apply(graph, settings_, info)
    except UsageError as error:
        assert is_a_sentence(error)
        return
    assert len(changes) >= len(lines)
    assert lines or json.dumps(graph) == before
    workflows.check(graph, "graph.json")
    try:
        workflows.require_known(graph, INFO)
    except WorkflowError as error:
        assert is_a_sentence(error)
    else:
        assert {node["class_type"] for node in graph.values()} <= set(INFO)


def sweep_with(**changes: Any) -> bytes:
    """A sweep file that is right but for these entries."""
    return json.dumps({**SWEEP, "axes": [AXIS], "plots": [], **changes}).encode()


@FILES
@example(data=sweep_with(axes=[{"name": "a", "points": 5}]))
@example(data=sweep_with(axes=[{**AXIS, "values": ["\ud800"]}]))
@example(data=sweep_with(nodes={"5": {"inputs": {"x": ["No", 0]}}}))
@example(data=sweep_with(name="../../x"))
@example(data=sweep_with(workflow="a\0b"))
@given(data=written(st.one_of(json_values, spoiled(SWEEP), spoiled(SWEEP))))
def test_any_sweep_file_makes_jobs_or_is_refused(data: bytes, tmp_path: Path) -> None:
    RAN["examples"] += 1
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    path = tmp_path / "sweep.json"
    path.write_bytes(data)
    try:
        sweep = sweep_file.load(path)
        jobs = sweep_file.make_jobs(sweep)
    except UsageError as error:
        assert is_a_sentence(error)
        return
    assert jobs and len({job.key for job in jobs}) == len(jobs)
    for job in jobs[:8]:
        assert list(job.labels) == [axis.name for axis in sweep.axes]
        workflows.check(job.graph, "job")
        try:
            collecting = with_collectors(job, INFO)
        except UsageError as error:
            assert is_a_sentence(error)
            break
        workflows.check(collecting, "job")
    store = Store(tmp_path / "out" / sweep.name)
    assert store.folder.resolve().parent == (tmp_path / "out").resolve()
    store.open(sweep)
    store.open(sweep)
    assert store.about()["name"] == sweep.name


collected = st.one_of(
    st.sampled_from(["[[1, 0], [0, 1]]", "[[1, 0], [0]]", "a,b", 'a"b', "a\rb", "a\nb", True]),
    st.integers(-(10**30), 10**30),
    st.floats(-1e100, 1e100) | st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),  # a server answers in UTF-8
)


def kept(*values: Any) -> dict[str, Any]:
    """Arguments of the property below: what the jobs gave, over and over."""
    return {"content": SWEEP, "values": [*values], "errors": [""]}


@settings(FILES, max_examples=FILES.max_examples // 4)  # each draws plots
@example(**kept("a\rb", 1))
@example(**kept("text", "and more"))
@example(**kept(10**30, float("nan")))
@example(**kept(float("inf"), float("inf")))
@example(**kept(float("inf"), float("-inf"), 1, 2))
@given(
    content=spoiled(SWEEP, most=1),
    values=st.lists(collected, min_size=12, max_size=12),
    errors=st.lists(st.sampled_from(["", "", "", "it failed:\r\nno memory"]), min_size=6),
)
def test_results_are_kept_and_told_as_they_were(
    content: Any, values: list[Any], errors: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    RAN["examples"] += 1
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "graph.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    (folder / "sweep.json").write_bytes(json.dumps(content).encode())
    try:
        sweep = sweep_file.load(folder / "sweep.json")
        jobs = sweep_file.make_jobs(sweep)[:6]
    except UsageError:
        return
    store = Store(folder / "out")
    store.open(sweep)
    given_values = itertools.cycle(values)
    for job, error in zip(jobs, itertools.cycle(errors)):
        found = {} if error else dict(zip(sweep.collect, given_values))  # noqa: B905
        store.save(JobResult(job.key, found, {}, error, "http://a:1", 1.0), {})
    store.write_tables(sweep, jobs)
    told = report_data.load(store.folder)
    for job, row in zip(jobs, told.rows, strict=True):
        result = store.result(job)
        assert result is not None and row["error"] == result.error
        assert json.dumps({**job.labels, **result.values}) == json.dumps(
            {key: row[key] for key in (*job.labels, *result.values)}
        )
    plots = []
    try:
        plots = report.make_plots(told)
    except UsageError as error:
        assert is_a_sentence(error)
    assert report_html.page(told, plots, [])

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.errors import UsageError
from regional_dit.headless.sweep import file as sweep_file

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1,
                                                 "color": 0}, "_meta": {"title": "Paint"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}  # fmt: skip


def declared(tmp_path: Path, **changes: Any) -> sweep_file.Sweep:
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    content = {
        "workflow": "graph.json",
        "axes": [{"name": "color", "set": "Paint.color", "values": [1, 2, 3]}],
        **changes,
    }
    path = tmp_path / "colors.json"
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return sweep_file.load(path)


def test_jobs_are_all_combinations_in_order(tmp_path):
    sides = {"name": "side", "points": [
        {"label": "small", "set": {"Paint.width": 4, "Paint.height": 4}},
        {"label": "inverted", "nodes": {"9": {"class_type": "ImageInvert",
                                              "inputs": {"image": ["Paint", 0]}}},
         "set": {"SaveImage.images": ["9", 0]}},
    ]}  # fmt: skip
    seeds = {"name": "seed", "set": ["Paint.batch_size"], "range": {"from": 5, "count": 2}}
    sweep = declared(tmp_path, axes=[sides, seeds], set={"SaveImage.filename_prefix": "y"})
    jobs = sweep_file.make_jobs(sweep)
    assert [tuple(j.labels.values()) for j in jobs] == [
        ("small", 5), ("small", 6), ("inverted", 5), ("inverted", 6),
    ]  # fmt: skip
    assert jobs[1].graph["1"]["inputs"] == {"width": 4, "height": 4, "batch_size": 6, "color": 0}
    assert jobs[2].graph["2"]["inputs"] == {"images": ["9", 0], "filename_prefix": "y"}
    assert "9" not in jobs[0].graph and jobs[2].graph["9"]["inputs"] == {"image": ["1", 0]}
    assert sweep.name == "colors"


def test_a_job_is_told_by_what_it_does(tmp_path):
    jobs = sweep_file.make_jobs(declared(tmp_path))
    assert len({j.key for j in jobs}) == 3
    other = sweep_file.make_jobs(
        declared(tmp_path, axes=[{"name": "c", "set": "1.color", "values": [3, 4]}])
    )
    assert other[0].key == jobs[2].key
    collecting = sweep_file.make_jobs(declared(tmp_path, collect={"a": "Paint:IMAGE"}))
    assert collecting[0].key != jobs[0].key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workflow": None}, "missing: workflow"),
        ({"extra": 1}, "unknown: extra"),
        ({"axes": []}, "at least one axis"),
        ({"axes": [{"name": "a", "set": "Paint.color"}]}, "one of 'values', 'range'"),
        ({"axes": [{"name": "a", "values": [1]}]}, "'set' must name"),
        ({"axes": [{"name": "a", "set": "Paint.color", "values": []}]}, "no points"),
        ({"axes": [{"name": "a", "set": "Paint.color", "values": [1, 1]}]}, "one label"),
        ({"axes": [{"name": "a", "set": "Paint.color", "range": {"count": 0}}]}, "whole number"),
        ({"collect": {"a": "nowhere"}}, "NODE:OUTPUT"),
        ({"collect": {"color": "Paint:IMAGE"}}, "two columns"),
        ({"plots": 3}, "'plots'"),
        ({"set": {"Paint": 1}}, "NODE.INPUT"),
        ({"workflow": "none.json"}, "no file"),
        ({"nodes": {"1": {"class_type": "A"}}}, "another node"),
        ({"nodes": {"5": {"class_type": "A", "inputs": {"x": ["No", 0]}}}}, "no node is called"),
        ({"nodes": {"5": {"inputs": {}}}}, "'5' has no class_type"),
        ({"workflow": ["graph.json"]}, "name of a file"),
        ({"name": "../x"}, "a folder can have"),
        ({"name": "a:b"}, "a folder can have"),
        ({"name": "a" * 61}, "at most 60 characters"),
        ({"axes": [{"name": "job", "set": "Paint.color", "values": [1]}]}, "every table has"),
        ({"collect": {"picture: x": "Paint:IMAGE"}}, "every table has"),
        ({"collect": {"a": {"b:c": 1}}}, "NODE:OUTPUT"),
        ({"axes": [{"name": "a", "set": "Paint.color", "values": [float("nan")]}]}, "NaN"),
        ({"axes": [{"name": "a", "set": "Paint.color", "range": {"count": True}}]}, "whole number"),
        ({"plots": [{"x": "depth", "y": "a"}]}, "plot 1: 'x' is 'depth'; .* axes: color"),
        ({"plots": [{"x": "color", "y": "a"}]}, "plot 1: 'y' names the column 'a'"),
        ({"plots": [{"x": "color", "y": [{"label": "a"}]}]}, "plot 1: 'y' must name"),
        ({"plots": [{"kind": "pie"}]}, "plot 1: the kind is 'pie'"),
        ({"plots": [{"colour": "red"}]}, "plot 1: unknown: colour"),
        (
            {
                "collect": {"b": "Paint:IMAGE"},
                "plots": [{"x": "color", "y": "b", "y_range": [1, 0]}],
            },
            "plot 1: 'y_range' must be two numbers",
        ),
    ],
)
def test_mistakes_are_told(tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        declared(tmp_path, **changes)


def test_a_setting_that_meets_no_input_is_told(tmp_path):
    sweep = declared(tmp_path, axes=[{"name": "a", "set": "Paint.colour", "values": [1]}])
    with pytest.raises(UsageError, match="no such input"):
        sweep_file.make_jobs(sweep)


def test_files_that_are_no_sweeps(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        sweep_file.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match="line 1"):
        sweep_file.load(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UsageError, match="expected an object"):
        sweep_file.load(tmp_path / "list.json")


SHIPPED = sorted((Path(__file__).parents[3] / "evaluation" / "sweeps").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_sweeps_make_jobs(path):
    sweep = sweep_file.load(path)
    jobs = sweep_file.make_jobs(sweep)
    wanted = 1
    for axis in sweep.axes:
        wanted *= len(axis.points)
    assert len(jobs) == wanted
    assert sweep.about and sweep.plots

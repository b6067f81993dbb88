"""The semantic benchmark's scenes, methods, result file and intervals; no picture is sampled."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def semantic(repo: Path) -> Iterator[Any]:
    import importlib

    folder = str(repo / "benchmarks")
    sys.path.insert(0, folder)
    try:
        names = (
            "semantic", "semantic_methods", "semantic_paired", "semantic_scenes", "semantic_table",
        )  # fmt: skip
        yield SimpleNamespace(**{n: importlib.import_module(n) for n in names})
    finally:
        sys.path.remove(folder)


def test_scenes_repeat_and_differ(semantic):
    scenes = semantic.semantic_scenes
    for layout in scenes.LAYOUTS.values():
        first, again, other = (scenes.make_scene(layout, n) for n in (3, 3, 4))
        assert first.prompts == again.prompts and first.seed == again.seed
        assert first.prompts != other.prompts
        assert len(first.prompts) == len(first.regions) == len(first.scored) == layout.n
        assert len(set(first.prompts)) == layout.n
        assert all(p.split(" on ")[0] in first.merged for p in first.prompts)
        tiled = float(first.regions.masks(32, 32).sum(0).min()) > 0.99
        assert (first.base == first.merged) == tiled


def test_drawn_places_are_apart_and_inside(semantic):
    scenes = semantic.semantic_scenes
    for number in range(50):
        a, b = scenes.make_scene(scenes.LAYOUTS["boxes2"], number).scored
        assert all(0 <= x <= 1 for x in (*a, *b))
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_every_method_of_the_main_group_exists(semantic):
    methods = semantic.semantic_methods
    assert all(methods.is_available(m) for m in methods.MAIN)
    assert methods.REFERENCES["hunyuan_dit"] in {m.name for m in methods.MAIN}
    assert methods.REFERENCES["flux"] in {m.name for m in methods.JOINT_ATTENTION}
    assert all(methods.is_available(m) for group in methods.GROUPS.values() for m in group)
    assert [m.name for m in methods.find_methods(["window", "merged"])][-1] == "merged"
    with pytest.raises(SystemExit, match="no method 'nothing'"):
        methods.find_methods(["nothing"])


def test_a_perfect_and_an_empty_picture(semantic):
    from regional_dit.demo_model.world import BACKGROUNDS, COLORS

    scenes = semantic.semantic_scenes
    scene = scenes.make_scene(scenes.LAYOUTS["boxes2"], 0)
    picture = np.tile(np.array(BACKGROUNDS[scene.background], np.float32) / 255, (256, 256, 1))
    empty = semantic.semantic.score(picture, scene)
    assert empty["object"] == [0, 0] and empty["background"] == 1 and empty["leak"] == [0, 0]
    for prompt, (x0, y0, x1, y1) in zip(scene.prompts, scene.scored, strict=True):
        rows = slice(int(256 * y0) + 15, int(256 * y1) - 15)
        cols = slice(int(256 * x0) + 15, int(256 * x1) - 15)
        picture[rows, cols] = np.array(COLORS[prompt.split()[1]], np.float32) / 255
    found = semantic.semantic.score(picture, scene)
    assert found["colour"] == [1, 1] and found["foreign"] == [
        int("square" not in p) for p in scene.prompts
    ]
    picture[:40] = np.array(COLORS["white"], np.float32) / 255
    assert semantic.semantic.score(picture, scene)["background"] == 0


def test_a_line_that_a_kill_cut_short_is_dropped(semantic, tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"scene":1}\n{"scene":2}\n{"sce')
    assert [r["scene"] for r in semantic.semantic.read_lines(path)] == [1, 2]
    assert path.read_text() == '{"scene":1}\n{"scene":2}\n'
    assert semantic.semantic.read_lines(tmp_path / "none.jsonl") == []


def test_intervals_count_clusters(semantic):
    share = semantic.semantic_table.clustered_share
    apart = share([[1, 0]] * 20)
    together = share([[1, 1], [0, 0]] * 10)
    assert apart["share"] == together["share"] == 0.5 and apart["n"] == 40
    widths = [x["interval"][1] - x["interval"][0] for x in (apart, together)]
    assert widths[1] > 1.3 * widths[0]  # as if there were half as many regions
    assert share([[1, 1]] * 20)["interval"][1] == 1.0


def test_the_summary_counts_a_repeated_scene_once(semantic, tmp_path):
    table = semantic.semantic_table
    row = {"layout": "W2", "colour": [1, 1], "object": [1, 0], "foreign": [0, 0],
           "leak": [0.0, 0.5], "background": 1}  # fmt: skip
    rows = [
        {**row, "method": "merged", "scene": 0, "cpu_s": 1.0},
        {**row, "method": "couple-0.3", "scene": 0, "cpu_s": 1.1},
        {**row, "method": "couple-0.3", "scene": 0, "cpu_s": 1.1},
    ]
    costs = table.relative_costs({"W2": {"merged": [2.0, 3.0], "couple-0.3": [2.5, 2.2]}})
    report = table.summarise(rows, {"steps": 12}, costs)
    plain, ours = report["cells"]
    assert (plain["method"], plain["cost"]) == ("merged", 1.0)
    assert ours["scenes"] == 1 and ours["cost"] == 1.1 and ours["leak"] == 0.25
    assert "| W2 | couple, base ratio 0.3 | 1 | 50 %" in table.markdown(report)
    assert "| 50 % (9 to 91), n 1 | 0% | 25% | 1.10 to 1.10 x |" in table.overview(report)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report))
    table.require_same_settings(path, {"steps": 12})
    with pytest.raises(SystemExit, match="another --name"):
        table.require_same_settings(path, {"steps": 40})


def test_differences_are_taken_scene_by_scene(semantic):
    paired = semantic.semantic_paired

    def rows(method, layout, right):
        return [
            {"method": method, "layout": layout, "scene": i, "object": [x]}
            for i, x in enumerate(right)
        ]

    ours = [1, 0] * 10
    found = paired.differences(
        rows("couple-0.3", "W2", ours)
        + rows("couple-0.3", "H2", ours)
        + rows("couple-0.3", "whole", ours)
        + rows("merged", "W2", ours)  # equal in every scene: no spread at all
        + rows("merged", "H2", ours[::-1][:10])
        + rows("merged", "whole", ours)
        + rows("joint", "W2", [1]),
        "couple-0.3",
    )
    same, other = found["merged"]["W2"], found["merged"]["H2"]
    assert same == {"difference": 0.0, "interval": [0.0, 0.0], "scenes": 20}
    # differences +1 and -1 in turn, ten of them: variance 10 / 9
    assert other["scenes"] == 10 and other["difference"] == 0.0
    assert other["interval"][1] == pytest.approx(1.96 * (10 / 9 / 10) ** 0.5, abs=1e-3)
    whole = found["merged"][paired.ALL]
    assert whole["interval"][1] == pytest.approx(other["interval"][1] / 2, abs=1e-3)
    assert whole["scenes"] == 30 and "whole" not in found["merged"]
    assert "joint" not in found  # one scene says nothing
    assert "| +0 (+0 to +0) | +0 (-65 to +65) | +0 (-33 to +33) |" in paired.markdown(found)

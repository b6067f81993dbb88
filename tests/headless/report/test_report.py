"""A report from a folder written by hand: plots, page, what is missing."""

from __future__ import annotations

import argparse
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.commands import report
from regional_dit.headless.errors import UsageError
from regional_dit.headless.progress import Progress
from regional_dit.headless.report import (
    data as report_data,
)
from regional_dit.headless.report import (
    html as report_html,
)
from regional_dit.headless.report import (
    plots as report_plots,
)
from regional_dit.headless.sweep.file import load, make_jobs
from regional_dit.headless.sweep.store import JobResult, Store, picture_name

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"color": 0, "batch_size": 1}}}
PLOTS = [
    {"kind": "line", "title": "Score & co", "x": "layers", "y": ["score"], "note": "A <note>."},
    {"kind": "bar", "x": "layers", "y": [{"column": "score", "label": "s"}], "by": "seed"},
    {"kind": "matrix", "y": "matrix", "by": "layers"},
]


def png(shade: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 40, 90)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path, PLOTS)


def make_folder(tmp_path: Path, plots: list[Any], fails: bool = False) -> Path:
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    (tmp_path / "s.json").write_text(json.dumps({
        "title": "Layers <of> the model", "about": "First.\n\nSecond.", "workflow": "graph.json",
        "axes": [{"name": "layers", "title": "patched layers", "set": "1.color",
                  "values": [0, 4, 8]},
                 {"name": "seed", "set": "1.batch_size", "values": [1, 2]}],
        "collect": {"score": "1:IMAGE", "matrix": "1:IMAGE"}, "plots": plots,
    }))  # fmt: skip
    sweep = load(tmp_path / "s.json")
    store = Store(tmp_path / "out")
    store.open(sweep)
    jobs = make_jobs(sweep)
    for number, job in enumerate(jobs):
        layers, seed = job.labels["layers"], job.labels["seed"]
        if fails and number == 0:
            store.save(JobResult(job.key, error="no <memory>"), {})
            continue
        values = {"score": layers / 10 + seed / 100, "matrix": json.dumps([[1, 0], [0.5, 0.5]])}
        name = picture_name(job, "Save, regional", 0, ".png")
        store.save(JobResult(job.key, values, {name: "Save, regional"}), {name: png(layers * 20)})
    store.write_tables(sweep, jobs)
    return store.folder


def run(folder: Path) -> str:
    options = argparse.Namespace(folder=folder, progress=Progress(io.StringIO()))
    assert report.run(options) == 0
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_everything_in_itself(folder):
    pytest.importorskip("matplotlib")
    page = run(folder)
    assert "Layers &lt;of&gt; the model" in page and "A &lt;note&gt;." in page
    assert "Score &amp; co" in page and "<p>Second.</p>" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 3 + 6  # plots and pictures
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in page
    assert [p.name for p in sorted(folder.glob("plot_*.png"))] == [
        "plot_1_line.png", "plot_2_bar.png", "plot_3_matrix.png",
    ]  # fmt: skip
    for path in folder.glob("plot_*.png"):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert width > 300 and height > 200


def test_numbers_are_means_over_the_other_axes(folder):
    page = report_html.page(report_data.load(folder), [], [])
    cell = re.search(r'<tr><td>4</td><td class="n">([0-9.]+) <small>', page)
    assert cell and float(cell[1]) == pytest.approx(0.4 + 0.015, abs=6e-4)
    data = report_data.load(folder)
    found = report_data.mean([0.41, 0.42, float("nan")])
    assert found and found.n == 2 and found.half_width == pytest.approx(0.0098, abs=1e-4)
    assert report_data.mean([]) is None
    shares = report_data.mean([True, False])
    assert shares and shares.value == 0.5, "of the jobs"
    assert data.numeric() == ["score"] and [a.name for a in data.varied()] == ["layers"]


def test_failed_jobs_are_listed_and_left_out(tmp_path):
    data = report_data.load(make_folder(tmp_path, [], fails=True))
    page = report_html.page(data, [], ["Something is missing."])
    assert "1 failed" in page and "no &lt;memory&gt;" in page and "Something is missing." in page
    kinds = [(p["kind"], p["x"], p["y"]) for p in report_plots.default_plots(data)]
    assert kinds == [("line", "layers", ["score"])]


def test_without_matplotlib_the_page_says_so(folder, monkeypatch):
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    monkeypatch.setattr(report, "enter", lambda _: (None, None))
    options = argparse.Namespace(folder=folder, progress=Progress(io.StringIO()))
    assert report.run(options) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "pip install matplotlib" in page and "data:image/jpeg" in page


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        ({"kind": "pie"}, "expected one of: line, bar, matrix"),
        ({"x": "depth", "y": ["score"]}, "axis 'depth'"),
        ({"x": "layers", "y": ["beauty"]}, "column 'beauty'"),
        ({"kind": "matrix", "y": "score"}, "no matrix"),
    ],
)
def test_plots_that_cannot_be_drawn_are_told(folder, plot, said):
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match=said):
        report_plots.draw(report_data.load(folder), plot)


def test_folders_without_a_sweep(tmp_path):
    with pytest.raises(UsageError, match="holds no sweep"):
        report_data.load(tmp_path)

"""The stage runner of ``benchmarks/gpu.py``: what stops goes on, what fails is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from gpu import report
from gpu.bench import Bench, Failed, Skipped
from gpu.results import Results
from gpu.runner import Runner
from gpu.stages import STAGES

# A stage as ``gpu.py`` starts it. Cells 1 to 3; ``FAULT`` says what befalls the second one.
SCRIPT = """
import os, sys, time
sys.path.insert(0, {benchmarks!r})
from gpu.bench import Bench, Failed
from gpu.results import Results
from pathlib import Path
results = Results(Path({path!r}))
_, _, name, _, seconds = sys.argv  # --stage NAME --seconds S
bench = Bench(name, results, rehearse=True, seconds=float(seconds))
fault = {faults!r}.get(name)
def second():
    if fault == "dies":
        os._exit(9)
    if fault == "dies once" and len(results.stages()[name].ends) == 0:
        os._exit(9)
    if fault == "hangs":
        time.sleep(60)
    if fault == "is wrong":
        raise Failed("twice as much as expected", ratio=2.0)
    return dict(ratio=1.0)
if fault == "dies before":
    os._exit(3)
bench.cell("1", lambda: dict(ratio=1.0))
bench.cell("2", second)
bench.cell("3", lambda: dict(ratio=1.5, goal=1.2))
results.add(stage=name, end="failed" if bench.failed else "passed", seconds=1.0)
"""


@pytest.fixture
def run(tmp_path):
    """Run stages with faults; the results."""
    results = Results(tmp_path / "results.jsonl")

    def start(seconds: float = 60.0, grace: float = 20.0, **faults: str) -> Results:
        script = tmp_path / "stage.py"
        benchmarks = str(Path(__file__).resolve().parents[2] / "benchmarks")
        names = {name.replace("_", "-"): fault for name, fault in faults.items()}
        script.write_text(
            SCRIPT.format(benchmarks=benchmarks, path=str(results.path), faults=names)
        )
        runner = Runner([sys.executable, str(script)], results, lambda: None, seconds)
        runner.stage_seconds, runner.grace_seconds = 10.0, grace
        whole = runner.run([SimpleNamespace(name=name) for name in names])
        assert whole == ("hangs" not in faults.values())
        return results

    return start


def states(results: Results, stage: str) -> dict[str, str]:
    return {cell: line["state"] for cell, line in results.stages()[stage].cells.items()}


def test_a_failing_stage_is_named_and_the_rest_goes_on(run):
    found = run(engine="is wrong", joint="dies before", syncs="")
    assert states(found, "engine") == {"1": "ok", "2": "failed", "3": "ok"}
    ends = {name: stage.end for name, stage in found.stages().items()}
    assert ends == {"engine": "failed", "joint": "crashed", "syncs": "passed"}
    written = report.text(found)
    assert "twice as much as expected" in written
    assert "code 3" in written
    assert "| **no** |" in written  # 1.5 where 1.2 was the goal


def test_a_stage_whose_process_dies_goes_on_behind_the_cell(run):
    found = run(engine="dies once", joint="dies")
    assert states(found, "engine") == {"1": "ok", "2": "ok", "3": "ok"}
    assert found.stages()["engine"].end == "passed"
    assert states(found, "joint") == {"1": "ok", "2": "failed", "3": "ok"}
    firsts = [line for line in found.lines() if line.get("cell") == "1" and line["state"] == "ok"]
    assert len(firsts) == 2  # one a stage: what was done was not done again


def test_what_hangs_is_stopped_and_the_next_start_goes_on(run):
    found = run(seconds=5.0, grace=60.0, engine="hangs")
    assert found.stages()["engine"].end == "unfinished"
    found = run(engine="")
    assert found.stages()["engine"].end == "passed"
    assert states(found, "engine") == {"1": "ok", "2": "ok", "3": "ok"}
    before = len(found.lines())
    assert len(run(engine="").lines()) == before  # nothing is left to do


def test_a_half_written_line_is_passed_over(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    results.add(stage="engine", cell="1", state="ok")
    with results.path.open("a") as file:
        file.write('{"stage": "engine", "cell": "2", "sta')
    results.add(stage="engine", end="passed")
    assert [line.get("cell", line.get("end")) for line in results.lines()] == ["1", "passed"]


def test_again_forgets_what_a_stage_found(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    results.add(stage="engine", cell="1", state="ok")
    results.add(stage="engine", end="passed")
    results.add(stage="engine", again=True)
    found = results.stages()["engine"]
    assert not found.cells and found.end == ""


def test_cells_say_why_they_are_skipped_or_wrong(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    bench = Bench("engine", results, rehearse=True, seconds=60.0)

    def skip():
        raise Skipped("xformers is not installed")

    def fail():
        raise Failed("0.3 off", relative_error=0.3)

    bench.cell("a", skip)
    bench.cell("b", fail)
    bench.cell("c", lambda: {"n": [][0]})
    lines = results.stages()["engine"].cells
    assert lines["a"]["why"] == "xformers is not installed" and lines["a"]["state"] == "skipped"
    assert lines["b"]["relative_error"] == 0.3
    assert "IndexError" in lines["c"]["why"] and bench.failed == ["b", "c"]
    late = Bench("engine", results, rehearse=True, seconds=-1.0)
    assert late.cell("a", skip) == lines["a"]  # done, and not begun again
    assert late.cell("d", dict) is None and late.unfinished


def test_every_stage_exists():
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for stage in STAGES:
        assert callable(stage.function())


def test_lines_are_json(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    results.add(stage="steps-flux", cell="4096 tokens", state="ok", ratio=1.04, goal=1.05)
    line = json.loads(results.path.read_text())
    assert line == {
        "stage": "steps-flux", "cell": "4096 tokens", "state": "ok", "ratio": 1.04, "goal": 1.05,
    }  # fmt: skip
    assert "| yes |" in report.text(results)

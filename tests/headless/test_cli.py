"""The command line as a person uses it: help, exit codes, sentences."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from regional_dit.headless import cli
from regional_dit.headless.commands import demo, doctor
from regional_dit.headless.environment import torch_choice
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import UsageError
from regional_dit.headless.progress import Progress, Timings, human_seconds
from regional_dit.headless.queue import workflow as workflows
from regional_dit.headless.server.start import Server
from tiny_index import torch_wheels


def headless(repo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / "headless"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_no_command_prints_help(repo: Path) -> None:
    done = headless(repo)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("demo", "test", "serve", "queue", "doctor", "run"))


def test_needs_nothing_but_the_standard_library(repo: Path) -> None:
    """Isolated from all installed packages, as on a machine with a bare Python."""
    script = f"import sys; sys.path.insert(0, {str(repo)!r}); import headless.cli as c; c.main([])"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and "demo" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 2, "invalid choice"),
        (["queue", "none.json"], 2, "There is no file none.json"),
        (["queue", "none.json", "--set", "x"], 2, "is not NODE.INPUT=VALUE"),
        (["demo", "--regions", "3"], 2, "There is no demo for 3 regions; --regions can be: "),
        (["run"], 2, "needs a Python script"),
        (["run", "none.py"], 2, "There is no script none.py"),
        (["run", "ls"], 2, "takes a Python script or -m MODULE"),
        (["doctor", "--comfyui", os.devnull], 2, "holds no ComfyUI"),
    ],
)
def test_wrong_usage(repo: Path, arguments: list[str], code: int, said: str) -> None:
    done = headless(repo, *arguments)
    assert done.returncode == code and said in done.stderr
    assert "Traceback" not in done.stderr


def test_queue_on_a_running_server(
    repo: Path, server: Server, inverted: dict, tmp_path: Path
) -> None:
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(inverted))
    queue = ["queue", str(path), "--server", server.url, "--out", str(tmp_path / "out")]
    done = headless(repo, *queue, "--set", "Red.width=32", "--set", "SaveImage.filename_prefix=7")
    assert done.returncode == 0, done.stderr
    assert "Red (#1): width 16 -> 32" in done.stderr
    assert str(tmp_path / "out" / "7_00001_.png") in done.stdout
    done = headless(repo, *queue, "--set", "Red.hue=3")
    assert done.returncode == 2 and "It has: width, height, batch_size, color" in done.stderr
    done = headless(repo, *queue, "--set", "Red.width=-3")
    assert done.returncode == 1 and "Red (#1): width is -3" in done.stderr


@pytest.mark.parametrize("join", [" ", "="])
def test_output_comes_line_by_line(
    repo: Path, environment: Environment, tmp_path: Path, join: str
) -> None:
    """Into a pipe too: what a script prints is there while it still runs."""
    script = tmp_path / "script.py"
    script.write_text("print('first'); input(); print('second')")
    options = f"--comfyui{join}{environment.comfyui} --python{join}{environment.python}".split(" ")
    command = [sys.executable, str(repo / "headless"), "run", *options, str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "first\n"  # it waits for its input
        child.stdin.write("\n")
        child.stdin.close()
        assert child.stdout.read() == "second\n"


def test_run_is_inside_the_environment(
    repo: Path, environment: Environment, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("import os, sys; print(os.environ['COMFYUI_PATH'], sys.argv[1:])")
    host = ["--comfyui", str(environment.comfyui), "--python", str(environment.python)]
    done = headless(repo, "run", *host, str(script), "--flag", "-m")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{environment.comfyui} ['--flag', '-m']"


def test_rest_of_the_line() -> None:
    assert cli._split_rest(["run", "-m", "x", "--python"]) == (["run"], ["-m", "x", "--python"])
    assert cli._split_rest(["run", "--python", "p", "--", "s.py", "--", "a"]) == (
        ["run", "--python", "p"],
        ["s.py", "--", "a"],
    )
    assert cli._split_rest(["test", "--", "-k", "x"]) == (["test"], ["-k", "x"])
    assert cli._split_rest(["run", "--help"]) == (["run", "--help"], [])


def test_doctor_on_this_environment(environment: Environment) -> None:
    report = doctor.examine(str(environment.comfyui), str(environment.python))
    text = "\n".join(report.lines)
    assert not report.broken, text
    assert "hooks:" in text and "attention_" in text and "named by --comfyui" in text


def test_doctor_before_any_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "find", lambda *_: None)
    torch_wheels(tmp_path, "2.9.0", "0.24.0")  # of this Python, and quicker than its own
    for path in tmp_path.glob("*.whl"):
        zipfile.ZipFile(path).extractall(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text = "\n".join(doctor.examine(None, None).lines)
    assert "would install" in text and "needs " in text
    assert f"torch 2.9.0 of {sys.executable}, without changing it" in text
    monkeypatch.setattr(torch_choice, "existing", lambda _named: None)
    text = "\n".join(doctor.examine(None, None).lines)
    assert "torch==" in text and "NVIDIA device:" in text


def test_what_is_asked_of_a_python_with_torch(capsys: pytest.CaptureFixture[str]) -> None:
    """The torch that runs the tests, and in its process, since to load it again takes seconds."""
    exec(torch_choice._PROBE, {})  # noqa: S102 - what another Python is given to run
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["torch"] == importlib.metadata.version("torch")
    assert (
        Path(facts["home"], "torch", "__init__.py").is_file() and facts["home"] in facts["folders"]
    )
    exec(torch_choice._WORKS, {})  # noqa: S102 - what another Python is given to run
    names = facts["torch"], importlib.metadata.version("torchvision")
    assert tuple(capsys.readouterr().out.split()) == names


def test_demo_settings_reach_both_samplers() -> None:
    graph = workflows.load(demo.workflow_file(2))
    changes = workflows.apply(graph, demo.settings(graph, "a red circle", 7))
    assert sum("seed" in change and change.endswith("-> 7") for change in changes) == 2
    assert any('"a red circle"' in change for change in changes)
    with pytest.raises(UsageError):
        demo.workflow_file(5)


def test_demo_of_either_model_and_of_both() -> None:
    (flux,) = demo.workflow_files(4, "flux")
    assert flux.name == "demo_flux_4_regions.json"
    assert [path.name for path in demo.workflow_files(9, "both")] == [
        "demo_9_regions.json", "demo_flux_9_regions.json",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"can be: 2, 4, 9\."):
        demo.workflow_files(3, "flux")
    with pytest.raises(UsageError, match=r"can be: 2, 4, 9\."):
        demo.workflow_file(5)


def test_bars_off_a_terminal_are_few_plain_lines() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for step in range(1, 21):
        progress.bar("KSampler (#3)", step, 20, f"{step}/20")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and lines[-1] == "KSampler (#3) 100% 20/20"
    assert "\r" not in stream.getvalue()


def test_durations() -> None:
    assert [human_seconds(s) for s in (0.42, 12.4, 119.7)] == ["0.4 s", "12 s", "2 min 00 s"]
    timings = Timings(before_s=60)
    assert timings.mark("start") >= 60 and timings.summary().startswith("start 1 min 00 s; in all")

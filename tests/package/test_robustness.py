"""A server that is killed, two servers at once, full disks and folders that take nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from regional_dit.headless import saving
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import RunError

SLEEP = {
    "1": {"class_type": "ProbeSleep", "inputs": {"seconds": 6}, "_meta": {"title": "Sleep"}},
    "2": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255},
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
}


def server_of(process: subprocess.Popen[str], seen: set[int]) -> psutil.Process:
    """The ComfyUI that a ``queue`` command started."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            if child.pid not in seen and "main.py" in " ".join(child.cmdline()):
                return child
        time.sleep(0.2)
    raise AssertionError("no server was started")


def wait_until_it_runs(log: Path) -> None:
    deadline = time.monotonic() + 200
    while "got prompt" not in (log.read_text("utf-8", "replace") if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_killed_server_is_started_again(repo: Path, environment: Environment, tmp_path: Path):
    """The client says what was lost, and the workflow runs to its end on a new server; meanwhile a
    second command serves itself beside it."""
    commands, bases = [], []
    (tmp_path / "sleep.json").write_text(json.dumps(SLEEP), encoding="utf-8")
    for name in ("first", "second"):
        base = tmp_path / name
        (base / "custom_nodes").mkdir(parents=True)
        probe = repo / "tests" / "headless" / "probe_nodes.py"
        shutil.copyfile(probe, base / "custom_nodes" / "probe_nodes.py")
        command = [
            sys.executable, str(repo / "headless"), "queue", str(tmp_path / "sleep.json"), "--cpu",
            "--comfyui", str(environment.comfyui), "--python", str(environment.python),
            "--base-dir", str(base), "--out", str(tmp_path / f"{name} out"),
        ]  # fmt: skip
        pipe = subprocess.PIPE
        commands.append(subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True))
        bases.append(base)
    try:
        server = server_of(commands[0], set())
        wait_until_it_runs(bases[0] / "server.log")
        time.sleep(1.0)
        server.kill()
        said = [process.communicate(timeout=300)[0] for process in commands]
    finally:
        for process in commands:
            process.kill()
    assert [process.returncode for process in commands] == [0, 0], said
    assert "was lost" in said[0] and "queueing the workflow once more" in said[0]
    assert "was lost" not in said[1]
    assert len(list((tmp_path / "first out").rglob("*.png"))) == 1
    assert len(list((tmp_path / "second out").rglob("*.png"))) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_picture_is_written_whole_or_not_at_all(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        os.truncate(descriptor, 3)  # what fits
        raise OSError(number, "No space left on device" if number == errno.ENOSPC else "refused")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=r"could not be written: .*--out"):
        saving.write_whole(tmp_path / "picture.png", b"0123456789")
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(RunError, match="could not be written"):
        saving.write_whole(tmp_path / "out" / "sub" / "picture.png", b"0")

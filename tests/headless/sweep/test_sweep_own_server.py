"""A sweep on a server of its own that dies in mid-run."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest
from regional_dit.headless.errors import ServerError
from regional_dit.headless.sweep.run import run_on_own_server
from sweep_cases import finished, start, write_sweep


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_an_own_server_that_dies_is_started_again(repo, environment, make_base, tmp_path):
    """kill -9 of the server twice in mid-run: the sweep goes on and nothing is missing."""
    sleep = {"9": {"class_type": "ProbeSleep", "inputs": {"seconds": 2}}}
    path = write_sweep(tmp_path, 4, nodes=sleep)
    out, base = tmp_path / "out", make_base(tmp_path / "base")
    sweep = [
        sys.executable, str(repo / "headless"), "sweep", str(path), "--out", str(out), "--cpu",
        "--comfyui", str(environment.comfyui), "--python", str(environment.python),
        "--base-dir", str(base),
    ]  # fmt: skip
    running = subprocess.Popen(sweep, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed: set[int] = set()
    try:
        for at in (1, 2):
            deadline = time.monotonic() + 200
            while finished(out) < at and time.monotonic() < deadline:
                time.sleep(0.05)
            children = psutil.Process(running.pid).children(recursive=True)
            server = next(c for c in children if "main.py" in " ".join(c.cmdline()))
            assert server.pid not in killed
            killed.add(server.pid)
            server.kill()
        said = running.communicate(timeout=300)[0]
    finally:
        running.kill()
    assert running.returncode == 0, said
    assert said.count("Starting it again") == 2, said
    lines = (out / "results.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["1000", "1001", "1002", "1003"]
    assert len(list((out / "pictures").iterdir())) == 4
    assert not list(out.rglob("*.claim")) and not list(out.rglob("*.tmp"))


class _Doomed:
    """A server that is dead as soon as it is started."""

    started = 0
    url = "http://127.0.0.1:9"

    def __enter__(self) -> _Doomed:
        _Doomed.started += 1
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def alive(self) -> bool:
        return False

    def log_tail(self) -> str:
        return "  Killed"


def test_an_own_server_that_dies_again_and_again_is_given_up(quiet, tmp_path):
    store, jobs = start(tmp_path, write_sweep(tmp_path, 3))
    with pytest.raises(ServerError, match=r"died 3 times in a row.*same command again.*\n  Killed"):
        run_on_own_server(store, jobs, 3, _Doomed, quiet)  # type: ignore[arg-type]
    assert _Doomed.started == 3

"""Servers of a command's own that are killed in mid-run and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import RunError, ServerError
from regional_dit.headless.sweep import run as sweep_run
from regional_dit.headless.sweep.file import Job
from regional_dit.headless.sweep.run import run_on_own_server
from regional_dit.headless.sweep.store import JobResult, Store
from sweep_cases import finished, start, write_sweep

SLEEP = {
    "1": {"class_type": "ProbeSleep", "inputs": {"seconds": 6}, "_meta": {"title": "Sleep"}},
    "2": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255},
    },
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
}


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something while a command runs."""
    deadline = time.monotonic() + 200
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def server_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The ComfyUI that a command started."""
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if "main.py" in " ".join(child.cmdline()))


class Commands:
    """Commands of ``headless``, each with a server of its own in ``base``."""

    def __init__(self, repo: Path, environment: Environment) -> None:
        self.program = [sys.executable, str(repo / "headless")]
        self.host = [
            "--cpu", "--comfyui", str(environment.comfyui), "--python", str(environment.python),
        ]  # fmt: skip

    @contextmanager
    def running(self, *command: str, base: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
        folders = ["--base-dir", str(base), "--out", str(out)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*self.program, *command, *self.host, *folders],
            stdout=pipe, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()

    def sweep(self, folder: Path, base: Path) -> None:
        """Its server is killed; the sweep goes on and nothing is missing."""
        sleep = {"9": {"class_type": "ProbeSleep", "inputs": {"seconds": 2}}}
        path, out = write_sweep(folder, 3, nodes=sleep), folder / "out"
        with self.running("sweep", str(path), base=base, out=out) as process:
            wait_until(lambda: finished(out) > 0, process)
            server_of(process).kill()
            said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
        assert said.count("Starting it again") == 1, said
        lines = (out / "results.csv").read_text().splitlines()
        assert [line.split(",")[2] for line in lines[1:]] == ["1000", "1001", "1002"]
        assert len(list((out / "pictures").iterdir())) == 3
        assert not list(out.rglob("*.claim")) and not list(out.rglob("*.tmp"))

    def queue(self, folder: Path, base: Path) -> None:
        """Its server is killed; it says what was lost, and runs the workflow to its end on a new
        one."""
        path, log = folder / "sleep.json", base / "server.log"
        path.write_text(json.dumps(SLEEP), encoding="utf-8")
        with self.running("queue", str(path), base=base, out=folder / "out") as process:
            wait_until(
                lambda: log.exists() and "got prompt" in log.read_text("utf-8", "replace"), process
            )
            time.sleep(1.0)
            server_of(process).kill()
            said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
        assert "was lost" in said and said.count("queueing the workflow once more") == 1
        assert len(list((folder / "out").rglob("*.png"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_own_servers_that_are_killed_are_started_again(
    repo: Path, environment: Environment, make_base: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Those of two commands that run at the same time, each of which finds its own again."""
    commands = Commands(repo, environment)
    with ThreadPoolExecutor() as threads:
        runs = []
        for run in (commands.sweep, commands.queue):
            folder = tmp_path / run.__name__
            base = make_base(folder / "base")
            runs.append(threads.submit(run, folder, base))
        for done in runs:
            done.result()


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
    _Doomed.started = 0
    with pytest.raises(ServerError, match=r"died 3 times in a row.*same command again.*\n  Killed"):
        run_on_own_server(store, jobs, 3, _Doomed, quiet)  # type: ignore[arg-type]
    assert _Doomed.started == 3


def test_deaths_after_a_finished_job_are_not_in_a_row(monkeypatch, quiet, tmp_path):
    """Where each server lives for one job, a sweep takes as many as it has jobs."""
    store, jobs = start(tmp_path, write_sweep(tmp_path, 5))
    _Doomed.started = 0

    def one_job(store: Store, jobs: list[Job], *_: object) -> None:
        store.save(JobResult(jobs[0].key), {})
        if len(jobs) > 1:
            raise RunError("The server is lost.")

    monkeypatch.setattr(sweep_run, "run_on_servers", one_job)
    run_on_own_server(store, jobs, 5, _Doomed, quiet)  # type: ignore[arg-type]
    assert _Doomed.started == 5 and all(store.result(job) for job in jobs)

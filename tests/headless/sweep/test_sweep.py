"""Sweeps on a real server: resuming after kills, failures, several servers, Dask."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless import api, saving
from regional_dit.headless.errors import RunError, UsageError
from regional_dit.headless.sweep import dask as sweep_dask
from regional_dit.headless.sweep import job as sweep_job
from regional_dit.headless.sweep.file import load, make_jobs
from regional_dit.headless.sweep.run import _Share, run_on_servers
from regional_dit.headless.sweep.store import Store
from sweep_cases import finished, start, write_sweep


def command(repo: Path, path: Path, url: str, out: Path) -> list[str]:
    return [sys.executable, str(repo / "headless"), "sweep", str(path), "--server", url,
            "--out", str(out)]  # fmt: skip


def prompts_of(server: Any, store: Store, jobs: list[Any]) -> tuple[int, int]:
    """(prompts of this sweep in the server's history, all prompts in it)."""
    history = api.get_json(f"{server.url}/history")
    return sum(store.prompt_id(job) in history for job in jobs), len(history)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_60_jobs_killed_three_times_give_the_same_table(repo, server, tmp_path):
    pause = {"9": {"class_type": "ProbeSleep", "inputs": {"seconds": 0.03}}}  # to kill in mid-run
    path = write_sweep(tmp_path, 60, nodes=pause)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(repo, path, server.url, whole), check=True, capture_output=True)

    before = len(api.get_json(f"{server.url}/history"))
    for at in (10, 22, 35):
        child = subprocess.Popen(
            command(repo, path, server.url, killed), stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while finished(killed) < at and time.monotonic() < deadline:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert at <= finished(killed) < 60
    done = subprocess.run(
        command(repo, path, server.url, killed), check=True, capture_output=True, text=True
    )
    assert "60 jobs" in done.stderr

    assert (killed / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    names = sorted(p.name for p in (whole / "pictures").iterdir())
    assert len(names) == 60
    assert sorted(p.name for p in (killed / "pictures").iterdir()) == names
    for name in names:
        assert (killed / "pictures" / name).read_bytes() == (whole / "pictures" / name).read_bytes()
    store = Store(killed)
    store.run_id = store.about()["run_id"]
    ours, everything = prompts_of(server, store, make_jobs(load(path)))
    assert ours == 60  # nothing lost ...
    assert everything - before == 60  # ... and nothing done twice
    assert not list(killed.rglob("*.claim")) and not list(killed.rglob("*.tmp"))


def test_a_finished_sweep_does_nothing_and_a_longer_one_adds(repo, server, tmp_path):
    path = write_sweep(tmp_path, 3)
    out = tmp_path / "out"
    subprocess.run(command(repo, path, server.url, out), check=True, capture_output=True)
    table = (out / "results.csv").read_text()
    assert table.splitlines()[0] == "job,color,number,picture: Save,error"
    assert [line.split(",")[1:3] for line in table.splitlines()[1:]] == [
        ["1000", "1000"], ["1001", "1001"], ["1002", "1002"],
    ]  # fmt: skip
    path = write_sweep(tmp_path, 5)
    again = subprocess.run(
        command(repo, path, server.url, out), check=True, capture_output=True, text=True
    )
    assert "5 jobs, 3 done already, 2 to do" in again.stderr
    assert (out / "results.csv").read_text().startswith(table.rstrip("\n"))
    other = write_sweep(tmp_path, 2, name="other")
    refused = subprocess.run(command(repo, other, server.url, out), capture_output=True, text=True)
    assert refused.returncode == 2 and "holds the sweep 'colors'" in refused.stderr


def test_a_failing_job_is_a_row_and_can_be_retried(server, quiet, tmp_path):
    fail = {"9": {"class_type": "ProbeFail", "inputs": {"message": "on purpose"}}}
    axis = {"name": "kind", "points": [
        {"label": "fine", "set": {"EmptyImage.color": 5}},
        {"label": "broken", "nodes": fail, "set": {"SaveImage.images": ["9", 0]}},
    ]}  # fmt: skip
    store, jobs = start(tmp_path, write_sweep(tmp_path, 1, axes=[axis], collect={}))
    run_on_servers(store, jobs, 2, [server.url], quiet)
    fine, broken = (store.result(job) for job in jobs)
    assert fine and not fine.error and broken and "on purpose" in broken.error
    first = store.prompt_id(jobs[1])
    store.forget_failure(jobs[0])
    store.forget_failure(jobs[1])
    assert store.result(jobs[0]) and store.result(jobs[1]) is None
    assert store.prompt_id(jobs[1]) != first


def test_a_common_fault_stops_the_sweep(server, quiet, tmp_path):
    bad = {"EmptyImage.width": -5}
    store, jobs = start(tmp_path, write_sweep(tmp_path, 9, set=bad))
    with pytest.raises(RunError, match="first 3 jobs have all failed"):
        run_on_servers(store, jobs, 9, [server.url], quiet)
    assert sum(store.result(job) is not None for job in jobs) == 3


def test_two_servers_share_the_jobs(server, quiet, tmp_path):
    store, jobs = start(tmp_path, write_sweep(tmp_path, 12))
    second = server.url.replace("127.0.0.1", "localhost")
    run_on_servers(store, jobs, 12, [server.url, second], quiet)
    used = {store.result(job).server for job in jobs}
    assert used == {server.url, second}


class _Dying(http.server.BaseHTTPRequestHandler):
    """Answers /object_info as the real server does, and then nothing any more."""

    info: bytes = b""

    def do_GET(self) -> None:
        if self.path != "/object_info":
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.info)))
        self.end_headers()
        self.wfile.write(self.info)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_lost_servers_jobs_go_to_the_others(server, quiet, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_job, "_LOST_S", 0.3)
    _Dying.info = api.request(f"{server.url}/object_info", timeout_s=60)
    dying = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Dying)
    threading.Thread(target=dying.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{dying.server_port}"
    try:
        store, jobs = start(tmp_path, write_sweep(tmp_path, 8))
        run_on_servers(store, jobs, 8, [url, server.url], quiet)
        assert {store.result(job).server for job in jobs} == {server.url}
        store, jobs = start(tmp_path / "b", write_sweep_in(tmp_path / "b", 2))
        with pytest.raises(RunError, match="2 jobs to do"):
            run_on_servers(store, jobs, 2, [url], quiet)
    finally:
        dying.shutdown()


def write_sweep_in(folder: Path, count: int) -> Path:
    folder.mkdir()
    return write_sweep(folder, count)


def test_collect_names_what_is_there(server, quiet, tmp_path):
    store, jobs = start(tmp_path, write_sweep(tmp_path, 1, collect={"a": "EmptyImage:seed"}))
    with pytest.raises(UsageError, match="no output 'seed'"):
        run_on_servers(store, jobs, 1, [server.url], quiet)


def test_one_sweep_per_folder(tmp_path):
    store = Store(tmp_path)
    with store.locked(), pytest.raises(UsageError, match="Another sweep"), Store(tmp_path).locked():
        pass
    with Store(tmp_path).locked():
        pass


def test_dask_workers_run_jobs_and_go_on_without_the_client(server, quiet, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setitem(os.environ, "COMFYUI_URL", server.url)
    store, jobs = start(tmp_path, write_sweep(tmp_path, 6))
    before = len(api.get_json(f"{server.url}/history"))

    def gone(*_: Any) -> None:
        raise KeyboardInterrupt

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Store, "save", gone)
            sweep_dask.run_on_dask(store, jobs, 6, address, quiet)
        assert not any(store.result(job) for job in jobs)
        sweep_dask.run_on_dask(store, jobs, 6, address, quiet)
    assert [store.result(job).values["number"] for job in jobs] == list(range(1000, 1006))
    ours, everything = prompts_of(server, store, jobs)
    assert ours == 6 and everything - before == 6
    paths, _ = store.write_tables(load(tmp_path / "colors.json"), jobs)
    assert len(paths[0].read_text().splitlines()) == 7


def test_no_scheduler_is_told(quiet, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(sweep_dask, "_CONNECT_S", 1)
    store, jobs = start(tmp_path, write_sweep(tmp_path, 1))
    with pytest.raises(RunError, match="No Dask scheduler"):
        sweep_dask.run_on_dask(store, jobs, 1, "tcp://127.0.0.1:9", quiet)


@pytest.mark.skipif(sys.platform == "win32", reason="process ids of POSIX")
def test_half_written_files_of_dead_processes_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    saving.write_atomically(tmp_path / "whole.png", b"whole")
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f".a.png.{saving._HOST}.{pid}.tmp").write_bytes(b"half")
    saving.remove_leftovers(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f".a.png.{saving._HOST}.{os.getpid()}.tmp", "whole.png"]


def test_nothing_is_being_claimed_when_a_sweep_ends(monkeypatch, tmp_path):
    """Else the process could end between a file's first byte and its last."""
    store, jobs = start(tmp_path, write_sweep(tmp_path, 2))
    begun, claim = threading.Event(), store.claim

    def slow(job: Any, url: str) -> None:
        begun.set()
        time.sleep(0.2)
        claim(job, url)

    monkeypatch.setattr(store, "claim", slow)
    share = _Share(store, jobs, ["server"])
    worker = threading.Thread(target=share.take, args=("server",))
    worker.start()
    begun.wait()
    share.end()
    assert store.claimed_by(jobs[0]) == "server"
    worker.join()
    assert share.take("server") is None and store.claimed_by(jobs[1]) is None

"""A disk that is really full, and one that is really read-only: a sentence, and nothing is lost.

A tiny file system in memory is mounted for it, which only root may do; without that the tests that
need it are skipped. A limit on the size of files, which anyone may set, stands in for one of them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless import api
from regional_dit.headless.errors import RunError
from regional_dit.headless.queue.client import Client
from regional_dit.headless.sweep.file import load, make_jobs
from regional_dit.headless.sweep.store import Store
from regional_dit.planner.llm.cache import DiskStore

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1},
    },
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@dataclass(frozen=True)
class Disk:
    """A tiny disk of its own."""

    folder: Path

    def fill(self, but: int = 0) -> None:
        """Leave ``but`` bytes free, less than a page of it."""
        self.free()
        with (self.folder / "filler").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"0" * 4096)
            file.truncate(max(0, file.tell() - but))

    def free(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)

    def read_only(self, on: bool = True) -> None:
        how = "remount,ro" if on else "remount,rw"
        subprocess.run(["mount", "-o", how, str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk") as made:
        yield made


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Such a disk in a new folder; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no disk of its own can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"no disk of its own can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def headless(repo: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / "headless"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The error, which must be one line and no traceback."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(GRAPH), encoding="utf-8")
    return path


@pytest.fixture
def sweep(graph: Path) -> Path:
    axis = {"name": "color", "set": ["EmptyImage.color"], "range": {"from": 7, "count": 8}}
    path = graph.with_name("colors.json")
    content = {"name": "colors", "workflow": graph.name, "axes": [axis]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("fault", [Disk.fill, Disk.read_only])
def test_queue(
    fault: Callable[[Disk], None], disk: Disk, repo: Path, server: Any, graph: Path, tmp_path: Path
) -> None:
    fault(disk)
    arguments = ["queue", graph, "--server", server.url, "--out"]
    said = told(headless(repo, *arguments, disk.folder / "out"))
    assert "could not be written" in said and "still in the server's output folder" in said
    assert not list(disk.folder.rglob("*.png")) and not list(disk.folder.rglob("*.tmp"))
    assert headless(repo, *arguments, tmp_path / "elsewhere").returncode == 0
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_sweep_goes_on_when_there_is_space_again(
    disk: Disk, repo: Path, server: Any, sweep: Path
) -> None:
    out = disk.folder / "sweep"
    command = "sweep", sweep, "--server", server.url, "--out", out
    before = len(api.get_json(f"{server.url}/history"))
    for free in (0, 40_000):
        disk.fill(but=free)
        said = told(headless(repo, *command))
        assert "Every job that was done before is kept" in said and str(out) in said
        assert not list(out.rglob("*.tmp"))
        done = list(out.glob("jobs/*.json"))
        assert all(json.loads(path.read_text("utf-8"))["error"] == "" for path in done)
        assert bool(done) == bool(free)
    disk.free()
    assert headless(repo, *command).returncode == 0
    assert len((out / "results.csv").read_text("utf-8").splitlines()) == 9
    assert len(list((out / "pictures").iterdir())) == 8
    assert len(api.get_json(f"{server.url}/history")) == before + 8  # nothing was done twice
    disk.fill()
    assert "No space left" in told(headless(repo, "report", out))
    disk.free()
    disk.read_only()
    assert "Every job that was done before is kept" in told(headless(repo, *command))
    disk.read_only(False)
    assert headless(repo, *command).returncode == 0


def test_server_whose_output_folder_is_full(server: Any, client: Client, tmp_path: Path) -> None:
    """A sub-folder of it, since others use that server too."""
    save = {**GRAPH["2"], "inputs": {**GRAPH["2"]["inputs"], "filename_prefix": "small/x"}}
    with mounted(server.base / "output" / "small") as disk:
        disk.fill()
        with pytest.raises(RunError, match=r"SaveImage \(#2\).*No space left"):
            client.run({**GRAPH, "2": save}, tmp_path / "out")
        disk.free()
        assert client.run({**GRAPH, "2": save}, tmp_path / "out").files


def test_server_whose_base_folder_is_full(
    disk: Disk, repo: Path, environment: Any, graph: Path
) -> None:
    disk.fill()
    command = ["queue", graph, "--cpu", "--base-dir", disk.folder / "base"]
    host = ["--comfyui", environment.comfyui, "--python", environment.python]
    said = told(headless(repo, *command, *host))
    assert "No space left" in said and "--base-dir" in said


@pytest.mark.parametrize("fault", [Disk.fill, Disk.read_only])
def test_planner_goes_on_without_keeping_answers(fault: Callable[[Disk], None], disk: Disk) -> None:
    store = DiskStore(disk.folder / "answers")
    store.put("before", {"a": 1})
    fault(disk)
    store.put("after", {"b": "x" * 10_000})
    assert store.get("after") is None and store.get("before") == {"a": 1}
    assert [path.name for path in (disk.folder / "answers").iterdir()] == ["before.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_limit_on_the_size_of_files(sweep: Path, tmp_path: Path) -> None:
    """What a full disk does, for anyone: the first bytes of a file fit, the rest does not."""
    import resource

    store = Store(tmp_path / "out")
    store.open(load(sweep))
    job = make_jobs(load(sweep))[0]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(RunError, match="could not be written: File too large"):
            store.claim(job, "http://127.0.0.1:8188")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in store.jobs.iterdir()] == []

"""Servers that die, ports that are taken, and nothing left running at the end.

That Ctrl-C ends ``serve`` and all it started is tried on the server of ``test_unpacked.py``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from regional_dit.headless import api
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import RunError, ServerError
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue.client import Client
from regional_dit.headless.server.pack import link_pack, unlink_pack
from regional_dit.headless.server.start import Server, _import_error

SLEEP = {
    "1": {"class_type": "ProbeSleep", "inputs": {"seconds": 300}, "_meta": {"title": "Long sleep"}}
}
posix_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@contextlib.contextmanager
def serving(repo: Path, environment: Environment, base: Path) -> Iterator[tuple[Any, str]]:
    """``serve`` in a process of its own; gives the process and the server's address."""
    command = [
        sys.executable, str(repo / "headless"), "serve", "--cpu", "--base-dir", str(base),
        "--comfyui", str(environment.comfyui), "--python", str(environment.python),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def wait_for_end(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=30)[1]


@posix_signals
def test_server_ends_with_a_killed_starter_and_the_client_says_what_was_lost(
    repo: Path,
    environment: Environment,
    make_base: Callable[[Path], Path],
    tmp_path: Path,
    quiet: Progress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("regional_dit.headless.queue.follow._LOST_S", 1.0)
    with serving(repo, environment, make_base(tmp_path / "base")) as (process, url):
        started = psutil.Process(process.pid).children(recursive=True)

        def kill_in_mid_run() -> None:
            while not api.get_json(f"{url}/queue")["queue_running"]:
                time.sleep(0.1)
            time.sleep(0.5)
            os.kill(process.pid, signal.SIGKILL)

        thread = threading.Thread(target=kill_in_mid_run)
        thread.start()
        with pytest.raises(RunError, match=r"was lost while Long sleep \(#1\) ran"):
            Client(url, quiet).run(SLEEP, tmp_path / "out")
        thread.join()
        assert wait_for_end(started) == []


def test_taken_port(environment: Environment, quiet: Progress, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"Port {port} is taken"):
            Server(environment, quiet, port=port, base=tmp_path, cpu=True).start()


@pytest.mark.parametrize("port", [-1, 70000])
def test_impossible_port(environment: Environment, quiet: Progress, port: int) -> None:
    with pytest.raises(ServerError, match="is no port"):
        Server(environment, quiet, port=port, cpu=True).start()


def test_dead_server_shows_its_log(
    environment: Environment, quiet: Progress, tmp_path: Path
) -> None:
    server = Server(environment, quiet, base=tmp_path, cpu=True, extra=["--no-such-option"])
    with pytest.raises(ServerError, match=r"(?s)ended with exit code 2.*--no-such-option"):
        server.start()
    assert server.pid is None


def test_import_error_is_taken_from_the_log() -> None:
    log = (
        "Traceback (most recent call last):\n  other\nKeyError: 1\nCannot import /x/other module\n"
        'Traceback (most recent call last):\n  File "x"\nImportError: no scipy\n\n'
        "Cannot import /x/custom_nodes/regional-dit module for custom nodes: no scipy\nmore\n"
    )
    assert _import_error(log, "regional-dit") == (
        'Traceback (most recent call last):\n  File "x"\nImportError: no scipy\n\n'
        "Cannot import /x/custom_nodes/regional-dit module for custom nodes: no scipy"
    )
    assert _import_error("all is well", "regional-dit") is None


def test_pack_is_linked_and_unlinked(tmp_path: Path, repo: Path) -> None:
    target = link_pack(tmp_path)
    assert (target / "headless" / "cli.py").is_file() and link_pack(tmp_path) == target
    unlink_pack(tmp_path)
    assert not target.exists() and (repo / "headless" / "cli.py").is_file()
    unlink_pack(tmp_path)  # nothing there: nothing to do


def test_another_clone_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "regional-dit"
    other.mkdir()
    (other / "work.py").touch()
    with pytest.raises(ServerError, match="is there already and is not this clone"):
        link_pack(tmp_path)
    assert (other / "work.py").exists()


@posix_signals
def test_this_clone_under_another_name_is_used(tmp_path: Path, repo: Path) -> None:
    (tmp_path / "mine").symlink_to(repo)
    assert link_pack(tmp_path) == tmp_path / "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_copied_pack_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise OSError("links are not permitted")

    monkeypatch.setattr(Path, "symlink_to", forbidden)
    target = link_pack(tmp_path)
    assert (target / "headless" / "cli.py").is_file() and not target.is_symlink()
    assert not (target / ".git").exists()
    unlink_pack(tmp_path)
    assert not target.exists()

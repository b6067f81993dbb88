"""Child processes and signals, so that nothing keeps running when this program ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .errors import Stopped

_PATIENCE_S = 5.0


def raise_on_signals() -> None:
    """Turn the signals that end a program into exceptions, so that ``finally`` blocks run."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        raise Stopped(signum)

    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        signum = getattr(signal, name, None)
        if signum is not None and signal.getsignal(signum) != signal.SIG_IGN:  # nohup ignores one
            signal.signal(signum, stop)
    # A shell starts background jobs with SIGINT ignored; Ctrl-C must end this program all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start_in_group(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child as the head of a group of its own, which :func:`end_group` can end whole."""
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
    return subprocess.Popen(list(command), **options)


def end_group(child: subprocess.Popen[bytes], patience_s: float = _PATIENCE_S) -> None:
    """Ask the child and all it started to end; after ``patience_s`` seconds end them by force."""
    if sys.platform == "win32":
        if child.poll() is None:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(child.pid)], capture_output=True)
        child.wait()
        return
    try:
        if child.poll() is None:
            _signal_group(child.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(patience_s)
    finally:  # also when a second Ctrl-C cut the wait short, and for what the child left behind
        _signal_group(child.pid, signal.SIGKILL)
        child.wait()


def _signal_group(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


@contextlib.contextmanager
def ended_on_exit(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End the child's group when the block is left, however it is left."""
    try:
        yield child
    finally:
        end_group(child)


def run_child(
    command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> int:
    """Run a command on this terminal and return its exit code.

    The child shares the terminal's group, so Ctrl-C reaches it directly and it may clean up; a
    SIGTERM that only this program got is passed on.
    """
    child = subprocess.Popen(list(command), cwd=cwd, env=None if env is None else dict(env))
    try:
        return child.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE_S)
        raise
    finally:
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE_S)
        if child.poll() is None:
            child.kill()
            child.wait()


def become(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Go on as another program; on Windows run it and return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execve(command[0], list(command), dict(env))
    return run_child(command, env=env)

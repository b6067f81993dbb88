"""A lock that keeps two runs from building the same environment."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import InstallError
from ..progress import Progress


@contextlib.contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of one environment; the system frees it when the holder dies.

    Raises:
        InstallError: the cache folder cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = open(folder.with_name(f"{folder.name}.lock"), "a+b")  # noqa: SIM115
    except OSError as error:
        raise InstallError(
            f"Cannot write to the cache folder {folder.parent}: {error}. Let XDG_CACHE_HOME (on "
            "Windows LOCALAPPDATA) name a folder that you may write to."
        ) from error
    with file:
        told = False
        while not try_lock(file):
            if not told:
                progress.line(f"Waiting: another run is preparing {folder}.")
                told = True
            time.sleep(0.5)
        yield


def try_lock(file: IO[bytes]) -> bool:
    """Take the lock of an open file if it is free."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

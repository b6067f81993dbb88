"""Files written whole or not at all, and where: inside one folder, over nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import time
from pathlib import Path

from .errors import RunError

# Windows reserves these names with any ending, also behind spaces; its superscript digits count.
_RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_HOST = re.sub(r"\W", "_", platform.node())


def safe_path(out: Path, subfolder: str, filename: str) -> Path:
    """Where to put a file that a server named, always inside ``out``.

    Raises:
        RunError: a link inside ``out`` leads the path out of it.
    """
    parts = [safe_part(part) for part in re.split(r"[\\/]+", f"{subfolder}/{filename}")]
    parts = [part for part in parts if part]
    target = out.joinpath(*parts or ["file"])
    if not target.resolve().is_relative_to(out.resolve()):
        raise RunError(f"{target} leads out of {out} through a link; nothing was written there.")
    return target


def safe_part(part: str) -> str:
    """A name as every system takes it for a file or folder; "" for none and for dots alone."""
    part = _FORBIDDEN.sub("_", part).strip(" ").rstrip(" .")
    if not part.strip("."):
        return ""
    return f"_{part}" if _RESERVED.match(part) else part


def unused_path(target: Path, data: bytes) -> Path:
    """The path itself, or with a higher number if it holds something else already."""
    counter = re.fullmatch(r"(.*_)(\d+)_", target.stem)  # ComfyUI's own: prefix_00001_
    number, candidate = int(counter[2]) if counter else 1, target
    while candidate.exists():
        if candidate.is_file() and candidate.read_bytes() == data:
            return candidate
        number += 1
        stem = f"{counter[1]}{number:05d}_" if counter else f"{target.stem}-{number}"
        candidate = target.with_name(stem + target.suffix)
    return candidate


def write_whole(target: Path, data: bytes) -> None:
    """Write a downloaded file and the folders above it, whole or not at all.

    Raises:
        RunError: the folder may not be written to, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    except OSError as error:
        raise RunError(
            f"{target} could not be written: {error.strerror or error}. The picture is still in "
            "the server's output folder as long as that is kept; free some space or give another "
            "--out, and run the command again."
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is whole, or not there, whenever the program is killed.

    Nothing is left behind where it fails, on a full disk for instance.

    Raises:
        OSError: as the system gives it.
    """
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace(source: Path, target: Path) -> None:
    """``os.replace``, on Windows with patience: a scanner or a viewer may have the file open."""
    for wait_s in (0.05, 0.2, 1.0) if sys.platform == "win32" else ():
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(wait_s)
    return os.replace(source, target)


def remove_leftovers(folder: Path) -> None:
    """Remove what ``write_atomically`` left half-written in a process of this machine that died."""
    for path in folder.rglob(f".*.{_HOST}.*.tmp"):
        pid = path.name.split(".")[-2]
        if pid.isdecimal() and not _is_running(int(pid)):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would end the process there; the file stays, which does no harm
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

"""Where a file that a server named may be written: inside one folder, over nothing."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from .errors import RunError

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


def safe_path(out: Path, subfolder: str, filename: str) -> Path:
    """Where to put a file that a server named, always inside ``out``.

    Raises:
        RunError: a link inside ``out`` leads the path out of it.
    """
    parts = [_safe_part(part) for part in re.split(r"[\\/]+", f"{subfolder}/{filename}")]
    parts = [part for part in parts if part]
    target = out.joinpath(*parts or ["file"])
    if not target.resolve().is_relative_to(out.resolve()):
        raise RunError(f"{target} leads out of {out} through a link; nothing was written there.")
    return target


def _safe_part(part: str) -> str:
    part = _FORBIDDEN.sub("_", part).strip(" ").rstrip(".")
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
    """Write a file whole or not at all: a full disk leaves no half picture under its name.

    Raises:
        RunError: the folder may not be written to, or the disk is full.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise RunError(
            f"{target} could not be written: {error.strerror or error}. The picture is still in "
            "the server's output folder as long as that is kept; free some space or give another "
            "--out, and run the command again."
        ) from error

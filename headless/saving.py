"""Where a file that a server named may be written: inside one folder, over nothing."""

from __future__ import annotations

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

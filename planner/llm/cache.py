"""A small store on disk: replies by content, so that the same question is asked once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

MAX_ENTRIES = 256
MAX_ENTRY_BYTES = 1_000_000


def content_key(*parts: Any) -> str:
    """A name for content: sha256 of its canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class DiskStore:
    """JSON values by key in one folder; the least recently used go first.

    A folder that cannot be written switches the store off: planning must not fail because a disk
    is full or read-only. Entries that cannot be read count as missing.
    """

    def __init__(self, folder: Path, max_entries: int = MAX_ENTRIES) -> None:
        self._folder, self._max_entries = folder, max_entries

    def get(self, key: str) -> Any | None:
        """The value, or None."""
        path = self._path(key)
        try:
            if path.stat().st_size > MAX_ENTRY_BYTES:
                return None
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        with contextlib.suppress(OSError):  # a read-only folder is still good to read
            os.utime(path)
        return value

    def put(self, key: str, value: Any) -> None:
        """Keep a value; written to a temporary file first, so that no reader sees half of it."""
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > MAX_ENTRY_BYTES:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        except OSError:
            return
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, self._path(key))
            self._trim()
        except (OSError, UnicodeEncodeError):
            with contextlib.suppress(OSError):
                os.unlink(name)

    def remove(self, key: str) -> None:
        """Forget a value."""
        try:
            self._path(key).unlink()
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _trim(self) -> None:
        entries = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in entries[: max(0, len(entries) - self._max_entries)]:
            path.unlink(missing_ok=True)

"""Progress on stderr: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from typing import TextIO

_BAR_WIDTH = 24
_REDRAW_S = 0.05


def human_seconds(seconds: float) -> str:
    """A duration for a person: ``0.4 s``, ``12 s``, ``2 min 05 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress:
    """Writes lines and, on a terminal, one bar that is redrawn in place.

    Off a terminal a bar becomes one plain line per quarter, so that a log stays readable.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        # A dumb terminal cannot go back in a line.
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()  # pip's output and the byte counter report from two threads
        self._shown = 0
        self._drawn_at = 0.0
        self._key: tuple[str, int] | None = None

    def line(self, text: str) -> None:
        """Print one line that stays."""
        with self._lock:
            self._erase()
            self._stream.write(text + "\n")
            self._stream.flush()

    def bar(self, title: str, value: float, total: float, detail: str = "") -> None:
        """Show that ``value`` of ``total`` is done; ``detail`` follows the bar."""
        share = min(max(value / total, 0.0), 1.0) if total > 0 else 0.0
        if not self._live:
            self._plain(title, share, detail)
            return
        filled = round(share * _BAR_WIDTH)
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        self._draw(f"{title} [{bar}] {share:4.0%} {detail}", force=share >= 1.0)

    def busy(self, title: str, detail: str = "") -> None:
        """Show on a terminal what is going on, where no share is known."""
        if self._live:
            self._draw(f"{title} {detail}")

    def clear(self) -> None:
        """Take the live line away."""
        with self._lock:
            self._erase()
            self._stream.flush()

    def _plain(self, title: str, share: float, detail: str) -> None:
        key = (title, int(share * 4))
        if key != self._key:
            self._key = key
            self.line(f"{title} {share:.0%} {detail}".rstrip())

    def _draw(self, text: str, force: bool = False) -> None:
        with self._lock:
            now = time.monotonic()
            if not force and now - self._drawn_at < _REDRAW_S:
                return
            self._drawn_at = now
            text = text.rstrip()[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + text + " " * max(self._shown - len(text), 0))
            self._stream.flush()
            self._shown = len(text)

    def _erase(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._shown = 0


class Timings:
    """What took how long, for the summary at the end.

    Args:
        before_s: seconds that passed before this object was made and belong to the first phase.
    """

    def __init__(self, before_s: float = 0.0) -> None:
        self._started = self._last = time.monotonic() - before_s
        self.entries: list[tuple[str, float]] = []

    def mark(self, name: str) -> float:
        """Close the phase ``name``; return its seconds."""
        now = time.monotonic()
        seconds = now - self._last
        self.entries.append((name, seconds))
        self._last = now
        return seconds

    def summary(self) -> str:
        """All phases on one line, and their sum."""
        parts = [f"{name} {human_seconds(seconds)}" for name, seconds in self.entries]
        total = human_seconds(time.monotonic() - self._started)
        return f"{', '.join(parts)}; in all {total}"

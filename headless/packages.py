"""Run pip in an environment, show what it does, and say in a sentence why it failed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .errors import InstallError
from .paths import folder_bytes, human_bytes
from .process import ended_on_exit, start_in_group
from .progress import Progress

_DOWNLOADING = re.compile(r"^\s*Downloading (\S+?)(?: \(([\d.]+) (bytes|kB|MB|GB)\))?\s*$")
_UNITS = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_POLL_S = 0.25
_BAR_FROM_BYTES = 20 * 10**6

_NO_NETWORK = re.compile(
    r"NewConnectionError|Failed to establish a new connection|NameResolutionError|"
    r"Temporary failure in name resolution|getaddrinfo failed|Network is unreachable|"
    r"ConnectTimeoutError|ReadTimeoutError|ProxyError|Max retries exceeded|Connection refused",
    re.I,
)
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|SSLError", re.I)
_DISK_FULL = re.compile(r"No space left on device|Errno 28\b|not enough space on the disk", re.I)
_NO_MATCH = re.compile(r"No matching distribution found for (\S+)")


def create_venv(folder: Path) -> None:
    """Make a virtual environment with this Python.

    Raises:
        InstallError: the system's Python comes without what ``venv`` needs.
    """
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).strip()
    if "ensurepip" in said or "No module named venv" in said:
        raise InstallError(
            f"{sys.executable} cannot make a virtual environment: its venv or ensurepip module is "
            "missing. On Debian and Ubuntu install it with: sudo apt install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        )
    raise InstallError(f"{sys.executable} cannot make a virtual environment in {folder}: {said}")


def explain_failure(output: str, log: Path) -> str:
    """One sentence for what pip printed before it failed."""
    if _DISK_FULL.search(output):
        return f"The disk filled up while packages were installed. Free some space; log: {log}"
    if _CERTIFICATE.search(output):
        return (
            "The package index could not be reached: its certificate is not trusted here. Behind a "
            f"company proxy let PIP_CERT name its certificate file; log: {log}"
        )
    if _NO_NETWORK.search(output):
        return (
            "The package index could not be reached: no network, or a proxy in between (pip reads "
            "HTTPS_PROXY and its own configuration). Nothing half-installed was kept; run the "
            f"command again when there is a network, or use --comfyui PATH. Log: {log}"
        )
    match = _NO_MATCH.search(output)
    if match:
        return (
            f"The package index has no {match[1]} for Python {sys.version_info[0]}."
            f"{sys.version_info[1]} on {sys.platform}. Start this command with another Python "
            f"(3.10 to 3.13 are the safest), or use --comfyui PATH; log: {log}"
        )
    errors = [line.strip() for line in output.splitlines() if "error" in line.lower()]
    last = (errors or output.strip().splitlines() or ["it printed nothing"])[-1]
    return f"pip failed: {last} (log: {log})"


class Pip:
    """pip of one environment, with downloads counted."""

    def __init__(
        self,
        python: Path,
        temporary: Path,
        log: Path,
        progress: Progress,
        kept_log: Path | None = None,
    ) -> None:
        self._python = python
        self._temporary = temporary
        self._log = log
        self._kept_log = kept_log or log
        self._progress = progress
        self.downloaded = 0

    def install(self, title: str, arguments: Sequence[str]) -> None:
        """``pip install`` with the progress of its downloads.

        Raises:
            InstallError: why it failed, in a sentence.
        """
        self._progress.line(title)
        # The wheel cache would double the disk that is needed.
        command = [
            "install", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
            "--progress-bar", "off", *arguments,
        ]  # fmt: skip
        self.run(command, title)

    def run(self, arguments: Sequence[str], title: str | None = None) -> str:
        """Run any pip command and return what it printed.

        Raises:
            InstallError: why it failed, in a sentence.
        """
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        for name in ("TMPDIR", "TEMP", "TMP"):
            variables[name] = str(self._temporary)
        variables.pop("PYTHONPATH", None)
        child = start_in_group(
            [str(self._python), "-m", "pip", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables,
        )
        watch = _DownloadBar(self._temporary, self._progress, title)
        output: list[str] = []
        with ended_on_exit(child), watch, open(self._log, "a", encoding="utf-8") as log:
            assert child.stdout is not None
            for raw in child.stdout:
                line = raw.decode("utf-8", "replace")
                log.write(line)
                output.append(line)
                watch.saw(line)
            code = child.wait()
        self.downloaded += watch.announced
        if code != 0:
            raise InstallError(explain_failure("".join(output), self._kept_log))
        return "".join(output)

    def site_packages(self) -> Path:
        """Folder that pip installs pure packages into."""
        script = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()['purelib']))"
        done = subprocess.run(
            [str(self._python), "-c", script], capture_output=True, text=True, check=True
        )
        return Path(json.loads(done.stdout))  # ASCII, whatever the folders are called


class _DownloadBar:
    """Compares what pip announced with what has arrived in its temporary folder."""

    def __init__(self, temporary: Path, progress: Progress, title: str | None) -> None:
        self._temporary = temporary
        self._progress = progress
        self._title = title
        self._what = "reading the package index"
        self._current = 0
        self._before = 0
        self.announced = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def saw(self, line: str) -> None:
        """Take in one line of pip's output."""
        match = _DOWNLOADING.match(line)
        if match:
            size = float(match[2]) * _UNITS[match[3]] if match[2] else 0.0
            self._before, self._current = self.announced, int(size)
            self.announced += int(size)
            self._what = match[1].rsplit("/", 1)[-1].split("-")[0]
        elif "Retrying (" in line:
            self._what, self._current = "no answer from the package index, trying again", 0
        elif line.startswith("Installing collected"):
            self._what, self._current = "unpacking", 0

    def _poll(self) -> None:
        while not self._stop.wait(_POLL_S):
            if self._title is None:
                continue
            title = f"{self._title}: {self._what}"
            if self._current > _BAR_FROM_BYTES:
                arrived = folder_bytes(self._temporary) - self._before
                size = f"of {human_bytes(self._current)}"
                self._progress.bar(title, arrived, self._current, size)
            else:
                self._progress.busy(title)

    def __enter__(self) -> _DownloadBar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._progress.clear()

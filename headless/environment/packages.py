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
from typing import Any

from ..errors import InstallError
from ..paths import folder_bytes, human_bytes
from ..process import ended_on_exit, start_in_group
from ..progress import Progress
from .pip_failures import PipError, PipSettings, explain

_DOWNLOADING = re.compile(r"^\s*Downloading (\S+?)(?: \(([\d.]+) (bytes|kB|MB|GB)\))?\s*$")
_UNITS = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_POLL_S = 0.25
_BAR_FROM_BYTES = 20 * 10**6
_PROBE_TIMEOUT_S = 180
_READS_METADATA_ALONE = (23, 2)
# The person's settings say what may be installed and where it comes from; where it goes is ours.
_INTO_THE_ENVIRONMENT = {"PIP_USER": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_ROOT": ""}

_MISSING = """
import json, sys
from importlib import metadata
try:
    from packaging.requirements import Requirement
except ImportError:
    try:  # a bare Python; every pip carries it
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:  # an environment without pip, as uv makes them: the one that venv unpacks
        import ensurepip, pathlib
        bundled = pathlib.Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl")
        sys.path += map(str, bundled)
        from pip._vendor.packaging.requirements import Requirement
missing = []
for line in json.loads(sys.argv[1]):
    wanted = Requirement(line)
    if wanted.marker and not wanted.marker.evaluate():
        continue
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        missing.append(line)
        continue
    if not wanted.specifier.contains(version, prereleases=True):
        missing.append(line)
print(json.dumps(missing))
"""


def create_venv(folder: Path, python: Path | None = None) -> None:
    """Make a virtual environment with a Python, or with the one that runs this.

    Raises:
        InstallError: the system's Python comes without what ``venv`` needs.
    """
    program = str(python or sys.executable)
    done = subprocess.run(
        [program, "-m", "venv", str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).strip()
    if "ensurepip" in said or "No module named venv" in said:
        raise InstallError(
            f"{program} cannot make a virtual environment: its venv or ensurepip module is "
            "missing. On Debian and Ubuntu install it with: sudo apt install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        )
    raise InstallError(f"{program} cannot make a virtual environment in {folder}: {said}")


def missing_requirements(python: Path, lines: Sequence[str]) -> list[str]:
    """Which requirement lines a Python does not meet.

    Raises:
        InstallError: that Python did not start, or has neither packaging nor pip.
    """
    answer = ask(python, _MISSING, [json.dumps(list(lines))])
    return [str(line) for line in answer]


def ask(python: Path, script: str, arguments: Sequence[str] = (), cwd: Path | None = None) -> Any:
    """Run a script that prints JSON as its last line in another Python; return what it printed.

    Raises:
        InstallError: that Python did not start, or the script failed there.
    """
    try:
        done = subprocess.run(
            [str(python), "-c", script, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=cwd,
            timeout=_PROBE_TIMEOUT_S,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{python} does not run: {error}. Name another: --python.") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise InstallError(
            f"{python} cannot run this ComfyUI: {last}. Repair its packages or name another Python "
            "with --python."
        )
    return json.loads(lines[-1])


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
            PipError: why it failed, in a sentence.
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
            PipError: why it failed, in a sentence.
        """
        variables = {**os.environ, **_INTO_THE_ENVIRONMENT}
        variables |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
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
            raise explain("".join(output), self._kept_log, self._settings)
        return "".join(output)

    def _settings(self) -> PipSettings:
        """The person's own pip settings, to name the one that stands in the way."""
        done = subprocess.run(
            [str(self._python), "-m", "pip", "config", "list"], capture_output=True
        )
        return PipSettings.read(done.stdout.decode("utf-8", "replace"))

    def renew(self) -> None:
        """Take a newer pip where this one is old: it would load whole wheels to read their names.

        What an old pip does is right, if slow, so that a failure here is told and passed over.
        """
        found = [path.name for path in self.site_packages().glob("pip-*.dist-info")]
        version = re.match(r"pip-(\d+)\.(\d+)", found[0]) if found else None
        if version is None or (int(version[1]), int(version[2])) >= _READS_METADATA_ALONE:
            return
        try:
            self.install("  a newer pip", ["--upgrade", "pip"])
        except PipError as error:
            self._progress.line(f"  {error.reason} Going on with {version[0]}.")

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

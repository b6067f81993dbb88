"""``requirements.txt`` in the Python of a host that satisfies it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_pip_would_change_nothing(repo: Path, tmp_path: Path) -> None:
    """pip's own plan, without an index: what is not there could not be had, and would be told."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        pytest.skip("this Python has no pip")
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet",
        "--disable-pip-version-check", "--report", str(report),
        "-r", str(repo / "requirements.txt"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["install"] == []

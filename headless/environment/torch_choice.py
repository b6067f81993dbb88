"""Which torch a fresh environment gets: one that is there, a CPU build, the tested one, or any."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InstallError
from ..paths import GIB, venv_python
from . import pins
from .ladder import Rung
from .packages import Pip, missing_requirements
from .pip_failures import PipError

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_PROBE_TIMEOUT_S = 180
_CPU_TRIES = 3
# Peak while installing, wheels beside what they unpack to (measured on Linux: 3.3 GB of wheels,
# 6.9 GB in the end). Plain Linux wheels bring CUDA; those of macOS and Windows do not.
_NEED_BYTES_CUDA = 10 * GIB
_NEED_BYTES_CPU = 4 * GIB

# What is asked of a Python that may have torch. ``find_spec`` first: it costs nothing without one.
_PROBE = """
import importlib.util, json, os, site, sys
from importlib.metadata import version
if sys.version_info < (3, 10) or not all(map(importlib.util.find_spec, ("torch", "torchvision"))):
    print("null")
    sys.exit()
import torch, torchvision
torchvision.ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)
homes = [os.path.dirname(os.path.dirname(m.__file__)) for m in (torch, torchvision)]
folders = [*homes, *site.getsitepackages()]
if site.ENABLE_USER_SITE:
    folders.append(site.getusersitepackages())
folders = list(dict.fromkeys(os.path.abspath(f) for f in folders if os.path.isdir(f)))
facts = {"torch": version("torch"), "home": os.path.abspath(homes[0]), "folders": folders}
print(json.dumps(facts))
"""
# The versions are those of the packages, as pip knows them: a build's own may say more (+cu130).
_WORKS = """
from importlib.metadata import version
import torch, torchvision
torchvision.ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)
print(version("torch"), version("torchvision"))
"""


@dataclass(frozen=True, slots=True)
class ExistingTorch:
    """A torch of another Python, which an environment can use and never changes."""

    python: Path
    torch: str
    home: Path
    """The folder that holds ``torch/``; if it goes, the environment is broken."""
    folders: tuple[str, ...]
    """All folders of packages of that Python."""


def existing(named: Path | None) -> ExistingTorch | None:
    """A usable torch with its torchvision, in the first of these Pythons that has one.

    The one that ``--python`` names and no other; else the active virtual or conda environment's,
    then the one that runs this. Usable means: of a version that ``pins.txt`` allows, and both
    import.

    Args:
        named: what ``--python`` names.
    """
    for python in _pythons(named):
        found = _probe(python)
        wanted = [line for name in pins.TORCH for line in pins.ranges(name)]
        if found is not None and not missing_requirements(python, wanted):
            return found
    return None


def _pythons(named: Path | None) -> Iterator[Path]:
    seen: set[Path] = set()
    active = [os.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    inside = [
        path
        for prefix in active
        if prefix
        for path in (venv_python(Path(prefix)), Path(prefix) / "python.exe")
    ]
    for python in [named] if named else [*inside, Path(sys.executable)]:
        if python.is_file() and python not in seen:
            seen.add(python)
            yield python


def _probe(python: Path) -> ExistingTorch | None:
    try:
        done = subprocess.run(
            [str(python), "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT_S, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    facts = json.loads(lines[-1]) if done.returncode == 0 and lines else None
    if facts is None:
        return None
    return ExistingTorch(python, facts["torch"], Path(facts["home"]), tuple(facts["folders"]))


def share(torch: ExistingTorch, site_packages: Path) -> None:
    """Let an environment see another Python's packages, behind its own."""
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in torch.folders]
    (site_packages / "zz_packages_of_another_python.pth").write_text("".join(lines))


def broken(python: Path) -> str | None:
    """What is wrong with an environment's torch and torchvision; None if both work."""
    done = subprocess.run([str(python), "-c", _WORKS], capture_output=True)
    if done.returncode == 0:
        return None
    last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
    return f"This torch and torchvision do not work together: {last}."


def versions(python: Path) -> tuple[str, str]:
    """Versions of an environment's torch and torchvision.

    Raises:
        InstallError: they do not import.
    """
    done = subprocess.run([str(python), "-c", _WORKS], capture_output=True)
    words = done.stdout.decode("utf-8", "replace").split()
    if done.returncode != 0 or len(words) != 2:
        raise InstallError(broken(python) or f"{python} has no torch.")
    return words[0], words[1]


def has_nvidia() -> bool:
    """Whether this machine shows an NVIDIA device or its driver."""
    if shutil.which("nvidia-smi"):
        return True
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32/nvcuda.dll").is_file()
    marks = ("/dev/nvidia0", "/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg")
    return any(Path(mark).exists() for mark in marks)


def plain_build_brings_cuda() -> bool:
    """Whether torch from PyPI is a CUDA build here: on Linux alone."""
    return sys.platform.startswith("linux")


def need_bytes(torch_index: str | None) -> int:
    """Free disk that an install needs at its peak, in bytes."""
    cuda = plain_build_brings_cuda() and "cpu" not in (torch_index or "")
    return _NEED_BYTES_CUDA if cuda else _NEED_BYTES_CPU


def rungs(pip: Pip, torch_index: str | None, *, nvidia: bool) -> tuple[list[Rung], list[str]]:
    """What to ask pip for, best first, and what to tell the person about it.

    Args:
        pip: of the new environment, for what its indexes have.
        torch_index: the index that ``--torch-index`` names, for torch and torchvision alone.
        nvidia: whether there is an NVIDIA device.
    """
    index = ("--index-url", torch_index) if torch_index else ()
    tested = Rung(
        "the tested versions", tuple(x for name in pins.TORCH for x in pins.lines_of(name)), index
    )
    allowed = Rung(
        "what this pip allows", tuple(x for name in pins.TORCH for x in pins.ranges(name)), index
    )
    if torch_index or nvidia or not plain_build_brings_cuda():
        return [tested, allowed], []
    torch = cpu_builds(pip, "torch")
    torchvision = cpu_builds(pip, "torchvision") if torch else []  # of no use without the other
    if torchvision:
        note = "There is no NVIDIA device here: a CPU build of torch, which is far smaller."
        cpu = [
            Rung("a CPU build", (f"torchvision=={version}", *allowed.lines))
            for version in _best_first(torchvision)
        ]
        return [*cpu, tested, allowed], [note]
    reach = f"only one of torch {torch[0]}" if torch else "none of torch"
    return [tested, allowed], [
        "There is no NVIDIA device here, and the plain build of torch brings CUDA: about 3.3 GB to "
        "download and 6.9 GB on disk. A CPU build is a tenth of that; of those, this pip's indexes "
        f"and folders have {reach}. To take one, stop this and add --torch-index {CPU_INDEX}, or "
        "the address of a mirror of it."
    ]


def cpu_builds(pip: Pip, name: str) -> list[str]:
    """CPU builds of a project that this pip can reach: their versions, newest first."""
    try:
        listed = pip.run(["index", "versions", name, "--disable-pip-version-check"])
    except PipError:
        return []
    versions = re.search(r"^Available versions: (.*)$", listed, re.M)
    return [v for v in (versions[1].split(", ") if versions else []) if v.endswith("+cpu")]


def _best_first(found: Sequence[str]) -> list[str]:
    """The tested version's build if it is there, then the newest ones."""
    tested = [line.split(";")[0].split("==")[1].strip() for line in pins.exact("torchvision")]
    ordered = [v for v in found if v.split("+")[0] in tested]
    return [*ordered, *(v for v in found if v not in ordered)][:_CPU_TRIES]

"""Which ComfyUI to use, with which Python, and why that one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import InstallError, UsageError
from ..paths import ROOT, models_root, venv_python
from ..progress import Progress
from . import install, pins
from .packages import ask, missing_requirements


@dataclass(frozen=True, slots=True)
class Environment:
    """A ComfyUI folder and the Python that runs it."""

    comfyui: Path
    python: Path
    reason: str
    """Why this one, as the end of "using ComfyUI in X, ..."."""
    managed: bool
    """Installed by this program, which may then add packages to it."""

    @property
    def models(self) -> Path:
        """Folder whose sub-folders (``checkpoints/`` ...) hold the model files."""
        return models_root() if self.managed else self.comfyui / "models"

    def variables(self) -> dict[str, str]:
        """The process environment for a child that runs inside this environment."""
        # A pipe or a file gets each line when it is printed, as a terminal does.
        return {"PYTHONUNBUFFERED": "1", **os.environ, "COMFYUI_PATH": str(self.comfyui)}


def is_comfyui(folder: Path) -> bool:
    """Whether a folder holds ComfyUI's source."""
    return (folder / "main.py").is_file() and (folder / "comfy").is_dir()


def find(comfyui: str | None = None, python: str | None = None) -> Environment | None:
    """Find a ComfyUI without changing anything.

    Order: the ``comfyui`` argument, ``COMFYUI_PATH``, the ComfyUI in whose ``custom_nodes/`` this
    clone lies, the one installed earlier by this program (with the Python that ``python`` names,
    if it names one).

    Raises:
        UsageError: a named folder holds no ComfyUI, or a named Python is not there.
        InstallError: a ComfyUI was found, and no Python that could run it.
    """
    for named, origin in ((comfyui, "--comfyui"), (os.environ.get("COMFYUI_PATH"), "COMFYUI_PATH")):
        if named:
            folder = Path(named).expanduser().absolute()
            if not is_comfyui(folder):
                raise UsageError(
                    f"{origin} names {folder}, which holds no ComfyUI (expected main.py and comfy/ "
                    "in it). Name the folder that main.py lies in."
                )
            return _own(folder, python, f"named by {origin}")
    for parent in _custom_nodes_parents():
        if is_comfyui(parent):
            return _own(parent, python, "because this clone lies in its custom_nodes/")
    installed = install.installed(_named_python(python))
    if installed is None:
        return None
    return Environment(
        installed / "ComfyUI", install.python_of(installed), "installed by this program", True
    )


def _named_python(python: str | None) -> Path | None:
    """The Python that ``--python`` names, as a path; links are kept, since they select packages."""
    if not python:
        return None
    chosen = Path(python).expanduser().absolute()
    if not chosen.is_file():
        raise UsageError(f"--python names {chosen}, which is not a file.")
    return chosen


def prepare(
    comfyui: str | None,
    python: str | None,
    progress: Progress,
    *,
    torch_index: str | None = None,
    with_tests: bool = False,
    of_tests: Collection[str] = (),
) -> Environment:
    """Find or install a ComfyUI and see to it that the Python packages it needs are there.

    Args:
        comfyui, python: as ``find`` has them.
        progress: where an install is shown.
        torch_index: package index for torch when it is installed.
        with_tests: the packages of the tests as well.
        of_tests: only these of them, by project, where the environment is the user's own.

    Raises:
        InstallError: something is missing in a ComfyUI of the user's own (it is never changed), or
            the install failed.
    """
    found = find(comfyui, python)
    if found is None or found.managed:
        folder = install.ensure(
            progress,
            torch_index=torch_index,
            with_tests=with_tests,
            named_python=_named_python(python),
        )
        return Environment(
            folder / "ComfyUI", install.python_of(folder), "installed by this program", True
        )
    wanted = pins.pack_requirements(ROOT)
    if with_tests:
        lines = pins.test_requirements(ROOT)
        wanted += [x for x in lines if not of_tests or pins.requirement_name(x) in of_tests]
    missing = missing_requirements(found.python, wanted)
    if missing:
        quoted = " ".join(f'"{line}"' for line in missing)
        raise InstallError(
            f"The Python of the ComfyUI in {found.comfyui} ({found.reason}) lacks or has another "
            f"version of: {', '.join(missing)}. Nothing is installed there without being asked. "
            f"Install it with:\n  {found.python} -m pip install {quoted}"
        )
    return found


def has_accelerator(environment: Environment) -> bool:
    """Whether torch there sees a device beside the CPU."""
    script = (
        "import json, torch\n"
        "probe = getattr(torch, 'accelerator', None)\n"
        "mps = getattr(torch.backends, 'mps', None)\n"
        "found = probe.is_available() if probe else torch.cuda.is_available()\n"
        "print(json.dumps(bool(found or (mps and mps.is_available()))))\n"
    )
    return bool(ask(environment.python, script))


def _custom_nodes_parents() -> list[Path]:
    """ComfyUI folders that this clone may lie in; only the shell's path shows links."""
    spellings = [ROOT]
    shell = os.environ.get("PWD")
    if shell and Path(shell).resolve() == ROOT.resolve():
        spellings.append(Path(shell))
    return [p.parent.parent for p in spellings if p.parent.name == "custom_nodes"]


def _own(folder: Path, python: str | None, reason: str) -> Environment:
    installed = install.installed()
    if not python and installed is not None and folder == installed / "ComfyUI":
        return Environment(folder, install.python_of(installed), reason, True)
    named = _named_python(python)
    if named is not None:
        return Environment(folder, named, reason, False)
    for candidate in _python_candidates(folder):
        if candidate.is_file():
            return Environment(folder, candidate, reason, False)
    if _imports_torch(Path(sys.executable)):
        return Environment(folder, Path(sys.executable), reason, False)
    raise InstallError(
        f"Found ComfyUI in {folder} ({reason}) and no Python to run it with: there is no venv/, "
        ".venv/ or python_embeded/ beside it, and the Python that runs this command has no torch. "
        "Name the Python that you start ComfyUI with: --python PATH."
    )


def _python_candidates(folder: Path) -> list[Path]:
    bases = folder, folder.parent
    venvs = [venv_python(base / name) for base in bases for name in ("venv", ".venv")]
    return [*venvs[:2], folder.parent / "python_embeded" / "python.exe", *venvs[2:]]


def _imports_torch(python: Path) -> bool:
    command = [str(python), "-c", "import torch"]
    return subprocess.run(command, capture_output=True).returncode == 0

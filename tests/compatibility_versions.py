"""What is installed around the tests, without a word of where."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path


def versions() -> list[tuple[str, str]]:
    """Names and versions: the pack, ComfyUI, its front end, Python, torch, device, system."""
    import torch  # here, not with the module: the process that hands out tests does without
    from regional_dit.headless.commands.doctor import comfyui_version
    from regional_dit.headless.environment.browser import FRONT_END_VARIABLE
    from regional_dit.headless.paths import ROOT

    comfyui = Path(os.environ["COMFYUI_PATH"])
    front_end = "not installed"
    with contextlib.suppress(metadata.PackageNotFoundError):
        front_end = metadata.version("comfyui-frontend-package")
    if os.environ.get(FRONT_END_VARIABLE):
        front_end += " (the browser's tests: another, by " + FRONT_END_VARIABLE + ")"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    release = "" if platform.system() == "Linux" else platform.release()  # which names a kernel
    system = " ".join(filter(None, (platform.system(), release, platform.machine())))
    return [
        ("Regional DiT", comfyui_version(ROOT) + _commit(ROOT)),
        ("ComfyUI", comfyui_version(comfyui) + _commit(comfyui)),
        ("front end", front_end),
        ("Python", platform.python_version()),
        ("torch", f"{torch.__version__} on {device}"),
        ("system", system),
    ]


def _commit(folder: Path) -> str:
    """The commit of a clone, in brackets; nothing where the folder is none."""
    if not (folder / ".git").exists():  # a folder inside another clone has that one's commit
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return f" ({done.stdout.strip()})"
    return ""

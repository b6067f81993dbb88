"""Put this pack into a ComfyUI's ``custom_nodes`` and take it out again."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

from ..errors import ServerError
from ..paths import PACK_NAME, ROOT

_COPY_MARK = ".copied-by-headless"


def link_pack(custom_nodes: Path) -> Path:
    """Put this pack into a ``custom_nodes`` folder: a link, a Windows junction, or else a copy.

    Returns:
        Where it lies; a clone that is in there already is left as it is.

    Raises:
        ServerError: another clone or folder of that name is in there.
    """
    for there in custom_nodes.iterdir():
        if there.resolve() == ROOT:
            return there
    unlink_pack(custom_nodes)
    target = custom_nodes / PACK_NAME
    with contextlib.suppress(OSError, NotImplementedError):
        target.symlink_to(ROOT, target_is_directory=True)
        return target
    if sys.platform == "win32":
        import _winapi  # what the standard library has for it; mklink needs a shell

        with contextlib.suppress(OSError):
            _winapi.CreateJunction(str(ROOT), str(target))
            return target
    ignored = shutil.ignore_patterns(".git", "output", "__pycache__", ".venv", "node_modules")
    shutil.copytree(ROOT, target, ignore=ignored)
    (target / _COPY_MARK).touch()
    return target


def unlink_pack(custom_nodes: Path) -> None:
    """Take the pack out again: only ever a link, or a copy that this program made.

    Raises:
        ServerError: something else is in its place.
    """
    target = custom_nodes / PACK_NAME
    if target.is_symlink():
        target.unlink()
        return
    if not target.exists():
        return
    with contextlib.suppress(OSError):
        os.rmdir(target)  # removes a junction, and fails on a folder that is not empty
        return
    if not (target / _COPY_MARK).is_file():
        raise ServerError(
            f"{target} is there already and is not this clone ({ROOT}). Use another --base-dir, or "
            "run the command from that clone."
        )
    shutil.rmtree(target)

"""Load the pack the way ComfyUI does, beside a real ComfyUI.

A pack is imported under its folder's name, and its ``nodes/`` must not shadow ComfyUI's
``nodes.py``: so the repository root leaves ``sys.path`` and the root ``__init__.py`` is loaded from
its file under a fixed package name.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from regional_dit.headless.environment import Environment
    from regional_dit.headless.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "regional_dit"

# Random examples of each property: 100, or by ``--hypothesis-profile=thorough`` a thousand. On CI
# they are the same ones every time.
settings.register_profile("quick", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("quick")


def _use_comfyui(path: str) -> None:
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    sys.path.insert(0, path)
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import comfy.cli_args
    import torch

    if not torch.cuda.is_available():
        comfy.cli_args.args.cpu = True


def _load_pack() -> None:
    spec = importlib.util.spec_from_file_location(
        PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


comfyui_path = os.environ.get("COMFYUI_PATH")
if not comfyui_path or not (Path(comfyui_path) / "comfy").is_dir():
    raise pytest.UsageError(
        "The tests run beside a real ComfyUI: start them with 'python3 -m headless test', or set "
        "COMFYUI_PATH to a ComfyUI folder."
    )
_use_comfyui(comfyui_path)
_load_pack()


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """Folder of the ComfyUI that the tests run in."""
    return Path(os.environ["COMFYUI_PATH"])


@pytest.fixture(scope="session")
def repo() -> Path:
    """Root of this repository."""
    return ROOT


@pytest.fixture(scope="session")
def environment(comfyui: Path) -> Environment:
    """The ComfyUI that the tests run in, with the Python that runs them."""
    from regional_dit.headless.environment import Environment

    return Environment(comfyui, Path(sys.executable), "for the tests", managed=False)


@pytest.fixture
def quiet() -> Progress:
    """Progress that nobody sees."""
    from regional_dit.headless.progress import Progress

    return Progress(io.StringIO())

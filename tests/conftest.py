"""Load the pack the way ComfyUI does, beside a real ComfyUI.

A pack is imported under its folder's name, and its ``nodes/`` must not shadow ComfyUI's
``nodes.py``: so the repository root leaves ``sys.path`` and the root ``__init__.py`` is loaded from
its file under a fixed package name.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import logging
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from regional_dit.headless.environment.choice import Environment
    from regional_dit.headless.progress import Progress
    from regional_dit.headless.server.start import Server

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "regional_dit"
SERVER_KEY_VARIABLE, SERVER_KEY = "REGIONAL_DIT_SERVER_TEST_KEY", "sk-secret-5f2c9a7be01d"

# Random examples of each property. A run cannot fail by chance: they are the same every time. Those
# that no run has met yet are searched for by ``headless test --search MINUTES``.
settings.register_profile("same", deadline=None, derandomize=True, database=None, max_examples=60)
settings.register_profile("thorough", deadline=None, derandomize=True, max_examples=1000)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("same")


def _use_comfyui(path: str) -> None:
    import torch

    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    sys.path.insert(0, path)
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import comfy.cli_args

    if not torch.cuda.is_available():
        comfy.cli_args.args.cpu = True
        # What the host takes on a GPU. Its choice for a CPU cuts the tiny sequences in pieces and
        # asks the system for free memory at each call, up to a third of a sampling's time.
        comfy.cli_args.args.use_pytorch_cross_attention = True
        # Of a device that is not there each keeps every seed with a stack, for when it is started:
        # a twentieth of the time of all tests, since each test and each sampling sets one.
        backends: tuple[Any, ...] = torch.cuda, torch.xpu, torch.mtia
        for absent in backends:
            absent.manual_seed_all = lambda seed: None


def _load_pack(run: bool = True) -> None:
    """Make the pack known under its name; ``run`` also runs its ``__init__.py``, with torch."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    if run:
        spec.loader.exec_module(module)


comfyui_path = os.environ.get("COMFYUI_PATH")
if not comfyui_path or not (Path(comfyui_path) / "comfy").is_dir():
    raise pytest.UsageError(
        "The tests run beside a real ComfyUI: start them with 'python3 -m headless test', or set "
        "COMFYUI_PATH to a ComfyUI folder."
    )
# The process that hands all tests out to others runs none of them: it is ready seconds earlier.
if "REGIONAL_DIT_HANDS_OUT" in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
    _load_pack(run=False)
else:
    gc.disable()  # until all is collected: of the million objects that this makes none is rubbish
    _use_comfyui(comfyui_path)
    _load_pack()
sys.path.append(str(Path(__file__).parent))
import run_plan  # noqa: E402 - needs the line before


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(run_plan, "run_plan")
    config.pluginmanager.register(run_plan.Summary(), "summary")


def pytest_collection_finish() -> None:
    # At each phase of each test pytest listens to all anew that stand apart; torch brings fifty.
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger) and logger.name.partition(".")[0] == "torch":
            logger.propagate = True
            logger.handlers.clear()
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked through again
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """The same random numbers for a test whichever tests ran before it, and for its fixtures."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


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
    from regional_dit.headless.environment.choice import Environment

    return Environment(comfyui, Path(sys.executable), "for the tests", managed=False)


@pytest.fixture(scope="session")
def comfyui_server(
    environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One real server for all tests that queue something, with the nodes that they need besides.

    Its planner asks the endpoints of ``endpoints.json`` in its base folder, where there is one.
    """
    import torch
    from regional_dit.headless.progress import Progress
    from regional_dit.headless.server.start import Server

    base = tmp_path_factory.mktemp("server")
    packs = base / "custom_nodes"
    packs.mkdir()
    shutil.copyfile(ROOT / "tests" / "headless" / "probe_nodes.py", packs / "probe_nodes.py")
    shutil.copytree(ROOT / "tests" / "host" / "test_node_pack", packs / "test_node_pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGIONAL_DIT_ENDPOINTS", str(base / "endpoints.json"))
        patch.setenv(SERVER_KEY_VARIABLE, SERVER_KEY)
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.setenv("LOCALAPPDATA", str(base / "cache"))
        server = Server(
            environment, Progress(io.StringIO()), base=base, cpu=not torch.cuda.is_available()
        )
        server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server_key() -> tuple[str, str]:
    """A variable in the environment of that server, and the key in it."""
    return SERVER_KEY_VARIABLE, SERVER_KEY


@pytest.fixture
def quiet() -> Progress:
    """Progress that nobody sees."""
    from regional_dit.headless.progress import Progress

    return Progress(io.StringIO())

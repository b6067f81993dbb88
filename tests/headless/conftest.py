"""Bases and clients of real servers; workflows of stock nodes without a model."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue.client import Client
from regional_dit.headless.server.start import Server

sys.path.append(str(Path(__file__).parent))  # for the helpers beside this file

Workflow = dict[str, dict[str, Any]]


def base_folder(path: Path) -> Path:
    """A server's base folder that holds the probe nodes."""
    custom_nodes = path / "custom_nodes"
    custom_nodes.mkdir(parents=True)
    shutil.copyfile(Path(__file__).parent / "probe_nodes.py", custom_nodes / "probe_nodes.py")
    return path


@pytest.fixture
def make_base() -> Callable[[Path], Path]:
    return base_folder


@pytest.fixture(scope="session")
def server(comfyui_server: Server) -> Server:
    return comfyui_server


@pytest.fixture
def client(server: Server, quiet: Progress) -> Client:
    return Client(server.url, quiet, models=server.environment.models, alive=server.alive)


@pytest.fixture
def inverted() -> Workflow:
    """A red picture, 16 x 8, inverted to cyan, saved and previewed."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 0xFF0000},
            "_meta": {"title": "Red"},
        },
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {
            "class_type": "SaveImage",
            "inputs": {"images": ["2", 0], "filename_prefix": "sub/inverted"},
        },
        "4": {
            "class_type": "PreviewImage",
            "inputs": {"images": ["1", 0]},
            "_meta": {"title": "Before: red"},
        },
    }

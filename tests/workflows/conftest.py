from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for ``workflow_runner``

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
FILES = {p.stem: p for p in (*FOLDER.glob("*.json"), *FOLDER.glob("ablations/*.json"))}
NAMES = sorted(FILES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that ask for a ``name`` with every workflow, or with those of the module's kind."""
    if "name" in metafunc.fixturenames:
        kind = getattr(metafunc.module, "KIND", "")
        metafunc.parametrize("name", [name for name in NAMES if name.startswith(kind)])


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """The script that writes the workflows, as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("generate")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def schemas(generate: ModuleType) -> dict[str, dict[str, Any]]:
    """Schemas of all nodes, as /object_info gives them."""
    return generate.load_schemas()


@pytest.fixture
def ui(name: str) -> dict[str, Any]:
    """A shipped workflow in the UI format."""
    return json.loads(FILES[name].read_text(encoding="utf-8"))


@pytest.fixture
def picture(name: str) -> Path:
    """The picture beside it."""
    return FILES[name].with_suffix(".jpg")


@pytest.fixture
def api(name: str) -> dict[str, Any]:
    """Its twin in the API format."""
    return json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def registered(generate: ModuleType) -> Iterator[None]:
    """All nodes of the workflows in ComfyUI's table, as its loader would put them there."""
    nodes = importlib.import_module("nodes")  # ComfyUI's, not the pack's folder of that name
    before = dict(nodes.NODE_CLASS_MAPPINGS)
    nodes.NODE_CLASS_MAPPINGS.update(generate.load_nodes())
    yield
    nodes.NODE_CLASS_MAPPINGS.clear()
    nodes.NODE_CLASS_MAPPINGS.update(before)


@pytest.fixture(scope="session")
def tiny_loaders() -> ModuleType:
    """Loader nodes with tiny random models; stands on the helpers of ``tests/host``."""
    here = Path(__file__).parent
    sys.path += [str(here), str(here.parent / "host")]
    return importlib.import_module("tiny_loaders")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's folder of input pictures, with those that workflows load."""
    import folder_paths
    from PIL import Image

    folder = tmp_path / "input"
    folder.mkdir()
    sketch = FOLDER / "regional_dit_sketch.png"
    (folder / sketch.name).write_bytes(sketch.read_bytes())
    Image.linear_gradient("L").convert("RGB").save(folder / "example.png")
    monkeypatch.setattr(folder_paths, "input_directory", str(folder))
    return folder

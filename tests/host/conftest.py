from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch


def _helper(name: str) -> ModuleType:
    """Load a helper module by its file: tests are not a package in importlib import mode."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


torch.set_num_threads(1)  # tiny models: a second thread only waits

for _path in sorted(Path(__file__).parent.glob("tiny_*.py")):
    # An older host lacks some models; tests of those then fail to import, and only those.
    with contextlib.suppress(ModuleNotFoundError):
        _helper(_path.stem)
_hunyuan = sys.modules["tiny_hunyuan"]
_clip = sys.modules["tiny_hydit_clip"]
_helper("regional_models")


@pytest.fixture(scope="module")
def model():
    """A tiny HunyuanDiT, shared by the tests of a module: no test may leave a trace on it."""
    return _hunyuan.tiny_hunyuan()


@pytest.fixture(scope="module")
def clip():
    """HunyuanDiT's own text encoders and tokenizers, tiny and random."""
    return _clip.tiny_hydit_clip()

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

# Tests are not a package (importlib import mode), so the helper module is loaded by its file.
_spec = importlib.util.spec_from_file_location(
    "tiny_hunyuan", Path(__file__).with_name("tiny_hunyuan.py")
)
assert _spec is not None and _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["tiny_hunyuan"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture(scope="module")
def model():
    """A tiny HunyuanDiT, shared by the tests of a module: no test may leave a trace on it."""
    return _module.tiny_hunyuan()

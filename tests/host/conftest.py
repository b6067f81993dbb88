from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from compatibility import MARKS

torch.set_num_threads(1)  # tiny models: a second thread only waits
# For the helpers beside this file, which each test module imports by itself: an older host lacks
# some models, and then only the tests of those fail to import.
sys.path.append(str(Path(__file__).parent))


def pytest_configure(config: pytest.Config) -> None:
    """The marks of the compatibility report, also where no report is wanted."""
    for text in MARKS.values():
        config.addinivalue_line("markers", text)


@pytest.fixture(scope="module")
def model():
    """A tiny HunyuanDiT, shared by the tests of a module: no test may leave a trace on it."""
    from tiny_hunyuan import tiny_hunyuan

    return tiny_hunyuan()


@pytest.fixture(scope="module")
def clip():
    """HunyuanDiT's own text encoders and tokenizers, tiny and random."""
    from tiny_hydit_clip import tiny_hydit_clip

    return tiny_hydit_clip()


@pytest.fixture(scope="module")
def stock(model):
    """What the shared model makes of the global prompt."""
    from regional_models import BASE, NEGATIVE
    from tiny_hunyuan import conditioning, run_ksampler

    return run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE))


@pytest.fixture(scope="module")
def regional(model):
    """What it makes of a left and a right region."""
    from regional_models import NEGATIVE, patched, positive
    from tiny_hunyuan import conditioning, run_ksampler

    return run_ksampler(patched(model), positive(), conditioning(NEGATIVE))

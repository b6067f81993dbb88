"""Imports go downwards only: the contracts in ``pyproject.toml``, held by import-linter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PACK = "regional_dit"  # the name that the contracts give it; a clone's folder may have any other
PARTS = ("attention", "planner", "nodes", "headless", "evaluation", "demo_model")

pytestmark = pytest.mark.skipif(
    find_spec("importlinter") is None, reason="import-linter is not installed"
)


@pytest.fixture
def copied(repo: Path, tmp_path: Path) -> Path:
    """A folder that holds the pack's Python files as a package, and the contracts beside it."""
    for part in PARTS:
        for source in (repo / part).rglob("*.py"):
            target = tmp_path / PACK / source.relative_to(repo)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(repo / "__init__.py", tmp_path / PACK / "__init__.py")
    shutil.copyfile(repo / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def _lint(folder: Path) -> tuple[int, str]:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_are_kept(copied: Path) -> None:
    code, said = _lint(copied)
    assert code == 0, said


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("attention/engine/groups.py", "from ..rules import base", "from a node to the canvas"),
        ("attention/rules/base.py", "import comfy.utils", "know ComfyUI"),
        ("headless/api.py", "from ..planner import plan", "before there is an environment"),
        ("planner/plan.py", "from .layout import cells", "from scores to the plan"),
        ("attention/canvas/masks.py", "from . import tokens", "No circles"),
    ],
)
def test_a_planted_import_is_found(copied: Path, file: str, line: str, contract: str) -> None:
    planted = copied / PACK / file
    planted.write_text(planted.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    code, said = _lint(copied)
    broken = [row for row in said.splitlines() if row.rstrip().endswith("BROKEN")]
    assert code != 0, said
    assert any(contract in row for row in broken), said

"""``test``: lint, types, and all tests inside the real ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence

from . import browser
from .environment import Environment
from .errors import FAILED
from .paths import ROOT
from .process import run_child
from .progress import Progress


def run(
    environment: Environment, progress: Progress, arguments: Sequence[str], *, lint: bool = True
) -> int:
    """Run ruff and pyright, then pytest with ``arguments``; return the exit code.

    pytest runs last whatever the linters said, so that its closing line ends the output.
    """
    python = str(environment.python)
    variables = environment.variables()
    variables.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    failed: list[str] = []
    if lint:
        checks = {
            "ruff": [python, "-m", "ruff", "check", "--no-cache", str(ROOT)],
            "pyright": [python, "-m", "pyright", "--pythonpath", python, "--project", str(ROOT)],
        }
        for name, command in checks.items():
            progress.line(f"{name} ...")
            if run_child(command, cwd=ROOT, env=variables) != 0:
                failed.append(name)
    command = [python, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    names_tests = any((ROOT / arg.split("::")[0]).exists() for arg in arguments if arg[:1] != "-")
    paths = [
        str(ROOT / arg) if arg[:1] != "-" and (ROOT / arg.split("::")[0]).exists() else arg
        for arg in arguments
    ]
    command += paths if names_tests else [str(ROOT / "tests"), *paths]
    if not names_tests or any(_needs_browser(arg) for arg in arguments):
        variables.update(browser.prepare(environment.python, progress).variables())
    code = run_child(command, cwd=environment.comfyui, env=variables)
    if failed:
        progress.line(f"error: {' and '.join(failed)} found faults, listed above pytest's output.")
    return code or (FAILED if failed else 0)


def _needs_browser(argument: str) -> bool:
    """Whether the tests that an argument names are, or hold, those of the editor."""
    parts = (ROOT / argument.split("::")[0]).parts[len(ROOT.parts) :]
    return parts in ((), ("tests",)) or parts[:2] == ("tests", "web")

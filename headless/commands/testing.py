"""``test``: lint, types, and all tests inside the real ComfyUI; ``--search``: random examples."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Mapping, Sequence

from ..environment import browser
from ..environment.choice import Environment
from ..errors import FAILED, UsageError
from ..paths import OUTPUT, ROOT
from ..process import run_child
from ..progress import Progress, human_seconds
from .doctor import comfyui_version

_MOST_PROCESSES = 6  # each takes a gigabyte, and the longest group of tests sets the time anyway
# What cannot be spread, or says itself how.
_NOT_SPREAD = ("--dist", "--pdb", "--trace", "-s", "--capture=no")
COMPATIBILITY_NEEDS = ("pytest", "hypothesis")  # of the test packages
# What every family has, which the compatibility report tables; an old host lacks some modules.
COMPATIBILITY = (
    "-m", "invariant or refusal", "--continue-on-collection-errors", "tests/host",
)  # fmt: skip


def run(
    environment: Environment, progress: Progress, arguments: Sequence[str], *, lint: bool = True
) -> int:
    """Run ruff, pyrefly, then pytest with ``arguments``; return the exit code.

    Where families of models are tested, a compatibility report is printed and written to output/.

    All of them run whatever the others said, and pytest's closing line is the last one of stdout.
    """
    if not (ROOT / "tests").is_dir():
        raise UsageError(
            f"{ROOT} has no tests: it was installed from ComfyUI's registry, which ships without "
            "them. Clone the repository instead."
        )
    python = str(environment.python)
    variables = environment.variables()
    failed: list[str] = []
    checks = {
        "ruff": ["check", "--no-cache", str(ROOT)],
        "pyrefly": [
            "check", "--python-interpreter-path", python, "--progress-bar", "no",
            "--output-format", "min-text",
        ],
    }  # fmt: skip
    for name, check in checks.items() if lint else ():
        progress.line(f"{name} ...")
        if run_child([python, "-m", name, *check], cwd=ROOT, env=variables) != 0:
            failed.append(name)
    names_tests = any((ROOT / arg.split("::")[0]).exists() for arg in arguments if arg[:1] != "-")
    paths = [
        str(ROOT / arg) if arg[:1] != "-" and (ROOT / arg.split("::")[0]).exists() else arg
        for arg in arguments
    ]
    if not names_tests:
        paths = [str(ROOT / "tests"), *paths]
    if not names_tests or any(_needs_browser(arg) for arg in arguments):
        variables.update(browser.prepare(environment.python, progress).variables())
    spread = _spread(environment, progress, arguments, variables)
    command = [*_pytest(environment), *spread, *_compatibility(environment), *paths]
    code = run_child(command, cwd=environment.comfyui, env=variables)
    if failed:
        progress.line(f"error: {' and '.join(failed)} found faults, listed above.")
    return code or (FAILED if failed else 0)


def search(
    environment: Environment, progress: Progress, arguments: Sequence[str], minutes: float
) -> int:
    """Try new random examples of every property until the time is over; return the exit code.

    The ordinary run tries the same examples every time. What fails here is printed with the call
    that repeats it; pin it with ``@example`` beside the property when it is mended.
    """
    started, failures, rounds = time.monotonic(), [], 0
    variables = environment.variables()
    while rounds == 0 or time.monotonic() - started < minutes * 60:
        rounds += 1
        seed = random.SystemRandom().randrange(2**32)
        progress.line(f"round {rounds}, seed {seed}")
        command = [
            *_pytest(environment), "-m", "hypothesis", "-q", "--hypothesis-profile=search",
            f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", "-p", "no:cacheprovider",
            *(arguments or [str(ROOT / "tests")]),
        ]  # fmt: skip
        if run_child(command, cwd=ROOT, env=variables) != 0:
            failures.append(seed)
    took = human_seconds(time.monotonic() - started)
    seeds = f"; failed with the seeds {failures}" if failures else "; nothing failed"
    progress.line(f"{rounds} rounds of the properties in {took}{seeds}.")
    return FAILED if failures else 0


def _pytest(environment: Environment) -> list[str]:
    options = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    return [str(environment.python), "-m", "pytest", *options]


def _compatibility(environment: Environment) -> list[str]:
    """Options that let pytest write what the tests say of this ComfyUI."""
    name = f"compatibility-{comfyui_version(environment.comfyui)}.md"
    options = ["-o", "pythonpath=tests", "-p", "compatibility"]  # a path of pyproject's folder
    return [*options, "--compatibility-report", str(OUTPUT / name)]


def _spread(
    environment: Environment,
    progress: Progress,
    arguments: Sequence[str],
    variables: dict[str, str],
) -> list[str]:
    """Options that spread the tests over processes, one thread each."""
    # More than cores: tests of servers and of the browser also wait. With one more yet, what each
    # process imports costs as much as is won.
    count = min((os.cpu_count() or 1) + 1, _MOST_PROCESSES)
    asked = any(re.match(r"-n\w*$|--numprocesses", arg) for arg in arguments)
    if asked:
        variables.setdefault("OMP_NUM_THREADS", "1")  # the processes fill the cores as they are
    if asked or any(arg.split("=")[0] in _NOT_SPREAD for arg in arguments):
        return []
    if not _has_xdist(environment, variables):
        progress.line("note: without pytest-xdist the tests run in one process, which takes longer")
        return []
    variables.setdefault("OMP_NUM_THREADS", "1")
    if not arguments:  # with some, as --collect-only, the first process does more than hand out
        variables["REGIONAL_DIT_HANDS_OUT"] = "1"  # tests/conftest.py
    return ["-n", str(count), "--dist", "loadgroup", "--no-loadscope-reorder"]


def _has_xdist(environment: Environment, variables: Mapping[str, str]) -> bool:
    command = [str(environment.python), "-c", "import xdist"]
    return subprocess.run(command, capture_output=True, env=dict(variables)).returncode == 0


def _needs_browser(argument: str) -> bool:
    """Whether the tests that an argument names are, or hold, those of the editor."""
    parts = (ROOT / argument.split("::")[0]).parts[len(ROOT.parts) :]
    return parts in ((), ("tests",)) or parts[:2] == ("tests", "web")

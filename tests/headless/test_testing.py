"""The test command: types are checked beside the tests, and none of the two is lost."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest
from regional_dit.headless import process
from regional_dit.headless.commands import doctor, testing
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.progress import Progress


@pytest.mark.parametrize(("tests", "types", "code"), [(0, 0, 0), (0, 1, 1), (5, 0, 5), (5, 1, 5)])
def test_each_check_decides_the_exit_code(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tests: int, types: int, code: int
) -> None:
    """Real children that print and fail as pyright would, in the place of a minute's work."""
    said, ran = io.StringIO(), []

    def run(command: Sequence[str], **_: object) -> int:
        ran.append(command[2])
        return tests if command[2] == "pytest" else 0

    def start(command: Sequence[str], **options: object):
        ran.append(command[2])
        script = f"print('é' * 100_000, {types}, 'errors'); raise SystemExit({types})"
        return process.start_in_group([sys.executable, "-X", "utf8", "-c", script], **options)

    monkeypatch.setattr(testing, "run_child", run)
    monkeypatch.setattr(testing, "start_in_group", start)
    arguments = ["tests/headless/test_testing.py", "--pdb"]
    assert testing.run(environment, Progress(said), arguments) == code
    assert ran == ["ruff", "pyright", "pytest"]
    lines = said.getvalue().splitlines()
    assert any(line.endswith(f"é {types} errors") for line in lines)
    assert (lines[-1] == "error: pyright found faults, listed above.") == bool(types)


def test_compatibility_is_tested_by_itself_and_written(
    environment: Environment, quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of families alone, without the browser; the report is named by the ComfyUI."""
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(testing, "run_child", lambda command, **_: ran.append(command) or 0)
    assert testing.run(environment, quiet, [*testing.COMPATIBILITY, "--pdb"], lint=False) == 0
    (command,) = ran
    assert command[command.index("--compatibility-report") + 1].endswith(
        f"compatibility-{doctor.comfyui_version(environment.comfyui)}.md"
    )
    places = [part for part in command if part.startswith(str(testing.ROOT / "tests"))]
    assert places == [str(testing.ROOT / "tests" / "host")]
    assert command[command.index("-m", 2) + 1] == "invariant or refusal"


def test_types_end_with_the_tests(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the tests leaves no child behind."""
    children = []

    def start(command: Sequence[str], **options: object):
        children.append(process.start_in_group(command, **options))
        return children[-1]

    monkeypatch.setattr(testing, "start_in_group", start)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(KeyboardInterrupt), testing._beside(command, environment.variables()):
        raise KeyboardInterrupt
    assert children[0].poll() is not None

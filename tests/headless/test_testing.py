"""The test command: none of its checks is lost."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from regional_dit.headless.commands import doctor, testing
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.progress import Progress


@pytest.mark.parametrize("tests", [0, 5])
@pytest.mark.parametrize("wrong", [[], ["pyrefly"], ["ruff", "pyrefly"]])
def test_each_check_decides_the_exit_code(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tests: int, wrong: list[str]
) -> None:
    """All run whatever the others said; the tests are not run here."""
    said, ran = io.StringIO(), []

    def run(command: Sequence[str], **_: object) -> int:
        ran.append(command[2])
        return tests if command[2] == "pytest" else int(command[2] in wrong)

    monkeypatch.setattr(testing, "run_child", run)
    arguments = ["tests/headless/test_testing.py", "--pdb"]
    assert testing.run(environment, Progress(said), arguments) == (tests or int(bool(wrong)))
    assert ran == ["ruff", "pyrefly", "pytest"]
    *_, last = said.getvalue().splitlines()
    assert (last == f"error: {' and '.join(wrong)} found faults, listed above.") == bool(wrong)
    assert ("found faults" in said.getvalue()) == bool(wrong)


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

"""The compatibility report says what the tests did, in real small runs of pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

# Three families: one is whole, one is half broken, one is not in this ComfyUI.
TESTS = """
from types import SimpleNamespace
import pytest
from regional_dit.attention.errors import HostError

TINY = {name: SimpleNamespace(family=family) for name, family in (
    ("whole", ""), ("small", "Broken"), ("large", "Broken"), ("missing", ""))}

@pytest.fixture(params=list(TINY))
def case(request):
    if request.param == "missing":
        pytest.skip("no such model in this ComfyUI")
    return request.param

@pytest.mark.invariant("acts")
@pytest.mark.parametrize("size", [1, 2])
def test_acts(case, size):
    assert case != "small" or size == 1, "nothing changed in /home/somebody/models/file.txt"

@pytest.mark.invariant("exact")
def test_exact(case):
    if case == "large":
        raise HostError("it got no hook, and needs one")
    if case == "small":
        pytest.skip("it has no frames")

@pytest.mark.refusal
def test_refused(record_property):
    record_property("refused", "This model is a Later.")

def test_other():
    pass
"""


def played(pytester: pytest.Pytester, tests: str) -> tuple[pytest.RunResult, Path]:
    pytester.makepyfile(tests)
    file = pytester.path / "output" / "report.md"
    result = pytester.runpytest_inprocess(
        "-p", "compatibility", "-p", "no:cacheprovider", f"--compatibility-report={file}"
    )
    return result, file


def test_cells_say_what_the_tests_did(pytester: pytest.Pytester) -> None:
    result, file = played(pytester, TESTS)
    page = file.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows == [
        "| family | acts | exact |",
        "|---|---|---|",
        "| Broken (large) | ✓ | refused |",
        "| Broken (small) | **FAIL** | · |",
        "| whole | ✓ | ✓ |",
    ]
    assert "Absent in this ComfyUI: missing." in page
    assert "8 passed" in page and "2 failed" in page and "4 skipped" in page
    assert "- no such model in this ComfyUI (x3)" in page and "- it has no frames\n" in page
    assert "- it got no hook, and needs one\n" in page
    assert "- This model is a Later.\n" in page
    assert "test_acts[small-2]: AssertionError: nothing changed in file.txt" in page
    assert "somebody" not in page
    assert page.strip() in result.stdout.str().replace("\r\n", "\n")
    assert result.stdout.lines[-1].count("failed") == 1, "pytest's closing line stays the last"


def test_versions_are_told_without_folders(pytester: pytest.Pytester, comfyui: Path) -> None:
    _, file = played(pytester, TESTS)
    page = file.read_text(encoding="utf-8")
    for name in ("Regional DiT", "ComfyUI", "front end", "Python", "torch", "system"):
        assert f"- {name}: " in page
    assert str(comfyui) not in page and str(Path.home()) not in page


def test_no_report_where_no_family_was_tested(pytester: pytest.Pytester) -> None:
    result, file = played(pytester, "def test_other():\n    pass\n")
    result.assert_outcomes(passed=1)
    assert not file.exists() and "compatibility report" not in result.stdout.str()


def test_a_module_that_does_not_import_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_old="import a_module_of_newer_hosts")
    pytester.makepyfile(test_new=TESTS)
    file = pytester.path / "report.md"
    pytester.runpytest_inprocess(
        "-p", "compatibility", "-p", "no:cacheprovider", f"--compatibility-report={file}",
        "--continue-on-collection-errors",
    )  # fmt: skip
    page = file.read_text(encoding="utf-8")
    assert "test_old.py was not collected: ModuleNotFoundError" in page

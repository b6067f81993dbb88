"""How the tests are spread: over the real ones of this run."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import run_plan
from regional_dit.headless.commands import testing
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.progress import Progress


def test_what_starts_first_is_there(repo: Path) -> None:
    """A file that was moved would silently start last."""
    for group in set(run_plan.LONGEST_FIRST) - {"torch_compile"}:
        assert (repo / group.removesuffix(" server")).exists(), group


def test_tests_of_one_server_run_in_one_process(request: pytest.FixtureRequest) -> None:
    groups = {
        item.nodeid: run_plan._group(item, request.config.rootpath)
        for item in request.session.items
        if "comfyui_server" in getattr(item, "fixturenames", ())
    }
    assert set(groups.values()) <= {"tests server"}
    here = run_plan._group(request.node, request.config.rootpath)
    assert here == "tests/headless/test_run_plan.py"


def test_the_group_is_told_to_whom_hands_out(request: pytest.FixtureRequest) -> None:
    """By the name of the test, as pytest-xdist does it; no group is lost with a newer pytest."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests run in one process")
    assert request.node.nodeid.endswith("@tests/headless/test_run_plan.py")


@pytest.mark.parametrize("arguments", [[], ["--collect-only"]])
def test_only_a_plain_run_has_a_process_that_hands_out(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """With other arguments the first process may have to collect, for which it needs the pack."""
    monkeypatch.delenv("REGIONAL_DIT_HANDS_OUT", raising=False)
    monkeypatch.setattr(testing, "_has_xdist", lambda *_: True)
    variables = dict(os.environ)
    testing._spread(environment, Progress(io.StringIO()), arguments, variables)
    assert ("REGIONAL_DIT_HANDS_OUT" in variables) == (not arguments)


@pytest.mark.parametrize("arguments", [["-n", "2"], ["-n2"], ["--numprocesses=2"]])
def test_an_own_number_of_processes_is_kept(environment: Environment, arguments: list[str]) -> None:
    """Each of them with one thread: more threads than cores cost several times the work."""
    variables = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    assert testing._spread(environment, Progress(io.StringIO()), arguments, variables) == []
    assert variables["OMP_NUM_THREADS"] == "1"

"""How a run is spread over processes, and what a person reads at its end.

With pytest-xdist each file goes to one process, so that what a module shares is made once; tests
that share a server of their session stay together, so that there is one server and one browser.
What takes longest starts first.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, cast

import pytest

# By what was measured, longest first: without this a long file that starts last would be waited for
# alone. What is not named here takes less than five seconds.
LONGEST_FIRST = (
    "tests/web server",
    "tests server",
    "tests/headless/environment/test_ladder.py",
    "tests/host/joint/test_joint_works_with.py",
    "tests/host/joint/test_joint_invariants.py",
    "tests/demo_model/test_training.py",
    "tests/host/joint/test_joint_rules_host.py",
    "tests/host/sampling/test_region_lora_tokens.py",
    "tests/host/sampling/test_region_lora.py",
    "tests/host/joint/test_joint_backends.py",
    "tests/host/joint/test_joint_rules_dense.py",
    "torch_compile",
    "tests/demo_model/test_detector.py",
    "tests/attention/joint/test_references.py",
    "tests/host/cross/test_cross_families.py",
    "tests/host/text/test_phrase_overwrite.py",
    "tests/host/sampling/test_works_with.py",
    "tests/demo_model/test_decoder.py",
    "tests/host/joint/test_specialty.py",
    "tests/host/cross/test_formula.py",
    "tests/package/test_unpacked.py",
    "tests/headless/test_cli.py",
    "tests/headless/server/test_processes.py",
    "tests/package/test_properties.py",
    # Waits as much as the browser does, and begins when that is through.
    "tests/headless/server/test_killed_servers.py",
    "tests/package/test_imports.py",
    "tests/workflows/test_joint_runs.py",
    "tests/package/test_specialty_properties.py",
    "tests/workflows/test_study_runs.py",
    "tests/host/sampling/test_negatives.py",
    "tests/host/text/test_encode_joint.py",
    "tests/host/joint/test_region_references.py",
    "tests/host/cross/test_rules_host.py",
    "tests/host/joint/test_rpf.py",
    "tests/host/text/test_phrases.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name the group of each test, and put the longest groups first."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    order = {group: place for place, group in enumerate(LONGEST_FIRST)}
    rank: dict[str, int] = {}
    for item in items:
        group = _group(item, config.rootpath)
        item.add_marker(pytest.mark.xdist_group(group))
        rank[item.nodeid] = order.get(group, len(order))
    items.sort(key=lambda item: rank[item.nodeid])
    # pytest-xdist 3.8 writes the group where pytest 9.2 no longer looks: without this every test
    # would be a group of its own, and each process start all servers and make all models.
    if getattr(config.option, "loadgroup", False) and items and hasattr(items[0], "_id"):
        for item in items:
            mark, named = item.get_closest_marker("xdist_group"), cast(Any, item)
            if mark is not None:
                named._id = type(named._id).parse(f"{item.nodeid}@{mark.args[0]}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Names as a person gives them, without the group; between processes they have it."""
    name, at, group = report.nodeid.rpartition("@")
    if "PYTEST_XDIST_WORKER" not in os.environ and at and "::" in name and "]" not in group:
        report.nodeid = name


def _group(item: pytest.Item, root: Path) -> str:
    """The folder of the server that a test shares with others of its session, else its file.

    Tests of torch.compile are one group too: its first call in a process takes seconds by itself.
    """
    used = getattr(item, "_fixtureinfo", None)  # only functions have it
    if used and "comfyui_server" in used.names_closure:
        return "tests server"
    if "torch_compile" in item.name:
        return "torch_compile"
    for fixture in used.name2fixturedefs.get("server", ()) if used else ():
        if fixture.scope == "session":
            return f"{_below(root, Path(inspect.getfile(fixture.func)).parent)} server"
    return _below(root, item.path)


def _below(root: Path, path: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


class Summary:
    """Counts and seconds of each folder, and what the random properties met."""

    def __init__(self) -> None:
        self.properties: Counter[str] = Counter()
        """Examples by what became of them; a worker's are added when it ends."""

    def pytest_testnodedown(self, node: Any) -> None:
        """A worker ended."""
        self.properties.update(getattr(node, "workeroutput", {}).get("properties", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker tells what it counted."""
        output = getattr(session.config, "workeroutput", None)  # a worker's alone has it
        if output is not None:
            output["properties"] = dict(self.properties)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table."""
        tests: dict[str, Counter[str]] = defaultdict(Counter)
        seconds: dict[str, float] = defaultdict(float)
        for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
            for report in terminalreporter.stats.get(outcome, ()):
                folder = "/".join(report.nodeid.split("::")[0].split("/")[:2])
                tests[folder][outcome] += 1
        for reports in terminalreporter.stats.values():
            for report in reports:
                if isinstance(report, pytest.TestReport):
                    folder = "/".join(report.nodeid.split("::")[0].split("/")[:2])
                    seconds[folder] += report.duration
        terminalreporter.write_line("")
        for folder in sorted(tests):
            counts = ", ".join(f"{number} {outcome}" for outcome, number in tests[folder].items())
            terminalreporter.write_line(f"{folder:<18} {seconds[folder]:6.0f} s   {counts}")
        if self.properties:
            counts = ", ".join(f"{number} {what}" for what, number in self.properties.items())
            terminalreporter.write_line(f"random properties: {counts}")

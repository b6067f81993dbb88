"""What a run of the host's tests says of this ComfyUI, as a page that fits into an issue.

Loaded by ``headless test`` (``-p compatibility``). A cell of the table is what the tests of that
family and that invariant did in this run; nothing in it is known beforehand. An invariant is named
by ``@pytest.mark.invariant("name")`` beside the test, a family by the tiny model that the test is
parametrised with. ``record_property("refused", sentence)`` adds a sentence to those that the host's
other models are refused with.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from compatibility_versions import versions

MARKS = {
    "invariant": "invariant(name): what must hold for every family; a column of the report",
    "refusal": "refusal: a model of the host that is refused in a sentence",
}
PASS, FAIL, REFUSED, SKIPPED, UNTESTED = "✓", "**FAIL**", "refused", "skipped", "·"
LEGEND = (
    f"{PASS} all its tests that ran passed, {REFUSED}: an error in words (below), {UNTESTED} not "
    "tested there."
)
_PLACE = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s'\"\\/:,]+){2,}[\\/]([^\s'\"\\/:,]+)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compatibility-report",
        metavar="FILE",
        help="write here what the tests say of this ComfyUI, if any of its families were tested",
    )


def pytest_configure(config: pytest.Config) -> None:
    for text in MARKS.values():
        config.addinivalue_line("markers", text)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Page(config.getoption("compatibility_report")), "page")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell with each report whose and which invariant it is, and whether the error was in words."""
    report = yield
    mark = item.get_closest_marker("invariant")
    if mark is not None:
        report.user_properties.append(("invariant", mark.args[0]))
        report.user_properties.append(("family", _family(item)))
        if report.failed and call.excinfo is not None and _in_words(call.excinfo.value):
            report.user_properties.append(("in words", str(call.excinfo.value)))
    return report


def _family(item: pytest.Item) -> str:
    """The family's name and, where it has several tiny models, which of them.

    A module tests either the models of its ``TINY`` or the one family that its ``FAMILY`` names.
    """
    module: Any = getattr(item, "module", None)
    if hasattr(module, "FAMILY"):
        return module.FAMILY
    families = {name: tiny.family or name for name, tiny in module.TINY.items()}
    values = getattr(item, "callspec").params.values()  # noqa: B009 - functions alone have it
    name = next(value for value in values if value in families)
    family = families[name]
    return f"{family} ({name})" if list(families.values()).count(family) > 1 else family


def _in_words(error: BaseException) -> bool:
    """Whether the pack refused, rather than broke."""
    from regional_dit.attention.errors import RegionalError

    return isinstance(error, RegionalError)


class Page:
    """Gathers what the tests did; writes it at the end."""

    def __init__(self, file: str | None) -> None:
        self.file = Path(file) if file else None
        self.cells: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.sentences: Counter[str] = Counter()
        """What was refused in words."""
        self.skips: Counter[str] = Counter()
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that this ComfyUI cannot import."""
        if report.failed:
            last = str(report.longrepr).strip().splitlines()[-1].removeprefix("E ").strip()
            self.failures.append(f"{report.nodeid} was not collected: {_without_places(last)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test; a test is counted once."""
        if report.when == "teardown" and not report.failed:
            return
        if report.when == "setup" and report.passed:
            return
        said = dict(report.user_properties)
        outcome = PASS if report.passed else FAIL
        if report.skipped:
            outcome = SKIPPED
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected"
            self.skips[_without_places(str(reason).removeprefix("Skipped: "))] += 1
        elif "in words" in said:
            outcome = REFUSED
            self.sentences[_without_places(str(said["in words"]))] += 1
        elif report.failed:
            crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            last = (crash or str(report.longrepr)).strip().splitlines()[0][:200]
            self.failures.append(f"{report.nodeid}: {_without_places(last)}")
        if "refused" in said:
            self.sentences[str(said["refused"])] += 1
        self.counts[report.outcome] += 1
        if "family" in said:
            self.cells[str(said["family"]), str(said["invariant"])].append(outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the page, and write it."""
        if not self.cells:
            return
        page = self.page(versions())
        terminalreporter.section("compatibility report, for an issue")
        terminalreporter.write_line(page)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(page, encoding="utf-8")
            terminalreporter.write_line(f"written to {self.file}")

    def page(self, facts: Iterable[tuple[str, str]]) -> str:
        """The report in Markdown."""
        counts = ", ".join(f"{number} {what}" for what, number in sorted(self.counts.items()))
        lines = [f"- {name}: {value}" for name, value in facts]
        lines += [f"- tests: {counts}; {datetime.date.today().isoformat()}", ""]
        absent = self._absent()
        lines += [*self._table(absent), "", LEGEND]
        if absent:
            lines[-1] += f" Absent in this ComfyUI: {', '.join(absent)}."
        for title, found in (
            ("Failed", self.failures),
            ("Refused", _counted(self.sentences)),
            ("Skipped, and why", _counted(self.skips)),
        ):
            if found:
                lines += ["", f"{title}:", "", *(f"- {text}" for text in found)]
        return "\n".join(lines) + "\n"

    def _absent(self) -> list[str]:
        """Families of which no test ran: this ComfyUI has no such model."""
        ran = {family for (family, _), cell in self.cells.items() if set(cell) != {SKIPPED}}
        return sorted({family for family, _ in self.cells} - ran, key=str.casefold)

    def _table(self, absent: list[str]) -> list[str]:
        columns = list(dict.fromkeys(invariant for _, invariant in self.cells))
        families = dict.fromkeys(family for family, _ in self.cells if family not in absent)
        rows = [f"| family | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for family in sorted(families, key=str.casefold):
            cells = (self._cell(family, column) for column in columns)
            rows.append(f"| {family} | {' | '.join(cells)} |")
        return rows

    def _cell(self, family: str, invariant: str) -> str:
        """The worst of what its tests did."""
        outcomes = self.cells.get((family, invariant), ())
        found = (worst for worst in (FAIL, REFUSED, PASS) if worst in outcomes)
        return next(found, UNTESTED)


def _counted(texts: Counter[str]) -> list[str]:
    return [text if n == 1 else f"{text} (x{n})" for text, n in texts.most_common()]


def _without_places(text: str) -> str:
    """A message on one line, without folders of the machine."""
    return _PLACE.sub(r"\1", " ".join(text.split()))[:400]

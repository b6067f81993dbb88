"""A real ComfyUI server, and a real browser that is driven through playwright-core."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.environment import browser
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import InstallError
from regional_dit.headless.process import end_group, start_in_group
from regional_dit.headless.progress import Progress
from regional_dit.headless.server.start import Server

HERE = Path(__file__).parent
SCENARIO_TIMEOUT_S = 300
PATIENCE_S = 10
ANSWER = "ANSWER "  # begins the lines of the driver that answer a request

BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
CLASSIC = pytest.mark.parametrize("vue", [False], ids=["classic"])


def near(box: list[float], wanted: list[float], within: float = 0.012) -> bool:
    return all(abs(a - b) <= within for a, b in zip(box, wanted, strict=True))


@pytest.fixture(scope="session")
def tools() -> browser.WebTools:
    """node, its packages and Chromium: those that 'headless test' prepared, or that are there."""
    node = os.environ.get(browser.NODE_VARIABLE)
    if node:
        chromium = os.environ.get(browser.CHROMIUM_VARIABLE)
        return browser.WebTools(
            Path(node),
            Path(os.environ[browser.MODULES_VARIABLE]),
            Path(chromium) if chromium else None,
            os.environ.get(browser.MISSING_VARIABLE, ""),
        )
    try:
        found = browser.find_node(Path(sys.executable))
    except InstallError as error:
        pytest.skip(str(error))
    modules = browser.modules_folder()
    if not modules.is_dir():
        pytest.skip(
            "npm's packages are not installed yet: run 'python3 -m headless test -- tests/web'"
        )
    chromium = browser.find_chromium()
    return browser.WebTools(found, modules, chromium, "" if chromium else "no Chromium was found")


@pytest.fixture(scope="session")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose base folder also holds nodes that older hosts lack.

    ``REGIONAL_DIT_FRONT_END`` names the folder of another front end than the one installed.
    """
    base = tmp_path_factory.mktemp("web")
    packs = base / "custom_nodes"
    packs.mkdir()
    shutil.copyfile(HERE / "probe_nodes.py", packs / "probe_nodes.py")
    environment = Environment(comfyui, Path(sys.executable), "for the tests", managed=False)
    front_end = os.environ.get(browser.FRONT_END_VARIABLE)
    extra = ["--front-end-root", front_end] if front_end else []
    quiet = Progress(io.StringIO())
    with Server(environment, quiet, base=base, cpu=True, extra=extra) as running:
        yield running


class Driver:
    """The node process that works in the browser; one request at a time."""

    def __init__(self, tools: browser.WebTools, url: str, pictures: Path) -> None:
        self.pictures = pictures
        self.url = url
        self._tools = tools
        self._child: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        child = start_in_group(
            [str(self._tools.node), str(HERE / "browser" / "driver.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self._tools.variables()},
            cwd=HERE,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=read_answers, args=(child, self._lines), daemon=True)
        reader.start()
        return child

    def run(self, scenario: str, **arguments: Any) -> Any:
        """Play a scenario of ``browser/scenarios_*.mjs`` and return what it found."""
        request = {
            "scenario": scenario,
            "url": self.url,
            "pictures": str(self.pictures),
            "arguments": arguments,
        }
        if self._child is None or self._child.poll() is not None:
            self._child = self._start()
        assert self._child.stdin is not None
        self._child.stdin.write((json.dumps(request) + "\n").encode())
        self._child.stdin.flush()
        try:
            answer = json.loads(self._lines.get(timeout=SCENARIO_TIMEOUT_S))
        except queue.Empty:
            self.close()
            pytest.fail(f"The scenario {scenario} took over {SCENARIO_TIMEOUT_S} s.")
        if "error" in answer:
            pytest.fail(f"{scenario}({arguments}): {answer['error']}", pytrace=False)
        assert answer["faults"] == [], "errors in the browser's page"
        return answer["result"]

    def close(self) -> None:
        """End node and Chromium; the next scenario starts others."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            assert child.stdin is not None
            child.stdin.close()  # by which node closes the browser and ends
            child.wait(PATIENCE_S)
        end_group(child)


def read_answers(child: subprocess.Popen[bytes], lines: queue.Queue[str]) -> None:
    """Pass the driver's answers on until it ends."""
    assert child.stdout is not None
    for line in child.stdout:
        text = line.decode("utf-8", "replace")
        if text.startswith(ANSWER):
            lines.put(text.removeprefix(ANSWER))
        else:
            sys.stdout.write(text)
    lines.put(json.dumps({"error": "The browser's driver ended."}))


RUNNING: pytest.StashKey[Driver] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in the browser together, and one renderer after the other: to load a page, which is kept
    from one test to the next, takes longer than most of them."""
    ordered = sorted(filter(_in_browser, items), key=_vue)
    if ordered:
        first = next(i for i, item in enumerate(items) if _in_browser(item))
        others = [item for item in items if not _in_browser(item)]
        items[:] = [*others[:first], *ordered, *others[first:]]


def _in_browser(item: pytest.Item | None) -> bool:
    return "driver" in getattr(item, "fixturenames", ())


def _vue(item: pytest.Item) -> bool:
    spec = getattr(item, "callspec", None)
    return spec is not None and bool(spec.params.get("vue"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The browser ends with its last test, not the session: a page that nobody looks at draws."""
    running = item.config.stash.get(RUNNING, None)
    if running is not None and not _in_browser(nextitem):
        running.close()


@pytest.fixture(scope="session")
def driver(
    tools: browser.WebTools, server: Server, tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Driver]:  # fmt: skip
    """One browser for all tests."""
    if tools.chromium is None:
        pytest.skip(tools.missing)
    wanted = os.environ.get("REGIONAL_DIT_PICTURES")
    pictures = Path(wanted) if wanted else tmp_path_factory.mktemp("pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    running = request.config.stash[RUNNING] = Driver(tools, server.url, pictures)
    try:
        yield running
    finally:
        running.close()

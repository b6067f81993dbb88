"""Stamps, leftovers, locks, disk and pip's errors, on temporary folders."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from regional_dit.headless import paths
from regional_dit.headless.environment import install, locking, packages, pins, torch_choice
from regional_dit.headless.environment.pip_failures import PipSettings, explain
from regional_dit.headless.errors import InstallError
from regional_dit.headless.progress import Progress


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of our own, whatever the platform."""
    monkeypatch.setattr(sys, "platform", "linux") if sys.platform != "win32" else None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    return paths.cache_root()


def fake_install(folder: Path, *_: object) -> dict[str, object]:
    """What the real steps leave behind, without the gigabytes."""
    (folder / "ComfyUI").mkdir(parents=True)
    (folder / "ComfyUI" / "main.py").touch()
    install.python_of(folder).parent.mkdir(parents=True)
    install.python_of(folder).touch()
    return {"downloaded_bytes": 123}


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of the package layers that would have been installed."""
    done: list[str] = []

    def record(_pip: packages.Pip, title: str, _lines: list[str]) -> None:
        done.append(title)

    monkeypatch.setattr(packages.Pip, "install", record)
    monkeypatch.setattr(install, "_install_into", fake_install)
    monkeypatch.setattr(torch_choice, "existing", lambda _named: None)
    monkeypatch.setattr(install, "require_disk", lambda *_: None)
    return done


def test_builds_once(cache: Path, layers: list[str], quiet: Progress) -> None:
    assert install.installed() is None
    folder = install.ensure(quiet)
    assert install.installed() == folder and folder.parent == cache
    assert install.read_stamp(folder / install.STAMP)["downloaded_bytes"] == 123
    install.ensure(quiet)
    assert layers == ["packages for requirements"]


def test_test_layer_comes_on_demand(cache: Path, layers: list[str], quiet: Progress) -> None:
    install.ensure(quiet)
    install.ensure(quiet, with_tests=True)
    assert layers == ["packages for requirements", "packages for test"]


def test_changed_requirements_are_installed_again(
    cache: Path, layers: list[str], quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install.ensure(quiet)
    monkeypatch.setattr(pins, "pack_requirements", lambda _root: ["requests>=99"])
    assert not install.layer_is_current(folder, "requirements", ["requests>=99"])
    install.ensure(quiet)
    assert len(layers) == 2 and install.layer_is_current(folder, "requirements", ["requests>=99"])


def test_changed_pins_get_another_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = install.environment_folder()
    assert install.environment_folder(Path("python3.12")) != before
    changed = tmp_path / "pins.txt"
    changed.write_text("torch==9.9.9\n")
    monkeypatch.setattr(pins, "FILE", changed)
    assert install.environment_folder() != before


@pytest.mark.parametrize("damage", ["stamp", "half stamp", "python", "comfyui"])
def test_damaged_install_is_rebuilt(
    cache: Path, layers: list[str], quiet: Progress, damage: str
) -> None:
    folder = install.ensure(quiet)
    if damage == "stamp":
        (folder / install.STAMP).unlink()
    elif damage == "half stamp":
        (folder / install.STAMP).write_text('{"python": "3.')
    elif damage == "python":
        install.python_of(folder).unlink()
    else:
        shutil.rmtree(folder / "ComfyUI")
    (folder / "old").touch()
    assert install.installed() is None
    install.ensure(quiet)
    assert install.installed() == folder and not (folder / "old").exists()


def test_killed_build_leaves_nothing_that_counts(
    cache: Path, layers: list[str], quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install.environment_folder()
    leftover = folder.with_name(f"{folder.name}.building-1")
    fake_install(leftover)  # what a killed run leaves: all but the stamp

    def cut_short(building: Path, *_: object) -> int:
        building.mkdir(parents=True)
        (building / "install.log").write_text("what pip said")
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "_install_into", cut_short)
    with pytest.raises(KeyboardInterrupt):
        install.ensure(quiet)
    assert install.installed() is None
    assert not [p for p in cache.iterdir() if p.is_dir()]
    assert (cache / "install-failed.log").read_text() == "what pip said"


def test_lock_keeps_a_second_run_out(tmp_path: Path) -> None:
    with open(tmp_path / "lock", "a+b") as first, open(tmp_path / "lock", "a+b") as second:
        assert locking.try_lock(first)
        assert not locking.try_lock(second)
    with open(tmp_path / "lock", "a+b") as third:
        assert locking.try_lock(third)


def test_too_little_disk_says_how_much(
    cache: Path, quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_choice, "need_bytes", lambda _index: 10**18)
    monkeypatch.setattr(torch_choice, "existing", lambda _named: None)
    with pytest.raises(InstallError, match=r"Too little disk .*1000000000\.0 GB needed"):
        install.ensure(quiet)
    assert install.installed() is None


def test_cache_folder_that_cannot_be_written(
    tmp_path: Path, quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(install, "cache_root", lambda: tmp_path / "file" / "below")
    with pytest.raises(InstallError, match="Cannot write to the cache folder"):
        install.ensure(quiet)


def test_extras_are_read_as_tomllib_reads_them(repo: Path) -> None:
    tomllib = pytest.importorskip("tomllib")
    content = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    expected = content["project"]["optional-dependencies"]["test"]
    assert pins.test_requirements(repo) == expected and expected


def test_missing_extras(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(InstallError, match="has no list 'test'"):
        pins.test_requirements(tmp_path)


def test_requirement_names() -> None:
    lines = pins.requirement_lines("# note\ntorch\nHuggingface_Hub[x]>=1 # why\n\nav~=1; y\n")
    names = [pins.requirement_name(line) for line in lines]
    assert names == ["torch", "huggingface-hub", "av"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("NewConnectionError: Failed to establish a new connection", "no network"),
        ("OSError: [Errno 28] No space left on device", "disk filled up"),
        ("SSLError(SSLCertVerificationError(1", "certificate is not trusted"),
        ("ERROR: No matching distribution found for torch==2.15.0", "has torch==2.15.0. Add one"),
        ("ERROR: something new\nnotice", "pip failed: ERROR: something new"),
    ],
)
def test_pip_failures_become_sentences(output: str, expected: str) -> None:
    assert expected in str(explain(output, Path("log")))


def test_no_network_for_real(tmp_path: Path, quiet: Progress) -> None:
    pip = packages.Pip(Path(sys.executable), tmp_path, tmp_path / "log", quiet)
    nowhere = ["--index-url", "http://127.0.0.1:9/simple", "--retries", "1", "--isolated"]
    with pytest.raises(InstallError, match="could not be reached: no network"):
        pip.install("x", [*nowhere, "--target", str(tmp_path / "t"), "regional-dit-nothing==1"])


def test_pip_settings_are_read() -> None:
    listed = ":env:.constraint='/a/c.txt'\nglobal.constraint='/b/c.txt /b/d.txt'\n"
    settings = PipSettings.read(listed + "global.no-index='true'\nglobal.index-url='x'\n")
    assert settings.no_index
    assert settings.constraints == (
        (Path("/a/c.txt"), ":env:.constraint"),
        (Path("/b/c.txt"), "global.constraint"),
        (Path("/b/d.txt"), "global.constraint"),
    )


def test_pins_are_exact_lines_and_ranges() -> None:
    assert pins.is_exact("torch==2.15.0; python_version >= '3.11'")
    assert not any(map(pins.is_exact, ("torch>=2,<3", "torch==2.*", "torch==2.0,<3", "torch")))
    assert len(pins.exact("torch")) == 2 and len(pins.ranges("torch")) == 1
    lines = ["torchvision", "nothing-x>=1"]
    assert pins.pinned(lines) == ["torchvision", *pins.exact("torchvision"), "nothing-x>=1"]
    loose = pins.loosened(["a==1.2 ; python_version < '4'", "b[c]==3", "d>=1"])
    assert loose == ["a; python_version < '4'", "b[c]", "d>=1"]


def test_tested_versions_are_in_the_ranges(repo: Path) -> None:
    """Else pip could never take them: it takes what meets all lines of a project."""
    from packaging.requirements import Requirement

    for line in [*pins.test_requirements(repo), *map(pins.ranges, pins.TORCH)]:
        wanted = Requirement(line if isinstance(line, str) else line[0])
        for tested in pins.exact(pins.requirement_name(str(wanted))):
            version = str(Requirement(tested).specifier).removeprefix("==")
            assert wanted.specifier.contains(version), (str(wanted), tested)

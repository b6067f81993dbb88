"""Which ComfyUI is chosen, and what is said when it cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from regional_dit.headless.environment import choice as environment
from regional_dit.headless.environment import install, packages
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import InstallError, UsageError
from regional_dit.headless.progress import Progress


def comfyui_in(folder: Path, venv: str | None = None) -> Path:
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    if venv:
        inner = Path("Scripts/python.exe") if sys.platform == "win32" else Path("bin/python")
        (folder / venv / inner).parent.mkdir(parents=True)
        (folder / venv / inner).touch()
    return folder


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setattr(environment, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(install, "environment_folder", lambda _named=None: tmp_path / "none")


def test_none_found() -> None:
    assert environment.find() is None


def test_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around = comfyui_in(tmp_path / "around", "venv")
    monkeypatch.setattr(environment, "ROOT", around / "custom_nodes" / "clone")
    found = environment.find()
    assert found is not None and found.comfyui == around and "custom_nodes" in found.reason
    monkeypatch.setenv("COMFYUI_PATH", str(comfyui_in(tmp_path / "variable", ".venv")))
    found = environment.find()
    assert found is not None and found.comfyui == tmp_path / "variable"
    found = environment.find(str(comfyui_in(tmp_path / "argument", "venv")))
    assert found is not None and found.reason == "named by --comfyui" and not found.managed
    assert found.python.is_relative_to(tmp_path / "argument" / "venv")
    assert found.models == tmp_path / "argument" / "models"


def test_folder_without_comfyui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"--comfyui names .* holds no ComfyUI"):
        environment.find(str(tmp_path))
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(UsageError, match="COMFYUI_PATH names"):
        environment.find()


def test_no_python_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_imports_torch", lambda _python: False)
    with pytest.raises(InstallError, match="--python PATH"):
        environment.find(str(comfyui_in(tmp_path / "a")))
    found = environment.find(str(tmp_path / "a"), sys.executable)
    assert found is not None and found.python == Path(sys.executable)
    with pytest.raises(UsageError, match="--python names"):
        environment.find(str(tmp_path / "a"), str(tmp_path / "nothing"))


def test_requirements_are_compared_with_versions(environment_here: Environment) -> None:
    elsewhere = "regional-dit-old>=1; python_version < '3'"
    lines = ["numpy", "torch>=999", "regional-dit-nothing", "pytest[dev]>=1", elsewhere]
    missing = packages.missing_requirements(environment_here.python, lines)
    assert missing == ["torch>=999", "regional-dit-nothing"]


def test_own_comfyui_is_never_changed(
    environment_here: Environment, quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "find", lambda *_: environment_here)
    monkeypatch.setattr(environment.pins, "pack_requirements", lambda _root: ["nothing-x>=1"])
    with pytest.raises(InstallError, match='-m pip install "nothing-x>=1"'):
        environment.prepare(None, None, quiet)


@pytest.mark.parametrize(
    ("of_tests", "missing"), [((), "nothing-y"), (("pytest",), "")], ids=["all", "some"]
)
def test_some_of_the_test_packages_are_enough_for_some_tests(
    environment_here: Environment, quiet: Progress, monkeypatch: pytest.MonkeyPatch,
    of_tests: tuple[str, ...], missing: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(environment, "find", lambda *_: environment_here)
    monkeypatch.setattr(environment.pins, "pack_requirements", lambda _root: [])
    lines = ["pytest>=8", "nothing-y>=1"]
    monkeypatch.setattr(environment.pins, "test_requirements", lambda _root: lines)
    if missing:
        with pytest.raises(InstallError, match=missing):
            environment.prepare(None, None, quiet, with_tests=True, of_tests=of_tests)
        return
    found = environment.prepare(None, None, quiet, with_tests=True, of_tests=of_tests)
    assert found is environment_here


def test_python_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="does not run"):
        packages.ask(tmp_path / "nothing", "print(1)")
    with pytest.raises(InstallError, match="ModuleNotFoundError"):
        packages.ask(Path(sys.executable), "import regional_dit_nothing")


@pytest.fixture
def environment_here(comfyui: Path) -> Environment:
    return Environment(comfyui, Path(sys.executable), "for the tests", managed=False)

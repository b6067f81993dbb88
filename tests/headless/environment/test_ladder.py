"""Whole installs by the real pip, from an index or a folder of tiny wheels, as users' pips are set.

The machine's own pip settings are left aside by variables alone, so that the tests mean the same
everywhere; each test then sets what its users have: a constraints file, a wheelhouse, a dead proxy.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from regional_dit.headless import paths
from regional_dit.headless.environment import install, packages, torch_choice
from regional_dit.headless.environment.pip_failures import PipError
from regional_dit.headless.errors import InstallError
from regional_dit.headless.progress import Progress
from tiny_index import Index, other_wheels, torch_wheels, wheel


class Machine:
    """A cache folder, wheels to be had, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        other_wheels(self.wheels)
        self.index = Index(self.wheels)
        self.said = io.StringIO()
        self.pythons: list[Path | None] = []
        """What environments were made with."""

    def install(self, **options: object) -> Path:
        return install.ensure(Progress(self.said), **options)

    def torch(self, torch_index: str | None = None) -> tuple[str, str]:
        """The step of an install that takes torch, alone; versions of torch and torchvision."""
        folder, progress = self.folder / "alone", Progress(self.said)
        install.create_venv(folder / "venv")
        python = install.python_of(folder)
        pip = packages.Pip(python, self.folder, self.folder / "log", progress)
        install.install_torch(pip, python, torch_index, progress)
        return torch_choice.versions(python)


@pytest.fixture(scope="module")
def fresh_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made for real, and by the Python of a virtual environment as a person may name it."""
    folder = tmp_path_factory.mktemp("fresh")
    command = [_BARE_PYTHON, "-m", "venv", "--without-pip", str(folder / "theirs")]
    subprocess.run(command, check=True, capture_output=True)
    packages.create_venv(folder / "venv", paths.venv_python(folder / "theirs"))
    return folder / "venv"


def copy_venv(made: Path, folder: Path) -> None:
    """With links to pip's own files where a system has them: it is never changed here, and to copy
    and delete those two thousand files would take longer than a test."""
    linked = () if sys.platform == "win32" else ("pip", "setuptools", "pkg_resources")

    def left_out(where: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(where).name == "site-packages" and name in linked]

    shutil.copytree(made, folder, symlinks=True, ignore=left_out)
    for site in made.rglob("site-packages"):
        for name in linked:
            if (site / name).is_dir():
                (folder / site.relative_to(made) / name).symlink_to((site / name).resolve())


@pytest.fixture(scope="module")
def venv_with_torch(fresh_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a person may have one: torch 2.9.0, by the real pip."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("theirs") / "venv"
    torch_wheels(wheels, "2.9.0", "0.24.0")
    copy_venv(fresh_venv, folder)
    variables = {k: v for k, v in os.environ.items() if k[:4] != "PIP_" and k != "PYTHONPATH"}
    command = [
        str(paths.venv_python(folder)), "-m", "pip", "install", "-q", "--no-index",
        "--find-links", str(wheels), "torchvision==0.24.0",
    ]  # fmt: skip
    variables["PIP_CONFIG_FILE"] = os.devnull
    subprocess.run(command, check=True, capture_output=True, env=variables)
    return folder


@pytest.fixture
def machine(tmp_path: Path, fresh_venv: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with an NVIDIA device, whose pip asks a local index and no other."""
    for name in list(os.environ):
        if name.startswith("PIP_") or name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    made = Machine(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", made.index.url)
    monkeypatch.setenv("PIP_RETRIES", "1")

    # A copy of one that was made by the real thing, which would take most of the time here.
    def create_venv(folder: Path, python: Path | None = None) -> None:
        made.pythons.append(python)
        copy_venv(fresh_venv, folder)

    monkeypatch.setattr(install, "create_venv", create_venv)
    monkeypatch.setattr(torch_choice, "has_nvidia", lambda: True)
    monkeypatch.setattr(torch_choice, "plain_build_brings_cuda", lambda: True)
    # The Python that runs the tests has a torch, which these machines are not to find.
    monkeypatch.setattr(torch_choice, "existing", lambda _named: None)
    yield made
    made.index.close()


@pytest.fixture
def no_nvidia(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the device pip is first asked for CPU builds, which takes a run of it or two."""
    monkeypatch.setattr(torch_choice, "has_nvidia", lambda: False)


@pytest.mark.usefixtures("no_nvidia")
def test_the_tested_versions_where_they_are_to_be_had(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    torch_wheels(machine.wheels, "2.16.0", "0.30.0")
    folder = machine.install()
    stamp = install.read_stamp(folder / install.STAMP) or {}
    assert (stamp["torch"], stamp["torchvision"]) == ("2.15.0", "0.29.2")
    assert (folder / "ComfyUI" / "main.py").is_file()
    said = machine.said.getvalue()
    assert "[2/4] torch: the tested versions" in said and "brings CUDA" in said
    listed = [p.name for p in next((folder / "venv").rglob("site-packages")).iterdir()]
    assert "tiny_helper-1.5.dist-info" in listed and not any("horde" in name for name in listed)
    machine.said.truncate(0)
    assert machine.install() == folder and machine.said.getvalue() == ""  # and not again


def test_a_constraints_file_caps_torch(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    torch_wheels(machine.wheels, "2.14.1", "0.29.1")
    cap = machine.folder / "constraints.txt"
    monkeypatch.setenv("PIP_CONSTRAINT", str(cap))
    cap.write_text("# what lies on our disks\ntorch<=2.14.1\n")
    assert machine.torch() == ("2.14.1", "0.29.1")
    said = machine.said.getvalue()
    assert (
        f"{cap} (named by the variable PIP_CONSTRAINT)" in said
        and "allows only torch<=2.14.1" in said
    )
    assert "[2/4] torch: what this pip allows" in said
    assert cap.read_text() == "# what lies on our disks\ntorch<=2.14.1\n"


def test_a_cap_below_all_that_works(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one is named by pip's own settings."""
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    torch_wheels(machine.wheels, "1.13.1", "0.14.1")
    cap = machine.folder / "constraints.txt"
    cap.write_text("torch<2")
    config = machine.folder / "pip.conf"
    config.write_text(f"[global]\nconstraint = {cap}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    told = r"constraints\.txt \(named by pip's setting global\.constraint\) allows only torch<2\. W"
    with pytest.raises(PipError, match=told):
        machine.install()
    assert install.installed() is None and not list(paths.cache_root().glob("*.building-*"))


def test_an_index_without_the_tested_version(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.12.1", "0.27.1")
    assert machine.torch()[0] == "2.12.1"
    assert "looks into has torch==2.15.0. Next try: what this pip allows" in machine.said.getvalue()


@pytest.mark.usefixtures("no_nvidia")
def test_an_index_without_torch(machine: Machine) -> None:
    with pytest.raises(PipError, match=r"index has no torch.* for Python 3\.\d+ on"):
        machine.torch()


@pytest.mark.usefixtures("no_nvidia")
def test_a_folder_of_wheels_and_no_index(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_wheels(machine.wheels, "2.14.1", "0.29.1")
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(machine.wheels))
    (machine.wheels / "kornia-99.0-py3-none-any.whl").unlink()
    with pytest.raises(PipError, match=r"uses no package index .* hold no kornia"):
        machine.install()
    folder = install.installed()  # all but that layer
    assert folder and (install.read_stamp(folder / install.STAMP) or {})["torch"] == "2.14.1"


@pytest.mark.usefixtures("no_nvidia")
def test_a_cpu_build_where_pip_can_reach_one(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    torch_wheels(machine.wheels, "2.14.1+cpu", "0.29.1+cpu")
    assert machine.torch() == ("2.14.1+cpu", "0.29.1+cpu")
    assert "a CPU build of torch, which is far smaller" in machine.said.getvalue()


def test_no_cpu_build_where_there_is_an_nvidia_device(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    torch_wheels(machine.wheels, "2.14.1+cpu", "0.29.1+cpu")
    assert machine.torch()[0] == "2.15.0"
    assert "CPU build" not in machine.said.getvalue()


@pytest.mark.usefixtures("no_nvidia")
def test_a_cpu_torch_without_its_torchvision_is_not_taken(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    wheel(machine.wheels, "torch", "2.13.0+cpu", {"torch/__init__.py": ""})
    assert machine.torch()[0] == "2.15.0"
    assert "have only one of torch 2.13.0+cpu" in machine.said.getvalue()


def test_a_pair_that_does_not_import_is_left(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2", fits="2.15.0+other")
    torch_wheels(machine.wheels, "2.16.0", "0.30.0")
    assert machine.torch()[0] == "2.16.0"
    assert "torchvision::nms does not exist. Next try" in machine.said.getvalue()


def test_torch_index_is_asked_for_torch_alone(machine: Machine) -> None:
    mirror = machine.folder / "mirror"
    mirror.mkdir()
    torch_wheels(mirror, "2.14.1+rocm7", "0.29.1+rocm7")
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    other = Index(mirror)
    try:
        assert machine.torch(other.url)[0] == "2.14.1+rocm7"
    finally:
        other.close()


@pytest.mark.usefixtures("no_nvidia")
def test_no_network(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(PipError, match="could not be reached: no network"):
        machine.torch()


def test_a_broken_proxy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(PipError, match="the proxy does not answer or refuses"):
        machine.torch()


def test_an_index_that_pip_does_not_trust(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://packages.example/simple")
    with pytest.raises(PipError, match=r"index at packages\.example: it is neither https"):
        machine.torch()


def test_a_download_that_breaks_off_is_tried_again(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    machine.index.cut_short = 1
    assert machine.torch()[0] == "2.15.0" and machine.index.cut_short == 0


def test_a_download_that_always_breaks_off(machine: Machine) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    machine.index.cut_short = 99
    with pytest.raises(PipError, match="broke off or arrived damaged"):
        machine.torch()
    assert machine.said.getvalue().count("Trying again") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system in memory")
def test_a_full_disk(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    cache = machine.folder / "cache"
    cache.mkdir()
    wheel(machine.wheels, "tiny-front-end", "1.2.3", {"tiny_front_end.py": "#" * 2**21})
    mount = ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", str(cache)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(InstallError, match="Too little disk"):
            machine.install()
        monkeypatch.setattr(install, "require_disk", lambda *_: None)
        with pytest.raises((InstallError, OSError), match=r"disk filled up|No space left"):
            machine.install()
        assert install.installed() is None and not list(paths.cache_root().glob("*.building-*/*"))
    finally:
        subprocess.run(["umount", "--lazy", str(cache)], check=True)


def test_settings_of_where_to_install_are_not_followed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_wheels(machine.wheels, "2.15.0", "0.29.2")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_TARGET", str(machine.folder / "elsewhere"))
    assert machine.torch()[0] == "2.15.0"
    assert not (machine.folder / "elsewhere").exists()


class TestTorchOfAnotherPython:
    @pytest.fixture
    def theirs(self, machine: Machine, venv_with_torch: Path) -> Path:
        """A virtual environment of the person's own, with a torch in it."""
        folder = machine.folder / "theirs"
        copy_venv(venv_with_torch, folder)
        torch_wheels(machine.wheels, "2.15.0", "0.29.2")
        return paths.venv_python(folder)

    @pytest.fixture(autouse=True)
    def looked_for(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch_choice, "existing", _EXISTING)
        monkeypatch.setattr(sys, "executable", _BARE_PYTHON)

    def test_named(self, machine: Machine, theirs: Path, fresh_venv: Path) -> None:
        def files() -> list[Path]:
            """Its own, and those of pip that it links to."""
            return sorted([*theirs.parent.parent.rglob("*.py"), *fresh_venv.rglob("*.py")])

        before = files()
        folder = machine.install(named_python=theirs)
        stamp = install.read_stamp(folder / install.STAMP) or {}
        assert stamp["torch"] == "2.9.0" and Path(stamp["shares"], "torch").is_dir()
        assert "which is not changed" in machine.said.getvalue() and machine.pythons == [theirs]
        assert files() == before
        assert install.installed(theirs) == folder and install.installed() is None
        assert not list(folder.rglob("torch/__init__.py"))

    def test_active(self, machine: Machine, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VIRTUAL_ENV", str(theirs.parent.parent))
        machine.install()
        assert install.installed() is not None
        next(theirs.parent.parent.rglob("torch")).rename(machine.folder / "gone")
        assert install.installed() is None  # what it shares is gone, so it is to be built anew
        monkeypatch.delenv("VIRTUAL_ENV")
        assert torch_choice.existing(None) is None

    def test_a_named_python_without_torch_is_not_passed_over(
        self, machine: Machine, theirs: Path, fresh_venv: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The environment is to be made with it, not with another one that has a torch."""
        monkeypatch.setenv("VIRTUAL_ENV", str(theirs.parent.parent))
        assert torch_choice.existing(None) is not None
        assert torch_choice.existing(paths.venv_python(fresh_venv)) is None

    def test_without_pip(self, theirs: Path) -> None:
        """As uv makes environments."""
        for folder in theirs.parent.parent.rglob("site-packages/pip*"):
            folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
        found = torch_choice.existing(theirs)
        assert found is not None and found.torch == "2.9.0"

    def test_too_old_is_not_used(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, theirs: Path
    ) -> None:
        torch_wheels(machine.wheels, "2.1.0", "0.16.0")
        command = [str(theirs), "-m", "pip", "install", "-q", "torchvision==0.16.0"]
        subprocess.run(command, check=True, capture_output=True)
        assert torch_choice.existing(theirs) is None


_EXISTING = torch_choice.existing
# Without the packages that the tests run with: the Python that their environment was made from.
_BARE_PYTHON = getattr(sys, "_base_executable", sys.executable)

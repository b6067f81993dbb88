"""Names, paths and encodings of Windows, as far as they can be tried on another system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest
import yaml
from regional_dit.headless import saving
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.paths import venv_python
from regional_dit.headless.progress import Progress
from regional_dit.headless.server.start import Server
from sweep_cases import write_sweep

NAMES = [
    "C:\\Windows\\evil.png", "c:evil.png", "\\\\server\\share\\evil.png", "..\\..\\evil.png",
    "con.png", "CON .png", "aux", "nul.tar.gz", "com¹.png", "LPT9 . .png", "conin$", "a:stream.png",
    "trailing. .", "trailing ", "what?.png", 'quo"te.png', "tab\t.png", "a|b<c>.png",
]  # fmt: skip
WRONG = set('<>:"|?*') | {chr(code) for code in range(32)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("subfolder", ["", "sub\\folder", "prn"])
def test_every_name_is_one_that_windows_takes(name: str, subfolder: str, tmp_path: Path) -> None:
    target = saving.safe_path(tmp_path, subfolder, name)
    inside = PureWindowsPath("D:\\out", *target.relative_to(tmp_path).parts)
    assert inside.is_relative_to("D:\\out") and not inside.is_reserved()
    for part in inside.parts[1:]:
        assert part == part.rstrip(" .") and not WRONG & set(part) and ".." not in part
        assert part.partition(".")[0].rstrip().lower() not in {"con", "aux", "prn", "nul", "com¹"}


def test_the_python_of_a_virtual_environment() -> None:
    assert venv_python(Path("venv"), "win32").parts == ("venv", "Scripts", "python.exe")
    assert venv_python(Path("venv"), "linux").parts == ("venv", "bin", "python")


def test_model_folders_of_any_name(tmp_path: Path, quiet: Progress) -> None:
    """Backslashes and characters beyond the first plane, as ComfyUI's YAML reader sees them."""
    models = tmp_path / "C:\\Modelle \U0001f600" / "模型"
    (models / "own kind").mkdir(parents=True)
    host = Environment(tmp_path, Path(sys.executable), "for the test", managed=False)
    config = yaml.safe_load(Server(host, quiet, models=[models])._extra_model_paths())
    assert config["models1"]["own kind"] == str(models / "own kind")


def test_output_that_the_encoding_of_a_pipe_lacks(repo: Path, tmp_path: Path) -> None:
    axis = {"name": "猫", "points": [{"label": "红色", "set": {"EmptyImage.color": 1}}]}
    path = write_sweep(tmp_path, 1, axes=[axis], collect={})
    done = subprocess.run(
        [sys.executable, str(repo / "headless"), "sweep", str(path), "--dry-run"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert done.returncode == 0 and b"1 jobs" in done.stdout, done.stderr
    assert json.loads('"' + done.stdout.split(b"=")[1].split()[0].decode("ascii") + '"') == "红色"


def test_a_file_that_another_program_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a scanner may hold a new file for a moment."""
    refusals = [PermissionError(13, "Access is denied")] * 2
    real = os.replace

    def refusing(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        real(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        saving.write_atomically(tmp_path / "a.png", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    refusals.append(PermissionError(13, "Access is denied"))
    with pytest.raises(PermissionError):  # elsewhere it means what it says
        saving.write_atomically(tmp_path / "b.png", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

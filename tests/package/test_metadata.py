"""What ComfyUI's registry and manager read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from regional_dit.headless.environment import pins

RAW = "https://raw.githubusercontent.com/regional-dit/regional-dit/main/"
SEMVER = re.compile(r"\d+\.\d+\.\d+")


@pytest.fixture(scope="module")
def metadata(repo: Path) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 has it first")
    return tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))


def test_project_is_complete(metadata: dict[str, Any], repo: Path) -> None:
    project = metadata["project"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,49}", project["name"])
    assert SEMVER.fullmatch(project["version"])
    assert project["version"] in (repo / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (repo / project["license"]["file"]).read_text(encoding="utf-8").startswith("MIT License")
    assert project["urls"]["Repository"].startswith("https://github.com/")
    assert project["dependencies"] == pins.pack_requirements(repo)


def test_registry_table_is_complete(metadata: dict[str, Any], repo: Path) -> None:
    comfy = metadata["tool"]["comfy"]
    assert comfy["PublisherId"] and comfy["DisplayName"] == "Regional DiT"
    assert re.fullmatch(rf">={SEMVER.pattern}", comfy["requires-comfyui"])
    assert comfy["includes"] == []  # every file that the pack needs is in git
    for key, is_right in {
        "Icon": lambda width, height: width == height <= 400,
        "Banner": lambda width, height: width * 9 == height * 21,
    }.items():
        path = repo / comfy[key].removeprefix(RAW)
        assert comfy[key].startswith(RAW) and is_right(*Image.open(path).size), key


def test_requirements_leave_the_host_alone(repo: Path) -> None:
    """Lower bounds only, and nothing that ComfyUI itself chooses a build of."""
    for line in pins.pack_requirements(repo):
        assert re.fullmatch(r"[a-z]+>=[\d.]+", line), line
        assert pins.requirement_name(line) not in {"torch", "torchvision", "numpy", "pillow"}


@pytest.mark.parametrize("command", ["validate", "pack"])
def test_registry_client_agrees(command: str, repo: Path, archive: list[str], tmp_path: Path):
    """comfy-cli's own check and archive, where it is installed (or named by COMFY_CLI)."""
    comfy = os.environ.get("COMFY_CLI") or shutil.which("comfy")
    if not comfy or not (repo / ".git").exists():
        pytest.skip("comfy-cli is not installed, or this is no git clone")
    clone = tmp_path / "clone"
    for name in archive:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repo / name, clone / name)
    for line in (["init", "-q"], ["add", "-A", "-f"]):
        subprocess.run(["git", "-C", str(clone), *line], check=True)
    done = subprocess.run(
        [comfy, "--skip-prompt", "node", command],
        cwd=clone, capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "rror" not in said and "arning" not in said, said
    if command == "pack":
        import zipfile

        packed = zipfile.ZipFile(clone / "node.zip").namelist()
        assert sorted(packed) == sorted(archive)

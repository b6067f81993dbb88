"""The archive, unpacked into a clean ComfyUI's ``custom_nodes`` under an awkward name, works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from regional_dit.headless import api
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue.client import Client
from regional_dit.nodes import NODES

# ComfyUI itself serves no scripts from a folder whose name holds a space, so those are looked for
# in the second copy. Node ids are the same in both: the one that is loaded later counts.
SPACED, PLAIN = "my regional-dit 2.0 copy", "Regional-DiT_v0.1"


class Unpacked(NamedTuple):
    """A server that loaded both copies."""

    url: str
    copy: Path
    """The folder of the second copy."""
    process: subprocess.Popen[str]
    """Its ``serve``."""


@pytest.fixture(scope="module")
def unpacked(
    repo: Path, archive: list[str], environment: Environment, tmp_path_factory
) -> Iterator[Unpacked]:
    base = tmp_path_factory.mktemp("clean ComfyUI")
    for folder in (SPACED, PLAIN):
        copy = base / "custom_nodes" / folder
        for name in archive:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repo / name, copy / name)
    command = [
        sys.executable, str(copy / "headless"), "serve", "--cpu", "--base-dir", str(base),
        "--comfyui", str(environment.comfyui), "--python", str(environment.python),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy())
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, (base / "server.log").read_text("utf-8", "replace")
        yield Unpacked(line.split()[-1], copy, process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_all_nodes_are_there(unpacked: Unpacked) -> None:
    url, copy, _ = unpacked
    info = api.get_json(f"{url}/object_info", timeout_s=60)
    modules = {f"custom_nodes.{name}" for name in (SPACED, PLAIN)}
    ours = {key for key, node in info.items() if node["python_module"] in modules}
    assert ours == {node.GET_SCHEMA().node_id for node in NODES}
    assert sorted(p.name for p in copy.parent.iterdir()) == sorted([SPACED, PLAIN])
    log = (copy.parent.parent / "server.log").read_text("utf-8", "replace")
    assert all(f"seconds: {copy.parent / name}" in log for name in (SPACED, PLAIN))
    failed = [
        line for line in log.splitlines() if "IMPORT FAILED" in line and "dit" in line.lower()
    ]
    assert not failed


def test_its_scripts_and_help_are_served(unpacked: Unpacked) -> None:
    url, copy, _ = unpacked
    scripts = api.get_json(f"{url}/extensions", timeout_s=60)
    ours = [path for path in scripts if PLAIN in path]
    assert any(path.endswith("js/regional_dit.js") for path in ours)
    for name in ["js/regional_dit.js", "docs/RegionalDiT_RegionSplit.md"]:
        served = api.request(f"{url}/extensions/{PLAIN}/{name}")
        assert served == (copy / "web" / name).read_bytes()


def test_a_demo_workflow_runs(unpacked: Unpacked, quiet: Progress, tmp_path: Path) -> None:
    """Weights and all: one step of the first demo."""
    url, copy, _ = unpacked
    text = (copy / "workflows" / "api" / "demo_2_regions.json").read_text(encoding="utf-8")
    workflow = json.loads(text)
    for node in workflow.values():
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 1
    assert Client(url, quiet).run(workflow, tmp_path).files


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_serve_and_all_it_started(unpacked: Unpacked) -> None:
    """The last of these: a server that is there anyway shows it."""
    started = psutil.Process(unpacked.process.pid).children(recursive=True)
    assert started
    unpacked.process.send_signal(signal.SIGINT)
    assert unpacked.process.wait(60) == 130
    assert psutil.wait_procs(started, timeout=30)[1] == []

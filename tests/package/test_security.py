"""Points of SECURITY.md that can be read off the source: data stays data."""

from __future__ import annotations

import ast
import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.sketch.legend import parse_legend
from regional_dit.planner.errors import PlanError
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.omost.plan import plan_from_omost
from regional_dit.planner.plan import Plan

# What a workflow, a plan or a picture from a stranger can reach inside ComfyUI.
REACHABLE = ("__init__.py", "nodes", "attention", "planner", "evaluation", "demo_model/loader.py")
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
FORBIDDEN_MODULES = {
    "pickle", "marshal", "shelve", "dill", "subprocess", "ctypes", "multiprocessing", "yaml",
    "pty", "code", "aiohttp",
}  # fmt: skip
FORBIDDEN_ATTRIBUTES = {("os", "system"), ("os", "popen"), ("torch", "load")}
ROUTES = {"routes", "add_routes", "app"}  # of PromptServer


def sources(repo: Path) -> list[Path]:
    files: list[Path] = []
    for name in REACHABLE:
        path = repo / name
        files += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path for path in files if "__pycache__" not in path.parts]


def faults(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in FORBIDDEN_CALLS:
                found.append(f"{path}:{node.lineno} {node.func.id}()")
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if (owner, node.attr) in FORBIDDEN_ATTRIBUTES or node.attr in ROUTES:
                found.append(f"{path}:{node.lineno} {owner}.{node.attr}")
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        bad = {name.split(".")[0] for name in names} & FORBIDDEN_MODULES
        found += [f"{path}: import {name}" for name in bad]
    return found


def test_nothing_is_executed_unpickled_or_served(repo: Path) -> None:
    """No code from data, no shell, no pickle, no routes on ComfyUI's server."""
    files = sources(repo)
    assert len(files) > 60
    assert [fault for path in files for fault in faults(path)] == []


def test_the_check_itself_finds_faults(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import pickle\nPromptServer.instance.routes\neval('1')\ntorch.load(x)\n")
    assert len(faults(path)) == 4


def test_no_markup_from_data_in_the_browser(repo: Path) -> None:
    pattern = re.compile(
        r"\.(innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function\("
    )
    found = {
        f"{path.name}:{number}"
        for path in (repo / "web").rglob("*.js")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    }
    assert found == set()


@pytest.mark.parametrize("piece", ["a ", "((", "a, ", "'", "->", "左边", "1:", "\\", '"', " and "])
@pytest.mark.parametrize("reader", [plan_offline, parse_legend, plan_from_omost, Plan.from_json])
def test_hostile_text_ends_quickly(reader: Callable[[str], object], piece: str) -> None:
    """Whatever the text: an answer or a refusal, after little processor time."""
    started = time.process_time()
    with contextlib.suppress(PlanError, RegionalError):
        reader(piece * 20_000)
    with contextlib.suppress(PlanError, RegionalError):
        reader(piece * 500)
    assert time.process_time() - started < 4.0


def test_every_test_that_the_threat_list_names_exists(repo: Path) -> None:
    text = (repo / "SECURITY.md").read_text(encoding="utf-8")
    folder, file, missing = repo / "tests", "", []
    for path, name in re.findall(r"`([a-z]+(?:/[a-z]+)*/test_\w+\.py)?(?:::(test_\w+))?`", text):
        file = path or file
        if not (path or name):
            continue
        source = (folder / file).read_text(encoding="utf-8") if (folder / file).is_file() else ""
        if not source or (name and f"def {name}(" not in source):
            missing.append(f"{file}::{name}")
    assert file and missing == []


@pytest.mark.parametrize(
    "name",
    [
        "/etc",
        "output/../..",
        "output//etc",
        "C:\\Windows",
        "models/x",
        "",
        "output\\..\\..",
        "out/x",
    ],
)
def test_folders_of_pictures_stay_below_the_hosts(name: str) -> None:
    from regional_dit.evaluation.errors import EvaluationError
    from regional_dit.nodes.measure.evaluate import _inside

    with pytest.raises(EvaluationError, match="write output/NAME"):
        _inside(name)
    assert _inside("output\\a/b").parts[-2:] == ("a", "b")

"""A declared sweep: read it, and make its jobs.

A sweep names an API-format workflow and axes. Each axis is a list of points, each point sets inputs
of nodes; the jobs are all combinations of one point per axis. A job is told by a hash of what it
runs, so changing a sweep keeps the results of the jobs that stay the same.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..json_file import read_json
from ..queue import workflow as workflows
from ..queue.workflow import Setting, Workflow
from ..saving import safe_part
from .plots import check_plots

MAX_JOBS = 100_000
MAX_NAME = 60  # characters; a folder's name has at most 255 bytes
PICTURE_COLUMN = "picture: "  # and the title of the node that saved it
_OWN_COLUMNS = {"job", "error", "pictures"}
_KEYS = {"name", "title", "about", "workflow", "set", "nodes", "axes", "collect", "plots"}
_AXIS_KEYS = {"name", "title", "set", "values", "range", "points"}
_POINT_KEYS = {"label", "set", "nodes"}


@dataclass(frozen=True, slots=True)
class Point:
    """One value of an axis: a label for the table, settings, and nodes to add to the workflow."""

    label: str | int | float | bool
    settings: tuple[Setting, ...]
    nodes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A column of the table, and its points."""

    name: str
    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as declared.

    Attributes:
        name: short, for files.
        title: for the report.
        about: a paragraph for the report.
        workflow: what every job starts from, the common settings applied.
        axes: in the order of the columns.
        collect: column -> "NODE:OUTPUT", a node output whose value goes into the table.
        plots: what the report draws; see ``report.plots``.
    """

    name: str
    title: str
    about: str
    workflow: Workflow
    axes: tuple[Axis, ...]
    collect: Mapping[str, str]
    plots: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the workflow.

    Attributes:
        key: 16 hex digits, a hash of the graph and of what is collected from it.
        labels: the point's label by axis.
        graph: API-format workflow.
        collect: see ``Sweep``.
    """

    key: str
    labels: Mapping[str, Any]
    graph: Workflow
    collect: Mapping[str, str]


def load(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        UsageError: no such file, no JSON, or an entry that is not understood.
    """
    return parse(read_json(path, "a sweep file", finite=True), path)


def parse(content: Any, path: Path) -> Sweep:
    """A sweep from parsed JSON; the workflow's path is relative to the sweep file."""
    _require_keys(content, _KEYS, {"workflow", "axes"}, str(path))
    if not isinstance(content["workflow"], str):
        raise UsageError(f"{path}: 'workflow' must be the name of a file.")
    graph = workflows.load(path.parent / content["workflow"])
    _add_nodes(graph, content.get("nodes") or {}, str(path))
    workflows.apply(graph, _settings(content.get("set") or {}, str(path)))
    if not isinstance(content["axes"], list) or not content["axes"]:
        raise UsageError(f"{path}: 'axes' must be a list with at least one axis.")
    axes = tuple(_axis(entry, f"{path}, axis {i + 1}") for i, entry in enumerate(content["axes"]))
    names = [axis.name for axis in axes]
    collect = content.get("collect") or {}
    if not isinstance(collect, dict) or not all(
        isinstance(address, str) and ":" in address for address in collect.values()
    ):
        raise UsageError(f"{path}: 'collect' must map a column to 'NODE:OUTPUT'.")
    _require_columns([*names, *collect], str(path))
    plots = check_plots(content.get("plots") or [], names, collect, str(path))
    name = str(content.get("name") or path.stem)
    if safe_part(name) != name or {"/", "\\"} & set(name) or len(name) > MAX_NAME:
        raise UsageError(
            f"{path}: the name is {name[:100]!r}; expected one that a folder can have: at "
            f"most {MAX_NAME} characters, without slashes or signs such as : and ?."
        )
    return Sweep(
        name=name,
        title=str(content.get("title") or name),
        about=str(content.get("about") or ""),
        workflow=graph,
        axes=axes,
        collect=collect,
        plots=plots,
    )


def _require_columns(names: Sequence[str], where: str) -> None:
    """Raise unless the columns differ from each other and from those that every table has."""
    if len(set(names)) != len(names):
        raise UsageError(f"{where}: two columns have one name: {', '.join(names)}.")
    taken = [n for n in names if n in _OWN_COLUMNS or n.startswith(PICTURE_COLUMN)]
    if taken:
        raise UsageError(
            f"{where}: {taken[0]!r} is a column that every table has; give the axis or the "
            "collected value another name."
        )


def make_jobs(sweep: Sweep) -> list[Job]:
    """All combinations, the last axis fastest; equal graphs give one job.

    Raises:
        UsageError: a setting names no node or input of the workflow, or there are too many jobs.
    """
    count = 1
    for axis in sweep.axes:
        count *= len(axis.points)
    if count > MAX_JOBS:
        raise UsageError(f"The sweep has {count} jobs; at most {MAX_JOBS} can be run in one.")
    jobs: dict[str, Job] = {}
    for points in itertools.product(*(axis.points for axis in sweep.axes)):
        graph = copy.deepcopy(sweep.workflow)
        for point in points:
            _add_nodes(graph, point.nodes, f"point {point.label!r}")
        for point in points:
            _make_room_for_links(graph, point.settings)
            workflows.apply(graph, point.settings)
        labels = {axis.name: p.label for axis, p in zip(sweep.axes, points, strict=True)}
        key = job_key(graph, sweep.collect)
        jobs.setdefault(key, Job(key, labels, graph, sweep.collect))
    return list(jobs.values())


def job_key(graph: Workflow, collect: Mapping[str, str]) -> str:
    """Hash of what a job does; titles do not count."""
    bare = {i: {"class_type": n["class_type"], "inputs": n["inputs"]} for i, n in graph.items()}
    text = json.dumps([bare, dict(collect)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make_room_for_links(graph: Workflow, settings: Sequence[Setting]) -> None:
    """Optional inputs that the workflow leaves out may be linked; the server checks their names."""
    for setting in settings:
        if workflows.is_link(json.loads(setting.text)):
            node_name, _, input_name = setting.address.rpartition(".")
            for node_id in workflows.named(graph, node_name):
                graph[node_id]["inputs"].setdefault(input_name, None)


def _axis(entry: Any, where: str) -> Axis:
    _require_keys(entry, _AXIS_KEYS, {"name"}, where)
    kinds = [key for key in ("values", "range", "points") if key in entry]
    if len(kinds) != 1:
        raise UsageError(f"{where}: give one of 'values', 'range' and 'points'.")
    name = str(entry["name"])
    if kinds == ["points"]:
        if not isinstance(entry["points"], list):
            raise UsageError(f"{where}: 'points' must be a list.")
        points = [_point(p, f"{where}, point {i + 1}") for i, p in enumerate(entry["points"])]
    else:
        addresses = entry.get("set")
        addresses = [addresses] if isinstance(addresses, str) else addresses
        if not isinstance(addresses, list) or not addresses:
            raise UsageError(f"{where}: 'set' must name the input, or inputs, that take the value.")
        values = entry["values"] if kinds == ["values"] else _range(entry["range"], where)
        if not isinstance(values, list):
            raise UsageError(f"{where}: 'values' must be a list.")
        points = [
            Point(v, tuple(Setting(str(a), json.dumps(v)) for a in addresses), {}) for v in values
        ]
    if not points:
        raise UsageError(f"{where}: the axis has no points.")
    labels = [point.label for point in points]
    if len(set(map(str, labels))) != len(labels):
        raise UsageError(f"{where}: two points have one label.")
    return Axis(name, str(entry.get("title") or name), tuple(points))


def _point(entry: Any, where: str) -> Point:
    _require_keys(entry, _POINT_KEYS, {"label"}, where)
    if not isinstance(entry["label"], (str, int, float)):
        raise UsageError(f"{where}: 'label' must be a text or a number.")
    nodes = entry.get("nodes") or {}
    return Point(entry["label"], tuple(_settings(entry.get("set") or {}, where)), nodes)


def _range(entry: Any, where: str) -> list[int]:
    """``{"from": 1, "count": 200}`` -> 1..200."""
    if not isinstance(entry, dict) or set(entry) - {"from", "count"} or "count" not in entry:
        raise UsageError(f"{where}: 'range' must be an object with 'count' and perhaps 'from'.")
    first, count = entry.get("from", 0), entry["count"]
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (first, count))
    if not whole or not 1 <= count <= MAX_JOBS:
        raise UsageError(
            f"{where}: 'from' and 'count' must be whole numbers, 'count' from 1 to {MAX_JOBS}."
        )
    return list(range(first, first + count))


def _settings(entry: Any, where: str) -> list[Setting]:
    if not isinstance(entry, dict) or not all("." in key for key in entry):
        raise UsageError(f"{where}: 'set' must map NODE.INPUT to a value.")
    return [Setting(address, json.dumps(value)) for address, value in entry.items()]


def _add_nodes(graph: Workflow, nodes: Any, where: str) -> None:
    if not isinstance(nodes, dict):
        raise UsageError(f"{where}: 'nodes' must be an object of nodes as in the API format.")
    for node_id, node in nodes.items():
        if node_id in graph and graph[node_id] != node:
            raise UsageError(f"{where}: the workflow has another node {node_id!r} already.")
        graph[node_id] = copy.deepcopy(node)
        workflows.check_node(node_id, graph[node_id], where)
    for node_id in nodes:
        _resolve_links(graph, graph[node_id], where)
    if nodes:
        workflows.check(graph, where)


def _resolve_links(graph: Workflow, node: Any, where: str) -> None:
    """Links of an added node may name the other node by its title or class instead of its id."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    for name, value in (inputs if isinstance(inputs, dict) else {}).items():
        if workflows.is_link(value) and value[0] not in graph:
            found = workflows.named(graph, value[0])
            if len(found) != 1:
                what = "no node is" if not found else f"{len(found)} nodes are"
                raise UsageError(f"{where}: {name!r} is linked to {value[0]!r}; {what} called so.")
            value[0] = found[0]


def _require_keys(entry: Any, known: set[str], needed: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected an object.")
    unknown, missing = set(entry) - known, needed - set(entry)
    if unknown or missing:
        parts = [f"unknown: {', '.join(sorted(unknown))}"] if unknown else []
        parts += [f"missing: {', '.join(sorted(missing))}"] if missing else []
        raise UsageError(
            f"{where}: {'; '.join(parts)}. An entry can have: {', '.join(sorted(known))}."
        )

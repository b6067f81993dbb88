"""API-format workflows: read, check, and set values in them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError, WorkflowError
from ..json_file import read_json

# A workflow as ComfyUI's API takes it: node id -> {"class_type", "inputs", "_meta"}.
Workflow = dict[str, dict[str, Any]]
ObjectInfo = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``--set``: a value for an input of the nodes that ``address`` names."""

    address: str
    """``NODE.INPUT`` as the person wrote it."""
    text: str


def load(path: Path) -> Workflow:
    """Read an API-format workflow.

    Raises:
        UsageError: no such file, no JSON, or the format that ComfyUI's own Save writes.
    """
    return check(read_json(path, "an API-format workflow"), str(path))


def check(content: Any, name: str) -> Workflow:
    """See that parsed JSON is an API-format workflow whose links lead somewhere.

    Raises:
        UsageError: it is in another format or has a broken link.
    """
    if isinstance(content, dict) and isinstance(content.get("nodes"), list):
        raise UsageError(
            f"{name} is in the format of ComfyUI's editor, which a server cannot run. Open it in "
            "ComfyUI, choose Workflow > Export (API) in the menu, and give the file that it saves."
        )
    if isinstance(content, dict) and isinstance(content.get("prompt"), dict):
        content = content["prompt"]  # the body of a POST to /prompt, as many scripts save it
    if not isinstance(content, dict) or not content:
        raise UsageError(
            f"{name} is no API-format workflow: expected an object of nodes, got "
            f"{_kind(content)}. In ComfyUI: Workflow > Export (API)."
        )
    for node_id, node in content.items():
        check_node(node_id, node, name)
        for input_name, value in node["inputs"].items():
            if is_link(value) and str(value[0]) not in content:
                raise UsageError(
                    f"{name}: input {input_name!r} of {title(content, node_id)} is linked to node "
                    f"{value[0]!r}, which is not in the file."
                )
    return content


def check_node(node_id: str, node: Any, name: str) -> None:
    """See that an entry of a workflow is a node; without inputs it gets none.

    Raises:
        UsageError: it has no class, or its inputs are no object.
    """
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        raise UsageError(
            f"{name} is no API-format workflow: node {node_id!r} has no class_type. In "
            "ComfyUI: Workflow > Export (API)."
        )
    inputs = node.setdefault("inputs", {})
    if not isinstance(inputs, dict):
        raise UsageError(
            f"{name}: the inputs of node {node_id!r} are {_kind(inputs)}, not an object."
        )


def is_link(value: Any) -> bool:
    """Whether an input's value is a link ``[node id, output index]``."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def title(workflow: Mapping[str, Mapping[str, Any]], node_id: str) -> str:
    """A node's name for a person: its title, or else its class, with its id."""
    node = workflow.get(node_id)
    if node is None:
        return f"node #{node_id}"
    return f"{own_title(node) or node['class_type']} (#{node_id})"


def own_title(node: Mapping[str, Any]) -> str:
    """The title that a person gave a node, "" without one."""
    meta = node.get("_meta")
    return str(meta.get("title") or "") if isinstance(meta, dict) else ""


def parse_setting(text: str) -> Setting:
    """Parse ``NODE.INPUT=VALUE``.

    Raises:
        UsageError: the ``=`` or the dot is missing.
    """
    address, equals, value = text.partition("=")
    if not equals or "." not in address:
        raise UsageError(f"--set {text!r} is not NODE.INPUT=VALUE, as in KSampler.seed=7")
    return Setting(address.strip(), value)


def apply(
    workflow: Workflow, settings: Iterable[Setting], info: ObjectInfo | None = None
) -> list[str]:
    """Set values in a workflow, in place; return one line for each change.

    A node is named by its id, by its title, or by its class; a title or class that several nodes
    share sets all of them. With the server's ``info``, inputs that the file leaves out may be set.

    Raises:
        UsageError: there is no such node or input; the text lists those that are there.
    """
    changes: list[str] = []
    for setting in settings:
        nodes, input_name = _resolve(workflow, setting, info)
        for node_id in nodes:
            node = workflow[node_id]
            value = _value(setting.text, _declared_type(node, input_name, info))
            before = node["inputs"].get(input_name)
            node["inputs"][input_name] = value
            if is_link(value) and str(value[0]) not in workflow:
                raise UsageError(f"--set {setting.address}: there is no node {value[0]!r}.")
            was = "linked" if is_link(before) else _short(before)
            changes.append(f"{title(workflow, node_id)}: {input_name} {was} -> {_short(value)}")
    return changes


def unknown_classes(workflow: Workflow, info: ObjectInfo) -> dict[str, list[str]]:
    """Node classes that the server lacks, each with the ids of the nodes that use it."""
    missing: dict[str, list[str]] = {}
    for node_id, node in workflow.items():
        if node["class_type"] not in info:
            missing.setdefault(node["class_type"], []).append(node_id)
    return missing


def require_known(workflow: Workflow, info: ObjectInfo) -> None:
    """Raise if the server lacks node classes of the workflow.

    Raises:
        WorkflowError: names them, with what to do.
    """
    missing = unknown_classes(workflow, info)
    if not missing:
        return
    lines = []
    for name, ids in sorted(missing.items()):
        near = difflib.get_close_matches(name, list(info), n=1, cutoff=0.8)
        hint = f" (it has {near[0]})" if near else ""
        where = ", ".join(title(workflow, node_id) for node_id in ids)
        lines.append(f"  {name}{hint}, used by {where}")
    advice = "Install the packs that bring them into that ComfyUI's custom_nodes/ and restart it."
    if any(name.startswith("RegionalDiT_") for name in missing):
        advice = (
            "Nodes that begin with RegionalDiT_ come with this pack: put this repository into that "
            "ComfyUI's custom_nodes/ and restart it, or leave --server out. Other nodes come with "
            "the pack that the workflow was made with."
        )
    raise WorkflowError("The server has no such nodes:\n" + "\n".join(lines) + "\n" + advice)


def _resolve(
    workflow: Workflow, setting: Setting, info: ObjectInfo | None
) -> tuple[list[str], str]:
    """Find the nodes and the input of an address; titles and inputs may hold dots themselves."""
    found: list[str] = []
    address = setting.address
    dots = [i for i, char in enumerate(address) if char == "."]
    for dot in reversed(dots):
        nodes, input_name = named(workflow, address[:dot]), address[dot + 1 :]
        if not nodes:
            continue
        if all(input_name in _inputs(workflow[node_id], info) for node_id in nodes):
            return nodes, input_name
        found = found or nodes
    if not found:
        everything = "\n".join(f"  {i}: {_describe(node)}" for i, node in workflow.items())
        raise UsageError(
            f"--set {address}: no node has the id, title or class {address.rsplit('.', 1)[0]!r}. "
            f"There are:\n{everything}"
        )
    node_id = found[0]
    known = ", ".join(_inputs(workflow[node_id], info)) or "none"
    raise UsageError(
        f"--set {address}: {title(workflow, node_id)} has no such input. It has: {known}"
    )


def named(workflow: Workflow, name: str) -> list[str]:
    """Ids of the nodes that a name means: an id, else a title, else a class."""
    if name in workflow:
        return [name]
    if not name:
        return []  # else all nodes without a title
    titles = {i: own_title(node) for i, node in workflow.items()}
    classes = {i: node["class_type"] for i, node in workflow.items()}
    for names in (titles, classes):
        for fold in (str, str.casefold):
            matching = [node_id for node_id, n in names.items() if fold(n) == fold(name)]
            if matching:
                return matching
    return []


def _inputs(node: Mapping[str, Any], info: ObjectInfo | None) -> list[str]:
    names = list(node["inputs"])
    declared = (info or {}).get(node["class_type"], {}).get("input", {})
    for section in ("required", "optional"):
        names += [name for name in declared.get(section, {}) if name not in names]
    return names


def _declared_type(node: Mapping[str, Any], name: str, info: ObjectInfo | None) -> Any:
    declared = (info or {}).get(node["class_type"], {}).get("input", {})
    for section in ("required", "optional"):
        spec = declared.get(section, {}).get(name)
        if spec:
            return spec[0]
    return "STRING" if isinstance(node["inputs"].get(name), str) else None


def _value(text: str, declared: Any) -> Any:
    """A value from the command line: JSON, or else the text itself."""
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text
    # "7" for a text input is the text, and a quoted string loses its quotes.
    if declared == "STRING" and not isinstance(value, str) and not is_link(value):
        return text
    return value


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _describe(node: Mapping[str, Any]) -> str:
    own = own_title(node)
    return f"{node['class_type']}, titled {own!r}" if own else str(node["class_type"])


def _short(value: Any, limit: int = 60) -> str:
    text = "unset" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    kind = kinds.get(type(value), "a number or boolean")
    return f"an empty {kind.split()[-1]}" if value in ({}, [], "") else kind

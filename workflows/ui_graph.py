"""Build a workflow once and write it in both of ComfyUI's formats.

The API format is what a server runs. The UI format is what the editor loads: the same nodes with
positions, sizes, widget values by position instead of by name, numbered links and groups. Names,
order and types all come from the nodes' own schemas, so a changed node shows up as a changed file.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_files import MODEL_FILES
from node_schemas import Schemas, default_value, has_seed_control, input_specs, is_widget

SEED_CONTROL = "fixed"
OPTIONAL_SHAPE = 7  # LiteGraph draws optional inputs as hollow circles

# Pixels of the editor's canvas. Title bars and group titles lie above the position of their box.
TITLE_PX = 30
SLOT_PX = 20
WIDGET_PX = 24
TEXT_BOX_PX = 92
MARGIN_PX = 14
GAP_X, GAP_Y = 50, 50
GROUP_PADDING_PX = 16
# The view in which a file opens: room of a usual window, below the menu and beside the side bar.
# Below the smallest scale the editor draws no text. A file that names no view is fitted to the
# window while its nodes are still being measured, which throws them apart in "Nodes 2.0".
VIEW_PX, VIEW_CORNER_PX, MIN_SCALE = (1780, 790), (80, 150), 0.6
GROUP_TITLE_PX = 44

# What the manager needs to install the pack of a missing node, and which host a file is for.
_PROJECT = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
PREFIX, PACK_ID, CORE_ID = "RegionalDiT_", "regional-dit", "comfy-core"
PACK_VERSION = re.search(r'^version = "(.+)"$', _PROJECT, re.M)[1]  # type: ignore[index]
CORE_VERSION = re.search(r'^requires-comfyui = ">=(.+)"$', _PROJECT, re.M)[1]  # type: ignore[index]

FILE_NAMESPACE = uuid.UUID("5d6a3f0e-6a0c-4c55-9d7e-2f6f0f1f4f5e")


@dataclass(frozen=True, slots=True)
class Output:
    """One output socket, to connect to an input."""

    node_id: int
    slot: int


@dataclass(slots=True)
class Node:
    """One node; ``inputs`` holds a value or an ``Output`` per input that is filled."""

    node_id: int
    class_type: str
    title: str
    schema: Mapping[str, Any]
    inputs: dict[str, Any]
    pos: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)

    def out(self, name: str) -> Output:
        """The output of that name."""
        return Output(self.node_id, list(self.schema["output_name"]).index(name))


@dataclass(slots=True)
class Column:
    """Nodes below each other, drawn as a group."""

    title: str
    width: int
    color: str
    nodes: list[Node] = field(default_factory=list)


def node_properties(node: Node) -> dict[str, Any]:
    """What the editor is told about a node: its pack, and where its files can be downloaded."""
    ours = node.class_type.startswith(PREFIX)
    properties: dict[str, Any] = {
        "cnr_id": PACK_ID if ours else CORE_ID,
        "ver": PACK_VERSION if ours else CORE_VERSION,
        "Node name for S&R": node.class_type,
    }
    models = [
        {"name": value, "url": MODEL_FILES[value][1], "directory": MODEL_FILES[value][0]}
        for value in node.inputs.values()
        if isinstance(value, str) and value in MODEL_FILES
    ]
    return {**properties, "models": models} if models else properties


class Graph:
    """A workflow that is being built, column by column from left to right."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._columns: list[Column] = []
        self._notes: list[tuple[Node, str]] = []
        self._nodes: dict[int, Node] = {}
        self._app: dict[str, Any] = {}

    def column(self, title: str, width: int, color: str) -> None:
        """Start a column; the nodes that follow go into it."""
        self._columns.append(Column(title, width, color))

    def note(self, text: str, height: int) -> None:
        """A text for people, shown as Markdown; it is not part of the API format."""
        node = self._place(Node(self._next_id(), "MarkdownNote", "Note", {}, {}), height)
        self._notes.append((node, text))

    def node(
        self,
        class_type: str,
        title: str = "",
        *,
        inputs: Mapping[str, Any] | None = None,
        picture_px: int = 0,
        text_box_px: int = TEXT_BOX_PX,
    ) -> Node:
        """Add a node; widgets that are not named keep their default.

        Args:
            class_type: of the node.
            title: if it differs from the display name.
            inputs: values of widgets, and outputs of other nodes.
            picture_px: room for what the node shows once it has run.
            text_box_px: height of each box of several lines.
        """
        schema = self._schemas[class_type]
        given = dict(inputs or {})
        filled: dict[str, Any] = {}
        height = MARGIN_PX + picture_px
        sockets = 0
        for name, (type_, options, _) in input_specs(schema).items():
            if not is_widget(type_, options):
                sockets += 1
                if name in given:
                    filled[name] = given.pop(name)
                continue
            filled[name] = given.pop(name) if name in given else default_value(type_, options)
            height += text_box_px if options.get("multiline") else WIDGET_PX
            height += WIDGET_PX * has_seed_control(name, type_, options)
            height += WIDGET_PX * bool(options.get("image_upload"))  # the button below it
        if given:
            raise KeyError(f"{class_type} has no input {', '.join(given)}.")
        height += SLOT_PX * max(sockets, len(schema["output"]))
        node = Node(self._next_id(), class_type, title or schema["display_name"], schema, filled)
        return self._place(node, height)

    def as_app(self, inputs: Sequence[tuple[Node, str]], outputs: Sequence[Node]) -> None:
        """Open the file as an app: a form of these widgets, and what these nodes show."""
        self._app = {
            "linearMode": True,
            "linearData": {
                "inputs": [[str(node.node_id), widget] for node, widget in inputs],
                "outputs": [str(node.node_id) for node in outputs],
            },
        }

    def to_api(self) -> dict[str, Any]:
        """The API format: node id -> class, inputs by name, title."""
        api = {}
        for node_id, node in self._nodes.items():
            if node.schema:
                inputs = {
                    name: [str(value.node_id), value.slot] if isinstance(value, Output) else value
                    for name, value in node.inputs.items()
                }
                api[str(node_id)] = {
                    "class_type": node.class_type,
                    "inputs": inputs,
                    "_meta": {"title": node.title},
                }
        return api

    def to_ui(self, name: str) -> dict[str, Any]:
        """The UI format (LiteGraph 0.4).

        Args:
            name: of the workflow; its id is made from it, so that the same workflow always gives
                the same file.
        """
        self._lay_out()
        links: list[list[Any]] = []
        nodes = {i: self._ui_node(node) for i, node in self._nodes.items()}
        for node in self._nodes.values():
            specs = input_specs(node.schema) if node.schema else {}
            for slot, socket in enumerate(nodes[node.node_id]["inputs"]):
                source = node.inputs.get(socket["name"])
                if not isinstance(source, Output):
                    continue
                link_id = len(links) + 1
                output = nodes[source.node_id]["outputs"][source.slot]
                type_ = specs[socket["name"]][0]
                type_ = output["type"] if type_ == "*" else type_
                links.append([link_id, source.node_id, source.slot, node.node_id, slot, type_])
                socket["link"] = link_id
                output["links"] = [*(output["links"] or []), link_id]
        for node, text in self._notes:
            nodes[node.node_id]["widgets_values"] = [text]
        return {
            "id": str(uuid.uuid5(FILE_NAMESPACE, name)),
            "revision": 0,
            "last_node_id": len(nodes),
            "last_link_id": len(links),
            "nodes": list(nodes.values()),
            "links": links,
            "groups": [self._ui_group(i, c) for i, c in enumerate(self._columns, 1)],
            "config": {},
            "extra": {"ds": self._view(), "workflowRendererVersion": "LG", **self._app},
            "version": 0.4,
        }

    def _next_id(self) -> int:
        return len(self._nodes) + 1

    def _place(self, node: Node, height: int) -> Node:
        column = self._columns[-1]
        node.size = (column.width, height)
        column.nodes.append(node)
        self._nodes[node.node_id] = node
        return node

    def _lay_out(self) -> None:
        x = 0
        for column in self._columns:
            y = 0
            for node in column.nodes:
                node.pos = (x, y)
                y += node.size[1] + TITLE_PX + GAP_Y
            x += column.width + GAP_X

    def _ui_node(self, node: Node) -> dict[str, Any]:
        ui: dict[str, Any] = {
            "id": node.node_id,
            "type": node.class_type,
            "pos": list(node.pos),
            "size": list(node.size),
            "flags": {},
            "order": node.node_id - 1,
            "mode": 0,
            "inputs": [],
            "outputs": [],
            "title": node.title,
            "properties": {},
            "widgets_values": [],
        }
        if not node.schema:
            return {**ui, "color": "#432", "bgcolor": "#653"}
        if node.title == node.schema["display_name"]:
            del ui["title"]
        ui["properties"] = node_properties(node)
        sockets, widget_sockets = [], []
        for name, (type_, options, optional) in input_specs(node.schema).items():
            socket: dict[str, Any] = {"name": name}
            socket["type"] = "COMBO" if isinstance(type_, list) else type_
            socket["link"] = None
            if optional:
                socket["shape"] = OPTIONAL_SHAPE
            if not is_widget(type_, options):
                sockets.append(socket)
                continue
            widget_sockets.append({**socket, "widget": {"name": name}})
            value = node.inputs[name]  # a connected widget keeps its place, with any value
            linked = isinstance(value, Output)
            ui["widgets_values"].append(default_value(type_, options) if linked else value)
            if has_seed_control(name, type_, options):
                ui["widgets_values"].append(SEED_CONTROL)
        ui["inputs"] = sockets + widget_sockets
        ui["outputs"] = [
            {"name": name, "type": type_, "links": None}
            for name, type_ in zip(node.schema["output_name"], node.schema["output"], strict=True)
        ]
        return ui

    def _view(self) -> dict[str, Any]:
        """Scale and offset that show the groups, the upper left ones first."""
        groups = [self._ui_group(i, column)["bounding"] for i, column in enumerate(self._columns)]
        left, top = min(g[0] for g in groups), min(g[1] for g in groups)
        width = max(g[0] + g[2] for g in groups) - left
        height = max(g[1] + g[3] for g in groups) - top
        scale = min(VIEW_PX[0] / width, VIEW_PX[1] / height, 1.0)
        scale = max(MIN_SCALE, round(scale, 2))
        corner_x, corner_y = (round(corner / scale) for corner in VIEW_CORNER_PX)
        return {"scale": scale, "offset": [corner_x - left, corner_y - top]}

    @staticmethod
    def _ui_group(group_id: int, column: Column) -> dict[str, Any]:
        last = column.nodes[-1]
        x, y = column.nodes[0].pos
        top = y - TITLE_PX - GROUP_TITLE_PX
        bottom = last.pos[1] + last.size[1] + GROUP_PADDING_PX
        width = column.width + 2 * GROUP_PADDING_PX
        return {
            "id": group_id,
            "title": column.title,
            "bounding": [x - GROUP_PADDING_PX, top, width, bottom - top],
            "color": column.color,
            "font_size": 22,
            "flags": {},
        }

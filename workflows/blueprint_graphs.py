"""Subgraph blueprints: regional prompting as one block that ComfyUI offers among its own.

ComfyUI lists the files of a pack's ``subgraphs/`` folder. Each holds one node and, as the
definition of that node, the graph inside of it: links to its input node (-10) and from its output
node (-20). A widget that is shown outside is an input of the block, linked to the widget's own
input: so every front end finds it, whatever ids the inside is given when the block is put into a
graph. (``proxyWidgets`` name nodes by ids, which a front end changes where others have them.)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common_nodes import BLUE, GREEN, VIOLET
from node_schemas import Schemas, input_specs
from ui_graph import FILE_NAMESPACE, Graph, Node, Output, node_properties

CATEGORY = "regional DiT"
INPUT_ID, OUTPUT_ID = -10, -20
SIDE_PX, ROW_PX = 170, 24


@dataclass(frozen=True, slots=True)
class Block:
    """A graph with what it shows outside.

    Attributes:
        description: for the search and the library of nodes.
        graph: the inside.
        inputs: (node, name of its socket), in order; sockets of one name share an input.
        outputs: (node, name of its output), in order.
        widgets: (node, name of its widget) that are shown on the outside; names differ.
        size: of the block's node, in pixels.
    """

    description: str
    graph: Graph
    inputs: Sequence[tuple[Node, str]]
    outputs: Sequence[tuple[Node, str]]
    widgets: Sequence[tuple[Node, str]]
    size: tuple[int, int] = (400, 420)


def _finished(
    description: str,
    graph: Graph,
    prompt: Node,
    widgets: Sequence[tuple[Node, str]],
    fields: Sequence[str] = ("global_prompt", "negative_prompt", "base_ratio"),
    size: tuple[int, int] = (400, 420),
) -> Block:
    """A block around Regional Prompt (simple), with these ``fields`` of it outside."""
    return Block(
        description,
        graph,
        [(prompt, "model"), (prompt, "clip")],
        [(prompt, name) for name in ("model", "positive", "negative")],
        [*widgets, *((prompt, name) for name in fields)],
        size,
    )


def build_draw(schemas: Schemas) -> Block:
    """Regions drawn in the editor."""
    graph = Graph(schemas)
    graph.column("Draw", 540, BLUE)
    editor = graph.node("RegionalDiT_RegionEditor", text_box_px=690)
    graph.column("Regional prompting", 440, VIOLET)
    prompt = _simple(graph, "", plan=editor.out("plan"))
    return _finished(
        "Draw regions with the mouse and write a prompt for each; then three wires to a KSampler.",
        graph,
        prompt,
        [(editor, "plan_json"), (editor, "overlap")],
        fields=("base_ratio",),  # the prompts of the whole picture are in the drawing
        size=(540, 960),
    )


def build_plan(schemas: Schemas) -> Block:
    """Regions and prompts planned from a sentence."""
    graph = Graph(schemas)
    graph.column("Plan", 430, GREEN)
    plan = graph.node("RegionalDiT_LLMProgressivePrompt", inputs={"n": 0})
    graph.column("Regional prompting", 440, VIOLET)
    prompt = _simple(graph, "", plan=plan.out("plan"))
    return _finished(
        "One sentence: a language model or a built-in parser plans regions and a prompt for each.",
        graph,
        prompt,
        [(plan, name) for name in ("prompt", "n", "endpoint", "aspect")],
    )


def build_split(schemas: Schemas) -> Block:
    """One prompt per line for the parts of a split."""
    graph = Graph(schemas)
    graph.column("Regions", 340, BLUE)
    split = graph.node("RegionalDiT_RegionSplit", inputs={"n": 2})
    graph.column("Regional prompting", 440, VIOLET)
    prompt = _simple(graph, "a red fox\na black cat", regions=split.out("regions"))
    widgets = [(split, name) for name in ("split", "n", "rows", "columns", "feather")]
    return _finished(
        "Columns, rows or a grid of regions, with one line of prompt for each.",
        graph,
        prompt,
        [*widgets, (prompt, "prompts")],
    )


def _simple(graph: Graph, lines: str, **sources: Output) -> Node:
    """Regional Prompt (simple), whose model and clip come from outside."""
    return graph.node(
        "RegionalDiT_RegionalPrompt", inputs={"prompts": lines, **sources}, picture_px=200
    )


BLUEPRINTS: Mapping[str, Callable[[Schemas], Block]] = {
    "Regional prompts (draw)": build_draw,
    "Regional prompts (plan)": build_plan,
    "Split into N": build_split,
}


def blueprint(name: str, block: Block) -> dict[str, Any]:
    """The file of a block, in ComfyUI's format."""
    inside = block.graph.to_ui(name)
    nodes = {node["id"]: node for node in inside["nodes"]}
    links = [
        {
            "id": link_id, "origin_id": source, "origin_slot": out_slot,
            "target_id": target, "target_slot": in_slot, "type": type_,
        }
        for link_id, source, out_slot, target, in_slot, type_ in inside["links"]
    ]  # fmt: skip
    outer = [*block.inputs, *block.widgets]
    inputs = [_port(name, "input", label, _input_type(node, label)) for node, label in outer]
    outputs = [
        _port(name, "output", label, node.schema["output"][_slot(node, label)])
        for node, label in block.outputs
    ]
    for index, (node, label) in enumerate(outer):
        sockets = nodes[node.node_id]["inputs"]
        slot = [socket["name"] for socket in sockets].index(label)
        link = _link(links, INPUT_ID, index, node.node_id, slot, inputs[index])
        sockets[slot]["link"] = link
    for index, (node, label) in enumerate(block.outputs):
        slot = _slot(node, label)
        link = _link(links, node.node_id, slot, OUTPUT_ID, index, outputs[index])
        socket = nodes[node.node_id]["outputs"][slot]
        socket["links"] = [*(socket["links"] or []), link]
    right = max(node["pos"][0] + node["size"][0] for node in nodes.values())
    subgraph_id = str(uuid.uuid5(FILE_NAMESPACE, f"subgraph {name}"))
    definition = {
        "id": subgraph_id,
        "version": 1,
        "state": {
            "lastGroupId": len(inside["groups"]), "lastNodeId": len(nodes),
            "lastLinkId": len(links), "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": name,
        "description": block.description,
        "category": CATEGORY,
        "inputNode": _side(INPUT_ID, -2 * SIDE_PX, len(inputs)),
        "outputNode": _side(OUTPUT_ID, right + SIDE_PX, len(outputs)),
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": list(nodes.values()),
        "groups": inside["groups"],
        "links": links,
        "extra": {"workflowRendererVersion": "LG"},
    }  # fmt: skip
    are_fields = [False] * len(block.inputs) + [True] * len(block.widgets)
    instance = {
        "id": len(nodes) + 1,
        "type": subgraph_id,
        "pos": [0, 0],
        "size": list(block.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [
            {
                "name": port["name"],
                "type": port["type"],
                "link": None,
                **({"widget": {"name": port["name"]}} if is_field else {}),
            }
            for port, is_field in zip(inputs, are_fields, strict=True)
        ],
        "outputs": [{"name": port["name"], "type": port["type"], "links": []} for port in outputs],
        "properties": {key: node_properties(block.outputs[0][0])[key] for key in ("cnr_id", "ver")},
        "widgets_values": [node.inputs[widget] for node, widget in block.widgets],
        "title": name,
    }
    return {
        "revision": 0,
        "last_node_id": len(nodes) + 1,
        "last_link_id": 0,
        "nodes": [instance],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
        "extra": {"BlueprintDescription": block.description},  # read by older front ends
    }


def _input_type(node: Node, label: str) -> str:
    type_ = input_specs(node.schema)[label][0]
    return "COMBO" if isinstance(type_, list) else type_


def _slot(node: Node, label: str) -> int:
    return node.out(label).slot


def _port(name: str, side: str, label: str, type_: str) -> dict[str, Any]:
    port_id = str(uuid.uuid5(FILE_NAMESPACE, f"{name} {side} {label}"))
    return {"id": port_id, "name": label, "type": type_, "linkIds": [], "label": label}


def _link(
    links: list[dict[str, Any]],
    origin: int,
    origin_slot: int,
    target: int,
    target_slot: int,
    port: dict[str, Any],
) -> int:
    """Add a link to a side of the block; its port learns the link's id."""
    link_id = max((link["id"] for link in links), default=0) + 1
    links.append(
        {
            "id": link_id, "origin_id": origin, "origin_slot": origin_slot,
            "target_id": target, "target_slot": target_slot, "type": port["type"],
        }
    )  # fmt: skip
    port["linkIds"].append(link_id)
    return link_id


def _side(node_id: int, x: int, rows: int) -> dict[str, Any]:
    return {"id": node_id, "bounding": [x, 100, SIDE_PX - 40, 44 + ROW_PX * rows]}

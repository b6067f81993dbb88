"""The blueprints: made by the script, whole inside, and taken by the host once unpacked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "subgraphs"
BLUEPRINTS = sorted(path.stem for path in FOLDER.glob("*.json"))
INPUT_ID, OUTPUT_ID = -10, -20


@pytest.fixture(params=BLUEPRINTS)
def block(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))


def inside(block: dict[str, Any]) -> dict[str, Any]:
    (definition,) = block["definitions"]["subgraphs"]
    return definition


def test_files_are_what_the_script_makes(generate: ModuleType, schemas: dict[str, Any]) -> None:
    made = generate.build_blueprints(schemas)
    assert {path.name for path in FOLDER.iterdir()} == set(made)
    for name, content in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, name


def test_the_outer_node_is_the_block(block: dict[str, Any]) -> None:
    (node,) = block["nodes"]
    definition = inside(block)
    assert node["type"] == definition["id"] and node["properties"]["cnr_id"] == "regional-dit"
    for side in ("inputs", "outputs"):
        assert [p["name"] for p in node[side]] == [p["name"] for p in definition[side]]
    sockets = [p["type"] for p in node["inputs"] if "widget" not in p]
    assert sockets == ["MODEL", "CLIP"]
    assert [p["type"] for p in node["outputs"]] == ["MODEL", "CONDITIONING", "CONDITIONING"]


def test_links_end_at_sockets_and_sides(block: dict[str, Any]) -> None:
    definition = inside(block)
    nodes = {node["id"]: node for node in definition["nodes"]}
    assert len({link["id"] for link in definition["links"]}) == len(definition["links"])
    for link in definition["links"]:
        source = (
            definition["inputs"][link["origin_slot"]]
            if link["origin_id"] == INPUT_ID
            else nodes[link["origin_id"]]["outputs"][link["origin_slot"]]
        )
        target = (
            definition["outputs"][link["target_slot"]]
            if link["target_id"] == OUTPUT_ID
            else nodes[link["target_id"]]["inputs"][link["target_slot"]]
        )
        assert source["type"] == link["type"] == target["type"]
        assert link["id"] in (source.get("links") or source["linkIds"])
        assert link["id"] in (target.get("linkIds") or [target["link"]])


def test_widgets_outside_are_widgets_inside(block: dict[str, Any]) -> None:
    """Each is an input of the block, linked to the widget's input: found whatever the ids are."""
    definition = inside(block)
    nodes = {node["id"]: node for node in definition["nodes"]}
    links = {link["id"]: link for link in definition["links"]}
    (outer,) = block["nodes"]
    assert "proxyWidgets" not in outer["properties"], "they name ids, which do not last"
    fields = [i for i, socket in enumerate(outer["inputs"]) if "widget" in socket]
    assert len(outer["widgets_values"]) == len(fields) >= 3
    for value, index in zip(outer["widgets_values"], fields, strict=True):
        (link_id,) = definition["inputs"][index]["linkIds"]
        link = links[link_id]
        node = nodes[link["target_id"]]
        socket = node["inputs"][link["target_slot"]]
        name = outer["inputs"][index]["name"]
        assert (link["origin_id"], link["origin_slot"]) == (INPUT_ID, index)
        assert socket["widget"]["name"] == name == outer["inputs"][index]["widget"]["name"]
        widgets = [s["name"] for s in node["inputs"] if "widget" in s]
        assert node["widgets_values"][widgets.index(name)] == value


def test_the_library_tells_of_them(block: dict[str, Any]) -> None:
    definition = inside(block)
    assert definition["category"] == "regional DiT"
    assert len(definition["description"]) > 40
    assert block["extra"]["BlueprintDescription"] == definition["description"]


@pytest.mark.usefixtures("registered")
def test_the_host_takes_it_unpacked(block: dict[str, Any], schemas: dict[str, Any]) -> None:
    """With the demo model outside, as the editor would queue it."""
    import execution

    definition = inside(block)
    api: dict[str, Any] = {"loader": {"class_type": "RegionalDiT_DemoDiTLoader", "inputs": {}}}
    for name, (type_, options) in schemas["RegionalDiT_DemoDiTLoader"]["input"]["required"].items():
        choices = type_ if isinstance(type_, list) else options["options"]
        api["loader"]["inputs"][name] = options.get("default", choices[0])
    links = {link["id"]: link for link in definition["links"]}
    for node in definition["nodes"]:
        widgets = [s["name"] for s in node["inputs"] if "widget" in s]
        inputs = dict(zip(widgets, node["widgets_values"], strict=True))
        for socket in node["inputs"]:
            if socket["link"] is None:
                continue
            link = links[socket["link"]]
            outer = link["origin_id"] == INPUT_ID
            if outer and "widget" in socket:  # its value is the block's, here still the widget's
                continue
            source = "loader" if outer else str(link["origin_id"])
            inputs[socket["name"]] = [source, link["origin_slot"]]
        api[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    (prompt,) = (i for i, n in api.items() if n["class_type"] == "RegionalDiT_RegionalPrompt")
    api["shown"] = {"class_type": "PreviewAny", "inputs": {"source": [prompt, 1]}}
    valid, error, _, node_errors = asyncio.run(execution.validate_prompt("id", api, None))
    assert valid and not node_errors, (error, node_errors)

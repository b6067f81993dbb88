"""The shipped workflows: made by the script, valid for the host, the same in both formats."""

from __future__ import annotations

import asyncio
import re
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TITLE_PX = 30
NOTES = {"Note", "MarkdownNote"}
# Inputs that name a file: what may be missing until a person has put it there.
MODEL_FILES = {
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "CLIPLoader": ("clip_name",),
    "DualCLIPLoader": ("clip_name1", "clip_name2"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name",),
    "LoraLoaderModelOnly": ("lora_name",),
    "ControlNetLoader": ("control_net_name",),
    "LTXAVTextEncoderLoader": ("text_encoder", "ckpt_name"),
    "LTXVAudioVAELoader": ("ckpt_name",),
}
MODEL_FOLDERS = {
    "CheckpointLoaderSimple": ("checkpoints",),
    "UNETLoader": ("diffusion_models",),
    "CLIPLoader": ("text_encoders",),
    "DualCLIPLoader": ("text_encoders",),
    "VAELoader": ("vae",),
    "LoraLoader": ("loras",),
    "LoraLoaderModelOnly": ("loras",),
    "ControlNetLoader": ("controlnet",),
    "LTXAVTextEncoderLoader": ("text_encoders", "checkpoints"),
    "LTXVAudioVAELoader": ("checkpoints",),
}
FILES = {**MODEL_FILES, "LoadImage": ("image",)}
OWN = (
    "demo",
    "drawn",
    "simple",
    "ablation_demo",
    "region_",
    "lora_demo",
)  # names of workflows that need no file from elsewhere


# Workflows for models that not every host has: by what it is seen that this one does.
NEWER = {"krea2": ("CLIPLoader", "type", "krea2")}


@pytest.fixture
def known(name: str, schemas: dict[str, Any], generate: ModuleType) -> None:
    """Skips a test of a workflow whose model this host does not know."""
    if not generate.is_known(name, schemas):
        pytest.skip(f"this ComfyUI has no {generate.NEEDS[name]}")
    for kind, (node, input_name, choice) in NEWER.items():
        if (
            name.startswith(kind)
            and choice not in schemas[node]["input"]["required"][input_name][0]
        ):
            pytest.skip(f"{node} of this ComfyUI has no {choice}")


def test_files_are_what_the_script_makes(
    generate: ModuleType, schemas: dict[str, Any], repo: Path
) -> None:
    made = generate.build_files(schemas)
    folder = repo / "workflows"
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.json")}
    missing = {name for name in generate.NEEDS if not generate.is_known(name, schemas)}
    assert {path for path in there if Path(path).stem not in missing} == set(made)
    for path, content in made.items():
        assert (folder / path).read_text(encoding="utf-8") == content, (
            f"workflows/{path} differs: run 'python3 -m headless run workflows/generate.py'"
        )


def validate(prompt: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    import execution

    valid, error, _, node_errors = asyncio.run(execution.validate_prompt("id", prompt, None))
    assert valid or error
    return valid, node_errors


@pytest.mark.usefixtures("registered", "inputs", "known")
def test_host_accepts_api_workflow(
    name: str, api: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    files = [
        node["inputs"][file]
        for node in api.values()
        for file in MODEL_FILES.get(node["class_type"], ())
    ]
    monkeypatch.setattr(folder_paths, "get_filename_list", lambda folder: files)
    valid, node_errors = validate(api)
    assert node_errors == {}
    assert valid, name


@pytest.mark.usefixtures("registered", "known")
def test_only_files_may_be_missing(
    name: str, api: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_filename_list", lambda folder: [])
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    _, node_errors = validate(api)
    missing = {
        (node["class_type"], error["extra_info"]["input_name"])
        for node in node_errors.values()
        for error in node["errors"]
    }
    there = {node["class_type"] for node in api.values()}
    assert missing == {(node, file) for node in there for file in FILES.get(node, ())}
    assert (missing == set()) == name.startswith(OWN)


def schema_inputs(schema: dict[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    found = {}
    for section in ("required", "optional"):
        for input_name, spec in schema["input"].get(section, {}).items():
            if len(spec) > 1 and spec[1].get("hidden"):
                continue
            found[input_name] = (spec[0], spec[1] if len(spec) > 1 else {})
            if spec[0] == "COMFY_DYNAMICCOMBO_V3":  # with the inputs that its first choice brings
                chosen = spec[1]["options"][0]
                found[input_name] = ([choice["key"] for choice in spec[1]["options"]], {})
                for name, more in schema_inputs({"input": chosen["inputs"]}).items():
                    found[f"{input_name}.{name}"] = more
    return found


def widget_names(schema: dict[str, Any]) -> list[str | None]:
    """Widgets in the editor's order; None stands for its control_after_generate."""
    names: list[str | None] = []
    for input_name, (type_, options) in schema_inputs(schema).items():
        drawn = options.get("widgetType") if "," in str(type_) else type_
        if isinstance(type_, list) or drawn in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
            names.append(input_name)
            if type_ == "INT" and input_name in ("seed", "noise_seed"):
                names += [None] if options.get("control_after_generate", True) else []
    return names


def to_api(ui: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """What the editor would queue."""
    links = {link[0]: link for link in ui["links"]}
    api = {}
    for node in ui["nodes"]:
        if node["type"] in NOTES:
            continue
        names = widget_names(schemas[node["type"]])
        values = zip(names, node["widgets_values"], strict=True)
        inputs: dict[str, Any] = {name: value for name, value in values if name is not None}
        for socket in node["inputs"]:
            if socket["link"] is not None:
                _, source, slot, *_ = links[socket["link"]]
                inputs[socket["name"]] = [str(source), slot]
        title = node.get("title", schemas[node["type"]]["display_name"])
        api[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": title},
        }
    return api


@pytest.mark.usefixtures("known")
def test_both_formats_say_the_same(
    ui: dict[str, Any], api: dict[str, Any], schemas: dict[str, Any]
) -> None:
    assert to_api(ui, schemas) == api


def test_links_resolve_on_both_ends(ui: dict[str, Any]) -> None:
    nodes = {node["id"]: node for node in ui["nodes"]}
    assert len(nodes) == len(ui["nodes"]) == ui["last_node_id"]
    assert len(ui["links"]) == ui["last_link_id"]
    for link_id, source, out_slot, target, in_slot, type_ in ui["links"]:
        output = nodes[source]["outputs"][out_slot]
        socket = nodes[target]["inputs"][in_slot]
        assert link_id in output["links"]
        assert socket["link"] == link_id
        assert output["type"] == type_
        assert socket["type"] in (type_, "*")
    ends = [link for node in ui["nodes"] for out in node["outputs"] for link in out["links"] or []]
    assert sorted(ends) == [link[0] for link in ui["links"]]


@pytest.mark.usefixtures("known")
def test_every_required_input_is_filled(api: dict[str, Any], schemas: dict[str, Any]) -> None:
    for node_id, node in api.items():
        required = schemas[node["class_type"]]["input"].get("required", {})
        assert set(required) <= set(node["inputs"]), node_id


@pytest.mark.usefixtures("known")
def test_widget_values_are_in_range(ui: dict[str, Any], schemas: dict[str, Any], name: str) -> None:
    for node in ui["nodes"]:
        if node["type"] in NOTES:
            continue
        specs = schema_inputs(schemas[node["type"]])
        names = widget_names(schemas[node["type"]])
        for widget, value in zip(names, node["widgets_values"], strict=True):
            if widget is None:
                assert value == "fixed", "a workflow that changes its seed shows something else"
                continue
            type_, options = specs[widget]
            choices = type_ if isinstance(type_, list) else options.get("options")
            if choices and widget not in FILES.get(node["type"], ()):
                assert value in choices, f"{name}: {node['type']}.{widget}"
            if type_ in ("INT", "FLOAT"):
                assert isinstance(value, (int, float))
                assert options.get("min", value) <= value <= options.get("max", value), widget


def boxes(ui: dict[str, Any]) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right, bottom of all nodes, title bars included."""
    found = {}
    for node in ui["nodes"]:
        (x, y), (width, height) = node["pos"], node["size"]
        found[f"{node['id']} {node['type']}"] = (x, y - TITLE_PX, x + width, y + height)
    return found


def test_nodes_do_not_overlap(ui: dict[str, Any]) -> None:
    for (one, a), (other, b) in combinations(boxes(ui).items(), 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"{one} and {other} overlap"


def test_every_node_lies_in_one_group(ui: dict[str, Any]) -> None:
    for node, (left, top, right, bottom) in boxes(ui).items():
        around = [
            group["title"]
            for group in ui["groups"]
            for x, y, width, height in [group["bounding"]]
            if x <= left and y <= top and right <= x + width and bottom <= y + height
        ]
        assert len(around) == 1, f"{node} lies in {around}"


def test_data_flows_from_left_to_right(ui: dict[str, Any]) -> None:
    left = {node["id"]: node["pos"][0] for node in ui["nodes"]}
    assert all(left[link[1]] <= left[link[3]] for link in ui["links"])


def test_a_note_says_what_it_shows(ui: dict[str, Any]) -> None:
    (note,) = (node for node in ui["nodes"] if node["type"] in NOTES)
    (text,) = note["widgets_values"]
    lines = [line for line in text.splitlines() if line.strip()]
    assert 3 <= len(lines) <= 10


def test_picture_beside_each_workflow(picture: Path) -> None:
    from PIL import Image

    # The template browser asks for NAME.jpg of a pack's workflow and for no other suffix.
    assert picture.stat().st_size <= 200_000
    with Image.open(picture) as shown:
        assert min(shown.size) >= 300


def test_an_app_asks_for_widgets_and_shows_pictures(name: str, ui: dict[str, Any]) -> None:
    assert ("linearMode" in ui["extra"]) == name.endswith(".app")
    if not name.endswith(".app"):
        return
    assert ui["extra"]["linearMode"] is True
    nodes = {str(node["id"]): node for node in ui["nodes"]}
    data = ui["extra"]["linearData"]
    assert len(data["inputs"]) >= 2
    for node_id, widget in data["inputs"]:
        assert {"name": widget} in [s.get("widget") for s in nodes[node_id]["inputs"]]
    assert [nodes[node_id]["type"] for node_id in data["outputs"]] == ["SaveImage"]


def test_comparisons_are_no_templates(name: str, repo: Path) -> None:
    shown = (repo / "workflows" / f"{name}.json").exists()
    assert shown == (not name.startswith("ablation"))


def test_missing_packs_and_files_can_be_had(name: str, ui: dict[str, Any], repo: Path) -> None:
    """What the editor and the manager read to offer a download."""
    version = re.search(r'^version = "(.+)"$', (repo / "pyproject.toml").read_text("utf-8"), re.M)
    for node in ui["nodes"]:
        if node["type"] in NOTES:
            continue
        properties = node["properties"]
        ours = node["type"].startswith("RegionalDiT_")
        assert properties["cnr_id"] == ("regional-dit" if ours else "comfy-core")
        assert version and (not ours or properties["ver"] == version[1])
        if node["type"] not in MODEL_FILES:
            assert "models" not in properties
            continue
        models = properties["models"]
        assert len(models) == len(MODEL_FILES[node["type"]])
        for model in models:
            assert model["name"] in node["widgets_values"]
            assert model["directory"] in MODEL_FOLDERS[node["type"]]
            assert re.fullmatch(
                r"https://huggingface\.co/[\w.-]+/[\w.-]+/resolve/main/(\S+/)?\S+\.safetensors",
                model["url"],
            ), name

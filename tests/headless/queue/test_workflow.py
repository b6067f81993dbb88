"""Reading API-format workflows and setting values in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.errors import UsageError, WorkflowError
from regional_dit.headless.queue import workflow as workflows

Workflow = dict[str, dict[str, Any]]


@pytest.fixture
def graph() -> Workflow:
    return {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64}},
        "7": {
            "class_type": "KSampler",
            "inputs": {"seed": 1, "latent_image": ["1", 0]},
            "_meta": {"title": "Sampler v1.5, left"},
        },
        "8": {"class_type": "KSampler", "inputs": {"seed": 1}, "_meta": {"title": "Right"}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "a house", "model.size": "s"}},
    }


def set_value(graph: Workflow, text: str, info: Any = None) -> list[str]:
    return workflows.apply(graph, [workflows.parse_setting(text)], info)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*none\.json"):
        workflows.load(tmp_path / "none.json")


def test_bad_json_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"1": \n oops}')
    with pytest.raises(UsageError, match="line 2, column 2"):
        workflows.load(path)


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UsageError, match="not a text file"):
        workflows.load(path)


def test_editor_format_says_how_to_export(tmp_path: Path) -> None:
    path = tmp_path / "ui.json"
    path.write_text(json.dumps({"nodes": [], "links": [], "version": 0.4}))
    with pytest.raises(UsageError, match=r"Export \(API\)"):
        workflows.load(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "an empty list"),
        ({}, "an empty object"),
        ("text", "a text"),
        ({"1": {"inputs": {}}}, "node '1' has no class_type"),
        ({"1": {"class_type": "A", "inputs": []}}, "inputs of node '1' are an empty list"),
        ({"1": {"class_type": "A", "inputs": {"x": ["5", 0]}}}, "linked to node '5'"),
    ],
)
def test_other_json_is_refused(content: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        workflows.check(content, "w.json")


def test_body_of_a_post_is_unwrapped(graph: Workflow) -> None:
    assert workflows.check({"prompt": graph, "client_id": "x"}, "w.json") == graph


def test_set_by_id_and_by_title_with_dots(graph: Workflow) -> None:
    assert set_value(graph, "8.seed=5") == ["Right (#8): seed 1 -> 5"]
    set_value(graph, "sampler V1.5, left.seed=6")
    assert (graph["7"]["inputs"]["seed"], graph["8"]["inputs"]["seed"]) == (6, 5)


def test_set_by_class_reaches_all_of_it(graph: Workflow) -> None:
    assert len(set_value(graph, "KSampler.seed=9")) == 2
    assert [graph[i]["inputs"]["seed"] for i in "78"] == [9, 9]


def test_input_names_with_dots(graph: Workflow) -> None:
    set_value(graph, "9.model.size=l")
    assert graph["9"]["inputs"]["model.size"] == "l"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9.text=7", "7"),
        ('9.text="7"', "7"),
        ("9.text=a=b, c", "a=b, c"),
        ("9.text=", ""),
        ("7.seed=[1,2]", [1, 2]),
        ("7.seed=NaN", "NaN"),
        ("7.seed=true", True),
        ('9.text=["1", 0]', ["1", 0]),
    ],
)
def test_values_are_json_or_text(graph: Workflow, text: str, value: Any) -> None:
    set_value(graph, text)
    node, name = text.split("=")[0].split(".")
    assert graph[node]["inputs"][name] == value


def test_unknown_node_lists_all(graph: Workflow) -> None:
    with pytest.raises(UsageError, match=r"(?s)class 'Nope'.*8: KSampler, titled 'Right'"):
        set_value(graph, "Nope.seed=1")


def test_unknown_input_lists_all(graph: Workflow) -> None:
    with pytest.raises(UsageError, match=r"Right \(#8\) has no such input. It has: seed"):
        set_value(graph, "Right.sed=1")


def test_input_left_out_of_the_file_is_known_from_the_server(graph: Workflow) -> None:
    info = {"KSampler": {"input": {"required": {"seed": ["INT"], "note": ["STRING", {}]}}}}
    set_value(graph, "8.note=12", info)
    assert graph["8"]["inputs"]["note"] == "12"


def test_link_to_a_missing_node(graph: Workflow) -> None:
    with pytest.raises(UsageError, match="no node '77'"):
        set_value(graph, '8.seed=["77", 0]')


def test_a_setting_without_a_node_is_not_one_for_all_without_a_title() -> None:
    graph = {"1": {"class_type": "A", "inputs": {"x": 1}}}
    with pytest.raises(UsageError, match="no node has the id"):
        set_value(graph, ".x=2")


@pytest.mark.parametrize("text", ["seed=1", "8.seed", "novalue"])
def test_malformed_setting(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not NODE\.INPUT=VALUE"):
        workflows.parse_setting(text)


def test_unknown_classes_name_users_and_near_names(graph: Workflow) -> None:
    info = {"EmptyLatentImage": {}, "KSamplers": {}, "CLIPTextEncode": {}}
    with pytest.raises(WorkflowError, match=r"KSampler \(it has KSamplers\), used by Sampler v1.5"):
        workflows.require_known(graph, info)

"""Outlines, blueprints, the app and growing sockets in a real browser, as a person meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import BOTH, Driver

# One picture of each blueprint, of one step: that it runs is told, not what it shows.
STEPS = 1
DRAWING = {
    "version": 1,
    "global_prompt": "",
    "regions": [
        {"high_level": "a red circle", "box": [0, 0, 0.5, 1]},
        {"high_level": "a blue square", "box": [0.5, 0, 1, 1]},
    ],
}


@BOTH
def test_lasso_and_polygon(driver: Driver, vue: bool) -> None:
    """Triangles fill half of their boxes."""
    found = driver.run("outlines", vue=vue)
    (lasso,) = found["lasso"]["regions"]
    assert lasso["high_level"] == "a lasso", "the prompt has the focus after an outline"
    assert lasso["box"] == pytest.approx([0.1, 0.1, 0.5, 0.5], abs=0.02)
    assert filled(lasso["mask"]) == pytest.approx(0.5, abs=0.03)
    assert found["open"] == 1, "corners alone are no region yet"
    _, polygon = found["byEnter"]["regions"]
    assert polygon["box"] == pytest.approx([0.6, 0.2, 0.9, 0.5], abs=0.02)
    assert filled(polygon["mask"]) == pytest.approx(0.5, abs=0.03)


def filled(mask: dict[str, Any]) -> float:
    """Share of a mask's cells that are set; its runs are of empty and set cells in turn."""
    runs = [int(number) for number in mask["runs"].split()]
    return sum(runs[1::2]) / (mask["width"] * mask["height"])


def test_sockets_grow_and_are_kept(driver: Driver) -> None:
    found = driver.run("growing", vue=False)
    if len(found["steps"]) == 1:
        pytest.skip("this host grows no sockets")
    grown = [[name for name in step if name.startswith("more.")] for step in found["steps"]]
    assert [len(names) for names in grown] == [1, 2, 3], "one free socket behind those in use"
    assert set(found["sent"]) == {"conditioning", "more.region0", "more.region1"}
    assert found["reloaded"] == found["sent"]
    assert found["after"] == found["steps"][-1]


def test_the_library_keeps_the_pack_together(driver: Driver) -> None:
    text = driver.run("library", vue=False, search="Regional Prompt")
    sections = re.split(r"^(comfy nodes|extensions)$", text or "", flags=re.M | re.I)
    if len(sections) < 3:
        pytest.skip("the library of this front end has no sections")
    assert "Regional Prompt (simple)" in sections[-1], text
    assert sections[-2].lower() == "extensions"
    assert re.search(r"regional DiT\s+Regional prompts", sections[0]), "the blueprints"


def test_blueprints_are_found_and_run(driver: Driver, repo: Path) -> None:
    names = sorted(path.stem for path in (repo / "subgraphs").glob("*.json"))
    found = driver.run(
        "blueprints",
        vue=False,
        workflow=str(repo / "workflows" / "simple_2_regions.json"),
        names=names,
        steps=STEPS,
        drawing=json.dumps(DRAWING),
    )
    if not any(found[name]["listed"] for name in names):
        pytest.skip("this host serves no blueprints of node packs")
    if all(found[name]["id"] is None for name in names):
        pytest.skip("the node search of this front end lists no blueprints of node packs")
    for name in names:
        block = found[name]
        assert block["listed"] and block["title"] == name
        assert block["end"] == "execution_success", (name, block["detail"])
        assert "RegionalDiT_RegionalPrompt" in block["sent"]
    drawn = found["Regional prompts (draw)"]["sent"]["RegionalDiT_RegionEditor"]
    assert json.loads(drawn["plan_json"])["regions"][0]["high_level"] == "a red circle"
    planned = found["Regional prompts (draw)"]["planned"]
    assert planned["end"] == "execution_success", planned["detail"]
    regions = json.loads(planned["drawn"])["regions"]
    assert len(regions) == 2 and "triangle" in regions[0]["high_level"]
    assert planned["sent"] == planned["drawn"], "what is shown is what runs"


# What is set on the outside of each blueprint, and the inner node that it must reach.
FIELDS = {
    "Regional prompts (draw)": {
        "overlap": ("RegionalDiT_RegionEditor", "blend"),
        "base_ratio": ("RegionalDiT_RegionalPrompt", 0.45),
    },
    "Regional prompts (plan)": {
        "prompt": ("RegionalDiT_LLMProgressivePrompt", "a cat and a dog"),
        "n": ("RegionalDiT_LLMProgressivePrompt", 2),
        "endpoint": ("RegionalDiT_LLMProgressivePrompt", "http://127.0.0.1:9"),
        "aspect": ("RegionalDiT_LLMProgressivePrompt", 1.5),
        "global_prompt": ("RegionalDiT_RegionalPrompt", "oil painting"),
        "negative_prompt": ("RegionalDiT_RegionalPrompt", "blurry"),
        "base_ratio": ("RegionalDiT_RegionalPrompt", 0.45),
    },
    "Split into N": {
        "split": ("RegionalDiT_RegionSplit", "H (rows)"),
        "n": ("RegionalDiT_RegionSplit", 3),
        "rows": ("RegionalDiT_RegionSplit", 2),
        "columns": ("RegionalDiT_RegionSplit", 2),
        "feather": ("RegionalDiT_RegionSplit", 0.1),
        "prompts": ("RegionalDiT_RegionalPrompt", "one\ntwo\nthree"),
        "global_prompt": ("RegionalDiT_RegionalPrompt", "oil painting"),
        "negative_prompt": ("RegionalDiT_RegionalPrompt", "blurry"),
        "base_ratio": ("RegionalDiT_RegionalPrompt", 0.45),
    },
}
DRAW = "Regional prompts (draw)"
# (blueprint, beside other nodes, how often, renderers)
PLACES = [
    (DRAW, False, 1, True), (DRAW, True, 1, False), (DRAW, True, 2, True), (DRAW, True, 2, False),
    ("Regional prompts (plan)", True, 1, False), ("Split into N", False, 2, False),
    ("Split into N", True, 2, True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "beside", "times", "vue"), PLACES)
def test_fields_of_blueprints(
    driver: Driver, repo: Path, name: str, beside: bool, times: int, vue: bool
) -> None:
    """All fields are outside, whatever ids other nodes have; what is set there is sent and kept."""
    values = {field: value for field, (_, value) in FIELDS[name].items()}
    drawn = ["a drawn square", "a second one"][:times] if name == DRAW else []
    found = driver.run(
        "blueprintFields",
        vue=vue,
        name=name,
        workflow=str(repo / "workflows" / "simple_2_regions.json") if beside else None,
        values=[values, {"base_ratio": 0.05}][:times],
        prompts=[*drawn, *[""] * (times - len(drawn))],
    )
    if found is None:
        pytest.skip("the node search of this front end lists no blueprints of node packs")
    expected = {*values, *(["plan_json"] if name == DRAW else [])}
    for state in ("placed", "loaded"):
        first, *others = found[state]
        for block in found[state]:
            assert sorted(block["fields"]) == sorted(expected), state
        for field, (node, value) in FIELDS[name].items():
            assert first["sent"][node][field] == pytest.approx(value), (state, field)
        for other in others:
            assert other["sent"]["RegionalDiT_RegionalPrompt"]["base_ratio"] == pytest.approx(0.05)
            assert first["inside"] != other["inside"], "each block has nodes of its own"
        for block, prompt in zip(found[state], drawn, strict=False):
            assert prompts_of(block) == [prompt], state
    if drawn:
        assert prompts_of(found["after"][0]) == ["a drawn square", "drawn after loading"]
        assert [prompts_of(b) for b in found["after"][1:]] == [[p] for p in drawn[1:]]


def prompts_of(block: dict[str, Any]) -> list[str]:
    """Prompts of the regions that a block's drawing sends to the server."""
    plan = json.loads(block["sent"]["RegionalDiT_RegionEditor"]["plan_json"])
    return [region["high_level"] for region in plan["regions"]]


def test_the_app_shows_its_fields_and_runs(driver: Driver, repo: Path) -> None:
    workflow = repo / "workflows" / "simple_2_regions.app.json"
    found = driver.run("appMode", vue=False, workflow=str(workflow), steps=STEPS)
    assert found["end"] == "execution_success", found["detail"]
    if found["graph"]:
        pytest.skip("this front end has no app mode and shows the graph")
    assert any("a red circle on black background @ left" in text for text in found["fields"])
    assert "base_ratio" in found["text"] and found["shown"], "the picture is there"

"""Translations: of every node, and of nothing that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from regional_dit.nodes import NODES

LOCALES = Path(__file__).resolve().parents[2] / "locales"
CHINESE = json.loads((LOCALES / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))


ON_NEWER_HOSTS = {("RegionalDiT_AppendRegionConditioning", "more")}
IDS = sorted(CHINESE)


@pytest.mark.parametrize("node_id", IDS)
def test_translations_fit_the_nodes(node_id: str) -> None:
    """A node without a translation is shown in English; one with it is translated whole."""
    schemas = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in NODES}
    texts = CHINESE[node_id]
    assert texts["display_name"] and texts["description"]
    known = {i.id for i in schemas[node_id].inputs}
    newer = {name for node, name in ON_NEWER_HOSTS if node == node_id}
    assert known <= set(texts.get("inputs", {})) <= known | newer
    assert all(text["name"] for text in texts.get("inputs", {}).values())


def test_most_nodes_speak_chinese() -> None:
    assert len(CHINESE) >= 0.8 * len(NODES)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_category_has_a_name(language: str) -> None:
    texts = json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))
    parts = {part for node in NODES for part in node.GET_SCHEMA().category.split("/")}
    assert {"regional DiT"} <= set(texts["nodeCategories"]) <= parts

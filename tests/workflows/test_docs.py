"""The help page of every node: there, complete, and with the defaults of its schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGES = Path(__file__).resolve().parents[2] / "web" / "docs"
ON_NEWER_HOSTS = {"RegionalDiT_AppendRegionConditioning": "more"}
SECTIONS = ("Inputs", "Outputs", "Example", "Errors")


def node_classes() -> list[Any]:
    from regional_dit.nodes import NODES

    return NODES


@pytest.fixture(params=node_classes(), ids=lambda node: node.__name__)
def schema(request: pytest.FixtureRequest) -> Any:
    return request.param.GET_SCHEMA()


@pytest.fixture
def page(schema: Any) -> str:
    return (PAGES / f"{schema.node_id}.md").read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(table: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in table]


def input_rows(page: str, schema: Any) -> list[list[str]]:
    """The table of inputs, without those that this host is too old for."""
    known = {i.id for i in schema.inputs}
    table = rows(page, "Inputs")
    newer = ON_NEWER_HOSTS.get(schema.node_id)
    return [row for row in table if names([row])[0] in known or names([row])[0] != newer]


def test_page_has_title_and_sections(schema: Any, page: str) -> None:
    assert page.startswith(f"# {schema.display_name}\n")
    assert tuple(re.findall(r"^## (.+)$", page, re.M)) == SECTIONS


def test_page_names_every_input_in_order(schema: Any, page: str) -> None:
    assert names(input_rows(page, schema)) == [i.id for i in schema.inputs]


def test_page_names_every_output_in_order(schema: Any, page: str) -> None:
    assert names(rows(page, "Outputs")) == [o.display_name or o.io_type for o in schema.outputs]
    assert [row[1] for row in rows(page, "Outputs")] == [o.io_type for o in schema.outputs]


def test_page_gives_ranges_and_defaults(schema: Any, page: str) -> None:
    for item, row in zip(schema.inputs, input_rows(page, schema), strict=True):
        values, default = row[1], row[2]
        wanted = getattr(item, "default", None)
        if isinstance(wanted, bool):
            assert (values, default) == ("true, false", str(wanted).lower()), item.id
        elif isinstance(wanted, (int, float)):
            assert float(default) == wanted, item.id
            found = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", values)[:2]]
            assert found == [item.min, item.max], item.id
        elif item.id == "lora_name":  # what there is depends on the person's own folder
            assert set(values.split(", ")) <= set(item.options)
        elif getattr(item, "options", None):
            assert default == wanted
            assert values == ", ".join(item.options)
        elif isinstance(wanted, str):
            assert default == (wanted or "empty") or wanted.startswith(default.removesuffix(" ..."))
        elif item.optional:
            assert values.endswith("optional"), item.id
        else:
            assert default == "required", item.id


def test_every_input_has_a_tooltip(schema: Any) -> None:
    assert [i.id for i in schema.inputs if not (i.tooltip or "").strip()] == []


def test_no_page_without_a_node() -> None:
    ids = {node.GET_SCHEMA().node_id for node in node_classes()}
    assert {path.stem for path in PAGES.glob("*.md")} == ids

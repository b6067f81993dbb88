"""The pictures of the README, from the real front end. They are made only when asked for:

REGIONAL_DIT_PICTURES=web/pictures python3 -m headless test -- tests/web/test_pictures.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import BOTH, Driver

MAX_BYTES = 200_000

pytestmark = pytest.mark.skipif(
    "REGIONAL_DIT_PICTURES" not in os.environ,
    reason="set REGIONAL_DIT_PICTURES to a folder to make the README's pictures",
)


@pytest.mark.parametrize(
    ("name", "vue", "palette"),
    [
        ("region_editor", False, "dark"),
        ("region_editor_light", True, "light"),
    ],
)
def test_editor(driver: Driver, name: str, vue: bool, palette: str) -> None:
    plan = driver.run("editorPicture", name=name, vue=vue, palette=palette)
    assert len(plan["regions"]) == 4
    assert (driver.pictures / f"{name}.jpg").stat().st_size < MAX_BYTES


def test_empty(driver: Driver) -> None:
    driver.run("emptyPicture", name="region_editor_empty", vue=True, palette="dark")


@BOTH
def test_workflow(driver: Driver, repo: Path, vue: bool) -> None:
    workflow = repo / "workflows" / "drawn_3_regions.json"
    name = "drawn_3_regions" if vue else "drawn_3_regions_classic"
    found = driver.run("workflowPicture", workflow=str(workflow), name=name, vue=vue, run=True)
    assert found == {"end": "execution_success", "overlaps": []}
    assert (driver.pictures / f"{name}.jpg").stat().st_size < MAX_BYTES

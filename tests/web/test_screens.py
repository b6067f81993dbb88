"""The editor on other screens and in another language, the host's templates and help.

The last in the browser: each loads a page with the front end of its own, which takes five seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from regional_dit.headless.paths import PACK_NAME

from .conftest import BOTH, CLASSIC, Driver, near


def require_sharp(found: dict[str, Any], scale: float, ratio: float) -> None:
    (box,) = found["boxes"]
    assert near(box, [0.25, 0.25, 0.75, 0.5])
    assert found["pixels"] == pytest.approx(ratio * max(1.0, min(2.0, scale)), rel=0.02)
    assert found["zoomedIn"] == pytest.approx(ratio * 1.3, rel=0.02), "sharp without being touched"
    assert found["zoomedByWheel"]


@BOTH
def test_zoomed_in(driver: Driver, vue: bool) -> None:
    require_sharp(driver.run("zoomed", vue=vue, scale=1.6, ratio=1), 1.6, 1)


@BOTH
def test_zoomed_out_on_a_dense_screen(driver: Driver, vue: bool) -> None:
    require_sharp(driver.run("zoomed", vue=vue, scale=0.65, ratio=2), 0.65, 2)


@CLASSIC
def test_template_browser_and_help(driver: Driver, vue: bool, repo: Path) -> None:
    pictures = {path.stem for path in (repo / "workflows").glob("*.jpg")}
    found = driver.run("templatesAndHelp", vue=vue, pack=PACK_NAME, pictures=sorted(pictures))
    assert pictures <= set(found["shown"])
    assert found["help"]


@BOTH
def test_chinese(driver: Driver, repo: Path, vue: bool) -> None:
    texts = json.loads((repo / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    wanted = texts["RegionalDiT_RegionEditor"]
    found = driver.run("chinese", vue=vue)
    assert found["button"] == "撤销 (Ctrl+Z)"
    assert found["title"] == wanted["display_name"] == "区域编辑器"
    assert set(found["inputs"]) == {text["name"] for text in wanted["inputs"].values()}
    assert set(found["labels"]) <= set(found["inputs"])
    assert found["category"].startswith("区域 DiT")
    assert found["description"] == wanted["description"]
    assert found["tooltip"] == wanted["inputs"]["overlap"]["tooltip"]
    assert found["shown"] is None or "区域编辑器" in found["shown"]

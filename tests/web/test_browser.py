"""The Region Editor in a real browser on a real server, in both of the front end's renderers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import BOTH, CLASSIC, Driver, near


@BOTH
def test_move_resize_keys_and_undo(driver: Driver, vue: bool) -> None:
    found = driver.run("editing", vue=vue)
    first, second = found["drawn"]["regions"]
    assert (first["high_level"], second["high_level"]) == ("a red circle", "a blue square")
    assert near(first["box"], [0.1, 0.1, 0.4, 0.6])
    assert near(second["box"], [0.6, 0.2, 0.9, 0.7])
    assert near(found["moved"][0], [0.15, 0.2, 0.45, 0.7])
    assert near(found["resized"][0], [0.15, 0.2, 0.55, 0.8])
    _, right, down, duplicate, removed, _ = found["keys"]
    assert near(right[0], [0.16, 0.2, 0.56, 0.8])
    assert near(down[0], [0.16, 0.25, 0.56, 0.85])
    assert len(duplicate) == 3 and removed == down
    assert found["undone"] == found["expected"]
    assert found["redone"] == 2
    assert found["locked"]
    assert (found["nodes"], found["graphUntouched"]) == (1, "RegionalDiT_RegionEditor")


@BOTH
def test_grid_dividers_and_fields(driver: Driver, vue: bool) -> None:
    found = driver.run("grids", vue=vue)
    assert found["grid"] == [
        [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1],
    ]  # fmt: skip
    assert [round(box[0], 2) for box in found["divided"]] == [0, 0.7, 0, 0.7]
    assert {round(box[1], 4) for box in found["snapped"]} == {0, 0.3333}
    styled = found["styled"]
    assert (styled["weight"], styled["feather"], styled["color"]) == (1.4, 0.1, "#123456")
    assert styled["negative"] == "red"
    assert (styled["lora"], styled["lora_strength"]) == ("demo striped", 0.7)
    assert {"demo striped", "demo outlined"} <= set(found["offered"])
    assert found["bounded"] == 10


@BOTH
def test_loras_that_cannot_be_listed_are_told(driver: Driver, vue: bool) -> None:
    """In the panel, not in the console alone; the name can still be typed."""
    found = driver.run("lorasUnread", vue=vue)
    before, unread = found["before"], found["unread"]
    assert before["offered"] >= 2 and not before["marked"]
    assert "cannot be listed: the server answered 503" in unread["status"]
    assert unread["title"] == unread["status"] and "type the file's name" in unread["placeholder"]
    assert unread["marked"] and unread["offered"] == 0
    assert found["typed"]["regions"][0]["lora"] == "by hand"
    assert found["kept"]["status"] == unread["status"], "it stays while one types"
    again = found["again"]
    assert again == {**before, "status": again["status"]} and "listed" not in again["status"]


@BOTH
def test_paint_and_erase(driver: Driver, vue: bool) -> None:
    found = driver.run("painting", vue=vue)
    (painted,) = found["painted"]["regions"]
    assert near(painted["box"], [0.15, 0.25, 0.65, 0.35], 0.02)
    assert painted["mask"]["width"] <= 128
    (erased,) = found["erased"]["regions"]
    assert erased["box"] == painted["box"] and erased["mask"] != painted["mask"]
    (moved,) = found["moved"]["regions"]
    assert near(moved["box"], [0.25, 0.45, 0.75, 0.55], 0.03)
    assert moved["mask"] == erased["mask"]
    assert found["undone"]["regions"] == [erased]


@BOTH
def test_keyboard(driver: Driver, vue: bool) -> None:
    found = driver.run("keyboard", vue=vue)
    assert found["nameless"] == []
    assert found["opened"] == "true" and found["closed"] == "false"
    assert found["afterEscape"] == "grid" and found["afterMaking"] == "keys"
    assert found["kept"] == {"nodes": 1, "regions": 4}, "Delete on a button deletes nothing"
    assert found["walked"] == ["0", "1", "-1", "3"]
    assert found["tabStops"] == 1
    assert found["deleted"] == {"nodes": 1, "regions": 3}
    assert found["left"] and found["prompt"] == "prompt" and found["global"] == "global"


@BOTH
def test_node_sizes(driver: Driver, vue: bool) -> None:
    found = driver.run("sizes", vue=vue)
    for name, seen in found.items():
        assert seen["pixels"] <= 16_000_000, name
        assert seen["cut"] == [], f"{name}: fields lie outside of the editor"
    assert found["huge"]["drawn"] and found["small"]["drawn"]


@BOTH
def test_a_slow_screen_makes_no_taller_node(driver: Driver, vue: bool) -> None:
    found = driver.run("heights", vue=vue)
    assert found["slow"] == pytest.approx(found["fast"], abs=1)


@BOTH
def test_nodes_that_are_never_added_do_nothing(driver: Driver, vue: bool) -> None:
    found = driver.run("neverAdded", vue=vue)
    assert found == {"listeners": 0, "timers": 0}


@BOTH
def test_touch(driver: Driver, vue: bool) -> None:
    found = driver.run("touch", vue=vue)
    assert near(found["drawn"][0], [0.2, 0.2, 0.5, 0.5], 0.02)
    assert near(found["moved"][0], [0.4, 0.4, 0.7, 0.7], 0.03)


@BOTH
def test_saved_copied_undone_and_reloaded(driver: Driver, vue: bool) -> None:
    found = driver.run("kept", vue=vue)
    assert [r["high_level"] for r in found["one"]["regions"]] == ["a red circle"]
    assert [r["high_level"] for r in found["two"]["regions"]] == ["a blue square"]
    assert found["reopened"]
    assert found["viewKept"] == "true"
    assert found["copied"] and found["independent"]
    assert found.get("graphUndo")
    assert found["reloaded"]
    had, left = found["listeners"]
    assert had >= 7 and left == 0
    assert found["styles"] == 0


@BOTH
def test_bad_values_do_no_harm(driver: Driver, vue: bool) -> None:
    found = driver.run("badValues", vue=vue)
    names = ("broken", "nan", "negative", "many", "html", "list", "future")
    assert all(found[name]["loaded"] for name in names)
    for name in ("broken", "nan", "list", "future"):
        assert "no plan" in found[name]["said"], name
        assert found[name]["kept"], name
    assert found["serverSaid"]["kind"] == "refused"
    assert "not valid JSON" in json.dumps(found["serverSaid"]["detail"])
    assert found["restarted"] == ""
    (box,) = found["negative"]["boxes"]
    assert near(box, [0.1, 0.0, 0.6, 0.2])
    assert "regions[0].box" in found["negative"]["said"]
    assert found["many"]["regions"] == 64 and "10000" in found["many"]["said"]
    assert found["html"]["markup"] == 0 and found["hurt"] is None
    assert found["htmlShown"].startswith("<img src=x")
    assert not found["html"].get("color")


def scene_score(driver: Driver, picture: dict[str, Any], plan: dict[str, Any]) -> list[bool]:
    """Whether the object of each region is there, by the demo model's own score."""
    import io
    import urllib.parse
    import urllib.request

    from regional_dit.demo_model.score import score_picture

    query = urllib.parse.urlencode({k: picture[k] for k in ("filename", "subfolder", "type")})
    with urllib.request.urlopen(f"{driver.url}/view?{query}") as answer:
        image = Image.open(io.BytesIO(answer.read())).convert("RGB")
    pixels = np.asarray(image, dtype=np.float32) / 255.0
    boxes = [tuple(r["box"]) for r in plan["regions"]]
    prompts = [r["high_level"] for r in plan["regions"]]
    return [scored.present for scored in score_picture(pixels, boxes, prompts)]


@BOTH
def test_objects_are_where_they_were_drawn(driver: Driver, repo: Path, vue: bool) -> None:
    """In both renderers the same drawing is sent, so that one picture need be made to its end."""
    regions: list[tuple[str, list[float]]] = [
        ("a red circle on black background", [0.04, 0.08, 0.5, 0.58]),
        ("a green triangle on black background", [0.56, 0.04, 0.96, 0.42]),
        ("a blue square on black background", [0.46, 0.46, 0.96, 0.96]),
    ]
    found = driver.run(
        "drawAndQueue",
        vue=vue,
        workflow=str(repo / "workflows" / "drawn_3_regions.json"),
        regions=regions,
        steps=4 if vue else 24,
    )
    assert found["emptied"] == 0
    assert found["end"] == "execution_success", found["detail"]
    drawn = found["plan"]["regions"]
    assert [r["high_level"] for r in drawn] == [prompt for prompt, _ in regions]
    for region, (_, wanted) in zip(drawn, regions, strict=True):
        assert near(region["box"], wanted, 0.02)
    assert found["sent"] == found["plan"] and found["steps"] == [40, 4 if vue else 24]
    assert found["picture"]
    if not vue:
        assert scene_score(driver, found["picture"], found["plan"]) == [True, True, True]
    assert "HunyuanDiT" in found["report"]["text"] and found["report"]["height"] > 50
    without, underneath = found["underneath"]
    assert without != underneath, "the picture of the run lies below the drawing"
    assert "HunyuanDiT" not in found["saved"], "a report is not saved in the workflow"


@BOTH
def test_plan_appears_and_edits_stay(driver: Driver, vue: bool) -> None:
    found = driver.run("usePlan", vue=vue)
    assert found["ends"] == ["execution_success"] * 3, found["detail"]
    planned = found["planned"]["regions"]
    assert len(planned) == 2 and re.search("circle", planned[0]["high_level"])
    assert "Ctrl+Z" in found["notice"]
    assert found["kept"] and found["sent"] == "a green circle"
    assert "triangle" in found["replaced"]["regions"][0]["high_level"]
    assert found["undone"]


@BOTH
def test_masks_and_bounding_boxes(driver: Driver, vue: bool) -> None:
    found = driver.run("shapes", vue=vue)
    assert found["ends"] == ["execution_success"] * 2, found["detail"]
    left, disc = found["masked"]["regions"]
    assert left["high_level"] == "keeps its prompt"
    assert near(left["box"], [0, 0, 0.5, 1]) and "mask" not in left
    assert near(disc["box"], [0.52, 0.27, 0.98, 0.73], 0.02) and disc["mask"]
    assert len(found["both"]["regions"]) == 4
    assert near(found["both"]["regions"][3]["box"], [0.5, 0.25, 1, 0.75])
    assert "512 × 256" in found["aspect"] and found["ratio"] == pytest.approx(2.0, rel=0.02)


@CLASSIC
@pytest.mark.parametrize("painted", [False, True], ids=["boxes", "painted"])
def test_speed_with_64_regions(driver: Driver, vue: bool, painted: bool) -> None:
    found = driver.run("speed", vue=vue, painted=painted)
    name = f"speed_{'painted' if painted else 'boxes'}.json"
    (driver.pictures / name).write_text(json.dumps(found), encoding="utf-8")
    assert found["regions"] == 64
    assert found["canvas"][0] >= 1024 and found["canvas"][1] >= 1024
    assert found["median"] < 16.0, "one frame at 60 per second, with room for a busy machine"

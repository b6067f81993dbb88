"""Pictures beside the workflows, as ComfyUI's template browser shows them: NAME.jpg.

Each is made by the workflow itself on a real server. The demos give the regional picture and
the one of the merged prompt, side by side. HunyuanDiT and SDXL need weights
of gigabytes, so only the part of their workflows that needs none is run, and the picture shows
the regions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
PICTURE_PX = 320  # of one picture; a demo shows two
CAPTION_PX = 28
GAP_PX = 8
JPEG_QUALITY = 90
PREVIEW = "Regions"  # title of the node that shows the regions
PHRASES = "Phrases"  # of the node that shows each region's phrase
WEIGHTS = "Weights"  # of the node that shows who owns each token


def write_all(
    folder: Path,
    demos: Sequence[str],
    previews: Sequence[str],
    drawings: Sequence[str],
    loras: Sequence[str],
    sketches: Sequence[str],
) -> None:
    """Run workflows and write their pictures into ``folder``.

    Args:
        folder: where the workflows lie.
        demos: names of workflows to run whole.
        previews: names of workflows of which only the regions are shown.
        drawings: names of workflows whose weights are shown beside their picture.
        loras: names of workflows with LoRAs by region, and everywhere.
        sketches: names of workflows whose phrases are shown beside their picture.
    """
    for name in (*demos, *previews, *drawings, *loras, *sketches):
        workflow = json.loads((folder / "api" / f"{name}.json").read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            if name in demos:
                _run(workflow, out)
                merged = _only_picture(out, "demo*/merged_*.png")
                regional = _only_picture(out, "demo*/regional_*.png")
                picture = side_by_side({"regional prompts": regional, "merged prompt": merged})
            elif name in drawings:
                _run(workflow, out)
                weights = _only_picture(out, f"{WEIGHTS}.png")
                drawn = _only_picture(out / "drawn", "regional_*.png")
                picture = side_by_side({"drawn regions": weights, "picture": drawn})
            elif name in loras:
                _run(workflow, out)
                regional = _only_picture(out / "lora", "regional_*.png")
                everywhere = _only_picture(out / "lora", "everywhere_*.png")
                captions = ("each LoRA in its region", "both LoRAs everywhere")
                picture = side_by_side(dict(zip(captions, (regional, everywhere), strict=True)))
            elif name in sketches:
                _run(workflow, out)
                phrases = _only_picture(out, f"{PHRASES}.png")
                sampled = _only_picture(out, "demo*/sketch_*.png")
                picture = side_by_side({"one prompt, its phrases": phrases, "picture": sampled})
            else:
                _run(needed_by(workflow, PREVIEW), out)
                preview = _only_picture(out, f"{PREVIEW}.png")
                picture = side_by_side({_heading(folder / f"{name}.json"): preview})
        picture.save(folder / f"{name}.jpg", quality=JPEG_QUALITY, optimize=True)
        sys.stdout.write(f"wrote workflows/{name}.jpg\n")


def needed_by(workflow: dict[str, Any], title: str) -> dict[str, Any]:
    """The nodes of that title and all that they need, of an API-format workflow."""
    waiting = [i for i, node in workflow.items() if node["_meta"]["title"] == title]
    needed = set()
    while waiting:
        node_id = waiting.pop()
        if node_id not in needed:
            needed.add(node_id)
            values = workflow[node_id]["inputs"].values()
            waiting += [value[0] for value in values if isinstance(value, list)]
    return {i: node for i, node in workflow.items() if i in needed}


def side_by_side(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures in a row, each with its caption above."""
    width = len(pictures) * (PICTURE_PX + GAP_PX) - GAP_PX
    whole = Image.new("RGB", (width, PICTURE_PX + CAPTION_PX), "white")
    draw = ImageDraw.Draw(whole)
    for index, (caption, picture) in enumerate(pictures.items()):
        left = index * (PICTURE_PX + GAP_PX)
        resized = picture.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
        whole.paste(resized, (left, CAPTION_PX))
        middle = (left + PICTURE_PX / 2, CAPTION_PX / 2)
        draw.text(middle, caption, fill="black", anchor="mm", font_size=17)
    return whole


def _run(workflow: dict[str, Any], out: Path) -> None:
    file = out / "workflow.json"
    file.write_text(json.dumps(workflow), encoding="utf-8")
    command = [sys.executable, str(ROOT / "headless"), "queue", str(file), "--out", str(out)]
    host = ["--comfyui", os.environ["COMFYUI_PATH"], "--python", sys.executable]
    subprocess.run([*command, *host], check=True)


def _heading(file: Path) -> str:
    """What the note of a UI file says behind the model's name: "2 regions"."""
    nodes = json.loads(file.read_text(encoding="utf-8"))["nodes"]
    (note,) = (node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    return note.splitlines()[0].split(", ", 1)[1]


def _only_picture(folder: Path, pattern: str) -> Image.Image:
    (path,) = folder.glob(pattern)
    return Image.open(path).convert("RGB")

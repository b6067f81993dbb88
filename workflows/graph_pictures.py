"""Pictures of the graphs themselves, for workflows whose weights are not at hand.

The front end of a real server opens each workflow in headless Chromium. What needs no weights is
run before, so that the nodes which show the regions show them.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from sketch_graphs import SKETCH_FILE
from sketch_picture import write_sketch
from workflow_pictures import PREVIEW, needed_by

HERE = Path(__file__).resolve().parent
EXAMPLE_FILE = "example.png"  # comes with ComfyUI
SAVED = "Save Image"  # title of the node with the picture, where a workflow runs whole
WIDTH_PX = 1600
MAX_BYTES = 190_000
TIMEOUT_S = 900


def write_graphs(folder: Path, names: Sequence[str], runnable: Collection[str] = ()) -> None:
    """Write NAME.jpg into ``folder`` for each of its workflows of that name.

    Those that are ``runnable`` need no weights from elsewhere: they are run whole, and show what
    they save.
    """
    from regional_dit.headless.environment import browser
    from regional_dit.headless.environment.choice import prepare
    from regional_dit.headless.progress import Progress
    from regional_dit.headless.queue.client import Client
    from regional_dit.headless.server.start import Server

    progress = Progress(io.StringIO())
    environment = prepare(os.environ["COMFYUI_PATH"], sys.executable, progress)
    tools = browser.prepare(environment.python, progress)
    if tools.chromium is None:
        raise SystemExit(tools.missing)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        inputs = out / "base" / "input"
        inputs.mkdir(parents=True)
        write_sketch(inputs / SKETCH_FILE)
        shutil.copy(environment.comfyui / "input" / EXAMPLE_FILE, inputs)
        for name in names:
            stand_in(folder / f"{name}.json", out / "base" / "models")
        with Server(environment, progress, base=out / "base", cpu=True) as server:
            client = Client(server.url, progress)
            jobs: list[dict[str, Any]] = []
            for name in names:
                workflow = json.loads((HERE / "api" / f"{name}.json").read_text("utf-8"))
                shown = out / name
                if name in runnable:
                    images = {PREVIEW: str(shown / f"{PREVIEW}.png")}
                    client.run(workflow, shown)
                    images |= saved_by(workflow, shown)
                else:  # without a preview of regions it needs no weights from elsewhere
                    title = PREVIEW if needed_by(workflow, PREVIEW) else SAVED
                    client.run(needed_by(workflow, title), shown)
                    (picture,) = shown.rglob("*.png")
                    images = {title: str(picture)}
                jobs.append(
                    {
                        "workflow": str(folder / f"{name}.json"),
                        "images": images,
                        "out": str(out / f"{name}.png"),
                    }
                )
            file = out / "jobs.json"
            file.write_text(json.dumps({"url": server.url, "jobs": jobs}), encoding="utf-8")
            subprocess.run(
                [str(tools.node), str(HERE / "graph_pictures.mjs"), str(file)],
                env={**os.environ, **tools.variables()},
                check=True,
                timeout=TIMEOUT_S,
            )
        for job in jobs:
            target = (folder / Path(job["workflow"]).name).with_suffix(".jpg")
            with Image.open(job["out"]) as picture:
                save_small(picture.convert("RGB"), target)
            sys.stdout.write(f"wrote workflows/{target.name}\n")


def stand_in(workflow: Path, models: Path) -> None:
    """Empty files of the models that a workflow names, which nobody reads.

    Newer front ends mark the nodes of missing files with errors; who has the files sees none.
    """
    for node in json.loads(workflow.read_text("utf-8"))["nodes"]:
        for model in node.get("properties", {}).get("models", ()):
            file = models / model["directory"] / model["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()


def saved_by(workflow: dict[str, Any], folder: Path) -> dict[str, str]:
    """Title -> picture of the nodes that save one, after a run into ``folder``."""
    found = {}
    for node in workflow.values():
        if node["class_type"] == "SaveImage":
            (path,) = folder.glob(f"{node['inputs']['filename_prefix']}_*.png")
            found[node["_meta"]["title"]] = str(path)
    return found


def save_small(picture: Image.Image, path: Path) -> None:
    """As wide as a template browser can use, in the best quality that is small enough."""
    height = round(picture.height * WIDTH_PX / picture.width)
    resized = picture.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    for quality in range(92, 30, -6):
        packed = io.BytesIO()
        resized.save(packed, "JPEG", quality=quality, optimize=True, progressive=True)
        if packed.tell() <= MAX_BYTES:
            path.write_bytes(packed.getvalue())
            return
    raise SystemExit(f"{path.name} does not fit into {MAX_BYTES} bytes: draw less, or narrower.")

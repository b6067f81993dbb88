"""Every joint workflow runs on the host's own executor: as shipped, but small, with tiny models."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from workflow_runner import FRAMES, SIZE_PX, Runner, only, small

KIND = ("flux", "sd35", "qwen_image", "z_image", "krea2", "wan", "ltx2")
FAMILIES = {
    "flux": "Flux",
    "flux2": "Flux.2",
    "sd35": "SD3",
    "qwen": "Qwen-Image",
    "z": "Z-Image",
    "krea2": "Krea 2",
    "wan": "Wan",
    "ltx2": "LTX-2",
}  # by the name's first word
LEAST = {"Flux.2": 0.05}  # all but a few of its 512 text tokens are the same padding
PATCH = "RegionalDiT_PatchCrossAttention"

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde


@pytest.fixture
def runner(
    name: str,
    tiny_loaders: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registered: None,
    inputs: Path,
    generate: ModuleType,
) -> Runner:
    import folder_paths

    out = tmp_path / "output"
    monkeypatch.setattr(folder_paths, "output_directory", str(out))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    nodes = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    for node, stand_in in tiny_loaders.loaders(FAMILIES[name.split("_")[0]]).items():
        monkeypatch.setitem(nodes, node, stand_in)
    loras = tmp_path / "loras"
    loras.mkdir()
    graphs = importlib.import_module("joint_graphs")
    tiny_loaders.write_lora(loras / graphs.LORA[0], "Flux")
    tiny_loaders.write_lora(loras / graphs.ELIGEN[0], "Qwen-Image")
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "loras", ([str(loras)], {".safetensors"})
    )
    folder_paths.filename_list_cache.pop("loras", None)
    return Runner(out)


def test_runs_and_follows_the_regions(name: str, api: dict[str, Any], runner: Runner) -> None:
    job = small(api)
    known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    lacking = sorted({node["class_type"] for node in job.values()} - known.keys())
    if lacking:
        pytest.skip(f"this ComfyUI has no {', '.join(lacking)}")
    video = "SaveVideo" in {node["class_type"] for node in job.values()}
    if video:
        frames = {"images": [only(job, "VAEDecode"), 0], "filename_prefix": "frames"}
        job["frames"] = {"class_type": "SaveImage", "inputs": frames}
    shown = runner.run(job)
    patch, save = only(job, PATCH), "frames" if video else only(job, "SaveImage")
    (report,) = shown[patch]["text"]
    family = FAMILIES[name.split("_")[0]]
    assert family in report
    special = {"sketch": "attention specialty tuning", "eligen": "eligen"}
    wanted = "couple" if video else special.get(name.rpartition("_")[2], "bind")
    assert wanted in report.lower(), report
    regional = runner.pictures(shown[save])
    assert regional.shape == (FRAMES if video else 1, SIZE_PX, SIZE_PX, 3)
    if video:
        assert re.search(r"\(frames [45]0% to 100%, fading with sigma", report)
        (saved,) = shown[only(job, "SaveVideo")]["images"]
        assert runner.file(saved).stat().st_size > 1000

    for node in job.values():
        if node["inputs"].get("model") == [patch, 0]:
            node["inputs"]["model"] = job[patch]["inputs"]["model"]
    unpatched = runner.pictures(runner.run(job)[save])
    assert np.ptp(regional) > 50, "the picture shows nothing"
    changed = np.mean(regional != unpatched)
    assert changed > LEAST.get(family, 0.2), f"the patch changes {changed:.1%} of the picture"

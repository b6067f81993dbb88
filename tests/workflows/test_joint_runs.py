"""Every joint workflow runs on the host's own executor: as shipped, but small, with tiny models."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from workflow_runner import Runner, only

KIND = ("flux", "sd35", "qwen_image")
FAMILIES = {"flux": "Flux", "sd35": "SD3", "qwen": "Qwen-Image"}  # by the name's first word
SIZE_PX, STEPS = 128, 2
PATCH, SAMPLER = "RegionalDiT_PatchCrossAttention", "KSampler"

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde


def small(api: dict[str, Any]) -> dict[str, Any]:
    """The workflow with a small picture and few steps; all else stays."""
    changed = copy.deepcopy(api)
    changed[only(api, "EmptySD3LatentImage")]["inputs"].update(width=SIZE_PX, height=SIZE_PX)
    changed[only(api, SAMPLER)]["inputs"].update(steps=STEPS)
    return changed


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
    shown = runner.run(job)
    patch, save = only(job, PATCH), only(job, "SaveImage")
    (report,) = shown[patch]["text"]
    family = FAMILIES[name.split("_")[0]]
    assert family in report
    special = {"sketch": "attention specialty tuning", "eligen": "eligen"}
    wanted = special.get(name.rpartition("_")[2], "bind")
    assert wanted in report.lower(), report
    regional = runner.picture(shown[save])
    assert regional.shape == (SIZE_PX, SIZE_PX, 3)

    job[only(job, SAMPLER)]["inputs"]["model"] = job[patch]["inputs"]["model"]
    unpatched = runner.picture(runner.run(job)[save])
    assert np.ptp(regional) > 50, "the picture shows nothing"
    changed = np.mean(regional != unpatched)
    assert changed > 0.2, f"the patch changes {changed:.1%} of the picture"

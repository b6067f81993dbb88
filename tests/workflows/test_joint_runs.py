"""Every joint workflow runs on the host's own executor: as shipped, but small, with tiny models."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

KIND = ("flux", "sd35", "qwen_image")
FAMILIES = {"flux": "Flux", "sd35": "SD3", "qwen": "Qwen-Image"}  # by the name's first word
SIZE_PX, STEPS = 128, 2
PATCH, SAMPLER = "RegionalDiT_PatchCrossAttention", "KSampler"

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde


class Runner:
    """The host's executor; like a server, it keeps what the last run made."""

    def __init__(self, out: Path) -> None:
        import execution

        server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *_: None)
        self._executor = execution.PromptExecutor(
            server,
            cache_type=execution.CacheType.CLASSIC,
            cache_args={"lru": 0, "ram": 0.0},
        )
        self._out = out

    def run(self, api: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Node id -> what the node shows, of all nodes that a server would run."""
        nodes = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
        ends = [i for i, n in api.items() if getattr(nodes[n["class_type"]], "OUTPUT_NODE", False)]
        self._executor.execute(api, "a run", {}, ends)
        failed = [data for event, data in self._executor.status_messages if "error" in event]
        assert failed == [], "\n".join([failed[0]["exception_message"], *failed[0]["traceback"]])
        return self._executor.history_result["outputs"]

    def picture(self, shown: dict[str, Any]) -> np.ndarray:
        """The one picture that a SaveImage node says it wrote."""
        (image,) = shown["images"]
        assert image["type"] == "output"
        with Image.open(self._out / image["subfolder"] / image["filename"]) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.int16)


def only(api: dict[str, Any], class_type: str) -> str:
    """Id of the one node of a class."""
    (found,) = (i for i, node in api.items() if node["class_type"] == class_type)
    return found


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

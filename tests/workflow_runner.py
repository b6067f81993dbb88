"""Workflows on the host's own executor, as a server would run them, small."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

SIZE_PX, STEPS, FRAMES = 64, 2, 9
SAMPLERS = ("KSampler", "Flux2Scheduler")  # nodes that have a number of steps
LATENTS = (
    "EmptySD3LatentImage",
    "EmptyFlux2LatentImage",
    "EmptyHunyuanLatentVideo",
    "EmptyLTXVLatentVideo",
)
SCALE = "FluxKontextImageScale"


class Runner:
    """The host's executor; like a server, it keeps what the last run made."""

    def __init__(self, out: Path) -> None:
        import execution

        server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *_: None)
        self._executor = execution.PromptExecutor(
            server,
            cache_type=execution.CacheType.CLASSIC,
            cache_args={"lru": 0, "ram": 0.0, "ram_inactive": 0.0},
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
        (picture,) = self.pictures(shown)
        return picture

    def pictures(self, shown: dict[str, Any]) -> np.ndarray:
        """All that a SaveImage node says it wrote, [B, height, width, 3]."""
        assert all(image["type"] == "output" for image in shown["images"])
        return np.stack([self._read(self.file(image)) for image in shown["images"]])

    def file(self, written: dict[str, Any]) -> Path:
        """What a node says it wrote, such as a video."""
        return self._out / written["subfolder"] / written["filename"]

    @staticmethod
    def _read(file: Path) -> np.ndarray:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.int16)


def only(api: dict[str, Any], class_type: str) -> str:
    """Id of the one node of a class."""
    (found,) = (i for i, node in api.items() if node["class_type"] == class_type)
    return found


def small(api: dict[str, Any]) -> dict[str, Any]:
    """The workflow with small pictures and few steps; all else stays."""
    changed = copy.deepcopy(api)
    scaled = {i: n["inputs"]["image"] for i, n in api.items() if n["class_type"] == SCALE}
    for node in changed.values():
        if node["class_type"] == "ControlNetApplyAdvanced":  # a random one drowns the prompts
            node["inputs"]["strength"] = 0.1
    for node in changed.values():  # a megapixel of reference picture is not small
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in scaled:
                node["inputs"][name] = scaled[value[0]]
    for node in changed.values():
        inputs = node["inputs"]
        if node["class_type"] in LATENTS:
            inputs.update(width=SIZE_PX, height=SIZE_PX)
        for name in {"length", "frames_number"} & set(inputs):
            inputs[name] = FRAMES
        if node["class_type"] in SAMPLERS:
            inputs.update(steps=STEPS)
        if node["class_type"] == "ManualSigmas":
            inputs.update(sigmas="1.0, 0.7, 0.0")
    return changed

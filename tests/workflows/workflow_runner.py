"""Workflows run by the host's own executor, without a server."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image


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

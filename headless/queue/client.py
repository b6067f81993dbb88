"""Queue a workflow on any ComfyUI, follow it, and fetch what it made."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import api
from ..errors import RunError
from ..saving import safe_path, unused_path, write_whole
from . import explain
from .connection import Connection
from .follow import Follower
from .workflow import ObjectInfo, Workflow, own_title, require_known, title


@dataclass(slots=True)
class Result:
    """What a finished workflow gave."""

    prompt_id: str
    seconds: float
    files: dict[str, list[Path]] = field(default_factory=dict)
    """Downloaded files by node id."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """Text outputs by node id."""


class Client(Connection):
    """A ComfyUI server's API: its queue, and whole runs with what they made."""

    def run(self, workflow: Workflow, out: Path, info: ObjectInfo | None = None) -> Result:
        """Queue a workflow, show its progress and download what it made into ``out``.

        Raises:
            WorkflowError: the server refused it. RunError: it failed, was interrupted or lost.
        """
        self._info = info if info is not None else self.object_info()
        require_known(workflow, self._info)
        started = time.monotonic()
        follow = Follower(self, workflow, self._progress)
        try:
            import aiohttp  # noqa: F401 - part of every ComfyUI, not of a bare Python
        except ImportError:
            prompt_id = self.queue(workflow)
            entry = self._guarded(prompt_id, lambda: follow.poll(prompt_id))
        else:
            prompt_id, entry = asyncio.run(follow.watch())
        self._progress.clear()
        self._raise_if_failed(entry, workflow)
        result = Result(prompt_id, time.monotonic() - started)
        self._collect(entry, workflow, out, result)
        return result

    def _guarded(self, prompt_id: str, wait: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return wait()
        except BaseException as error:
            if not isinstance(error, RunError):
                self.cancel(prompt_id)
            raise

    def _raise_if_failed(self, entry: Mapping[str, Any], workflow: Workflow) -> None:
        status = entry.get("status") or {}
        for event, message in status.get("messages", []):
            if event == "execution_error":
                raise RunError(explain.failure(message, workflow))
            if event == "execution_interrupted":
                where = title(workflow, str(message.get("node_id")))
                raise RunError(f"The workflow was interrupted on the server, in {where}.")
        if status.get("status_str", "success") != "success":
            raise RunError(f"The workflow ended as {status['status_str']!r} without saying why.")

    def _collect(
        self, entry: Mapping[str, Any], workflow: Workflow, out: Path, result: Result
    ) -> None:
        """Download all files of a history entry and take its texts."""
        for node_id, output in (entry.get("outputs") or {}).items():
            for value in output.values():
                for item in value if isinstance(value, list) else []:
                    if isinstance(item, dict) and item.get("filename"):
                        path = self.download(item, out, workflow.get(node_id))
                        result.files.setdefault(node_id, []).append(path)
            texts = output.get("text")
            texts = [texts] if isinstance(texts, str) else texts or []
            if texts:
                result.texts[node_id] = [str(text) for text in texts]

    def download(
        self, item: Mapping[str, Any], out: Path, node: Mapping[str, Any] | None = None
    ) -> Path:
        """Fetch one output file into ``out``; a file that is there is never overwritten.

        A preview, whose name on the server is random, is named after its node.
        """
        query = {key: str(item.get(key) or "") for key in ("filename", "subfolder", "type")}
        data = api.request(f"{self.url}/view?{urllib.parse.urlencode(query)}", timeout_s=120)
        name = query["filename"]
        if query["type"] == "temp" and node is not None:
            named = own_title(node) or str(node["class_type"])
            name = re.sub(r"\W+", "_", named) + Path(name).suffix
        target = safe_path(out, query["subfolder"], name)
        target = unused_path(target, data)
        write_whole(target, data)
        return target

"""Queue a workflow on any ComfyUI, follow it, and fetch what it made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import api, explain
from .errors import RunError, WorkflowError
from .follow import Follower
from .progress import Progress
from .saving import safe_path, unused_path, write_whole
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


class Client:
    """A ComfyUI server's API.

    Args:
        url: address of the server.
        progress: where to show the steps.
        models: the server's model folder where it is known, for error messages.
        alive: tells whether a server that this program started still runs.
    """

    def __init__(
        self,
        url: str,
        progress: Progress,
        *,
        models: Path | None = None,
        alive: Callable[[], bool] | None = None,
    ) -> None:
        self.url = api.normal_url(url)
        self._progress = progress
        self._models = models
        self._alive = alive or (lambda: True)
        self._info: ObjectInfo = {}
        self.client_id = uuid.uuid4().hex

    def object_info(self) -> ObjectInfo:
        """All node classes of the server with their inputs."""
        info = api.get_json(f"{self.url}/object_info", timeout_s=60)
        if not isinstance(info, dict) or "KSampler" not in info:
            raise RunError(f"{self.url} answers, but not as ComfyUI does. Is the address right?")
        return info

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

    def queue(self, workflow: Workflow) -> str:
        """Post a workflow; return its prompt id.

        Raises:
            WorkflowError: the server refused it, or refused a part of it.
        """
        body = {"prompt": workflow, "client_id": self.client_id}
        try:
            answer = api.post_json(f"{self.url}/prompt", body, timeout_s=120)
        except api.Refused as error:
            with contextlib.suppress(ValueError):
                answer = json.loads(error.body)
                if isinstance(answer, dict) and ("error" in answer or "node_errors" in answer):
                    text = explain.rejection(answer, workflow, self._models, self._info)
                    raise WorkflowError(text) from error
            raise
        prompt_id = str(answer["prompt_id"])
        if answer.get("node_errors"):  # ComfyUI queues the outputs that are fine and skips the rest
            self.cancel(prompt_id)
            raise WorkflowError(explain.rejection(answer, workflow, self._models, self._info))
        return prompt_id

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, or interrupt it; other prompts are left alone."""
        with contextlib.suppress(RunError):
            api.post_json(f"{self.url}/queue", {"delete": [prompt_id]}, timeout_s=5)
            running = api.get_json(f"{self.url}/queue", timeout_s=5).get("queue_running", [])
            if any(item[1] == prompt_id for item in running):
                # Older servers ignore the id and interrupt what runs, which is this one.
                api.post_json(f"{self.url}/interrupt", {"prompt_id": prompt_id}, timeout_s=5)

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The record of a prompt that has ended; None while it waits or runs.

        Raises:
            RunError: the server is gone, or does not know the prompt any more.
        """
        entry = api.get_json(f"{self.url}/history/{prompt_id}").get(prompt_id)
        if entry is not None:
            return entry
        queue = api.get_json(f"{self.url}/queue")
        items = [*queue.get("queue_running", []), *queue.get("queue_pending", [])]
        if any(item[1] == prompt_id for item in items):
            return None
        # It may have ended between the two questions.
        entry = api.get_json(f"{self.url}/history/{prompt_id}").get(prompt_id)
        if entry is None:
            raise RunError(
                f"The server does not know the workflow any more (prompt {prompt_id}): it was "
                "restarted, or the workflow was taken out of its queue."
            )
        return entry

    def server_runs(self) -> bool:
        """Whether the server's process, if it is ours, still runs."""
        return self._alive()

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

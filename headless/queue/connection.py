"""What a ComfyUI server is asked about its queue: put in, take out, what became of it."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import api
from ..errors import RunError, WorkflowError
from ..progress import Progress
from . import explain
from .workflow import ObjectInfo, Workflow


class Connection:
    """The queue of a ComfyUI server.

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

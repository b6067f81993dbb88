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
from .progress import Progress, human_seconds
from .workflow import ObjectInfo, Workflow, require_known, title

_POLL_S = 0.5
_SILENCE_S = 5.0
_LOST_S = 15.0
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


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
        follow = _Follower(self, workflow, self._progress)
        try:
            import aiohttp  # noqa: F401 - part of every ComfyUI, not of a bare Python
        except ImportError:
            prompt_id = self.queue(workflow)
            entry = self._guarded(prompt_id, workflow, lambda: follow.poll(prompt_id))
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

    def _guarded(
        self, prompt_id: str, workflow: Workflow, wait: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
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
            named = str((node.get("_meta") or {}).get("title") or node["class_type"])
            name = re.sub(r"\W+", "_", named) + Path(name).suffix
        target = safe_path(out, query["subfolder"], name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target = _unused(target, data)
        target.write_bytes(data)
        return target


def safe_path(out: Path, subfolder: str, filename: str) -> Path:
    """Where to put a file that a server named, always inside ``out``.

    Raises:
        RunError: a link inside ``out`` leads the path out of it.
    """
    parts = [_safe_part(part) for part in re.split(r"[\\/]+", f"{subfolder}/{filename}")]
    parts = [part for part in parts if part]
    target = out.joinpath(*parts or ["file"])
    if not target.resolve().is_relative_to(out.resolve()):
        raise RunError(f"{target} leads out of {out} through a link; nothing was written there.")
    return target


def _safe_part(part: str) -> str:
    part = _FORBIDDEN.sub("_", part).strip(" ").rstrip(".")
    if not part.strip("."):
        return ""
    return f"_{part}" if _RESERVED.match(part) else part


def _unused(target: Path, data: bytes) -> Path:
    """The path itself, or with a higher number if it holds something else already."""
    counter = re.fullmatch(r"(.*_)(\d+)_", target.stem)  # ComfyUI's own: prefix_00001_
    number, candidate = int(counter[2]) if counter else 1, target
    while candidate.exists():
        if candidate.is_file() and candidate.read_bytes() == data:
            return candidate
        number += 1
        stem = f"{counter[1]}{number:05d}_" if counter else f"{target.stem}-{number}"
        candidate = target.with_name(stem + target.suffix)
    return candidate


class _Follower:
    """Waits for one workflow and shows its steps."""

    def __init__(self, client: Client, workflow: Workflow, progress: Progress) -> None:
        self._client = client
        self._workflow = workflow
        self._progress = progress
        self._node = ""

    def poll(self, prompt_id: str) -> dict[str, Any]:
        """Ask until the workflow has ended; for a Python without aiohttp."""
        started = time.monotonic()
        while True:
            entry = self._ask(prompt_id)
            if entry is not None:
                return entry
            self._progress.busy("running", human_seconds(time.monotonic() - started))
            time.sleep(_POLL_S)

    async def watch(self) -> tuple[str, dict[str, Any]]:
        """Queue the workflow and follow it over the websocket."""
        import aiohttp

        client = self._client
        prompt_id = None
        address = f"{client.url}/ws?clientId={client.client_id}"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0, heartbeat=30) as socket,
            ):
                prompt_id = await asyncio.to_thread(client.queue, self._workflow)
                return prompt_id, await self._listen(socket, prompt_id)
        except aiohttp.ClientError as error:
            if prompt_id is None:
                raise RunError(f"No websocket at {client.url}: {error}") from error
            raise self._lost(str(error)) from error
        except BaseException as error:
            if prompt_id is not None and not isinstance(error, RunError):
                client.cancel(prompt_id)
            raise

    async def _listen(self, socket: Any, prompt_id: str) -> dict[str, Any]:
        """Show events until the workflow has ended; a silent or closed socket is asked about."""
        closed = False
        while True:
            ended = False
            if closed:
                await asyncio.sleep(_POLL_S)
            else:
                try:
                    message = await socket.receive(timeout=_SILENCE_S)
                except asyncio.TimeoutError:  # not the builtin before Python 3.11
                    ended = True  # perhaps: an event may have been missed
                else:
                    closed = message.type.name in ("CLOSE", "CLOSING", "CLOSED", "ERROR")
                    if message.type.name == "TEXT":
                        ended = self._show(json.loads(message.data), prompt_id)
            if ended or closed:
                entry = await asyncio.to_thread(self._ask, prompt_id)
                if entry is not None:
                    return entry

    def _show(self, event: Mapping[str, Any], prompt_id: str) -> bool:
        """Show one event; return whether the workflow has ended with it."""
        kind, data = event.get("type"), event.get("data") or {}
        if data.get("prompt_id", prompt_id) != prompt_id:
            return False
        if kind == "executing" and data.get("node"):
            self._node = title(self._workflow, str(data["node"]))
            self._progress.busy(self._node)
        elif kind == "progress" and data.get("max"):
            name = title(self._workflow, str(data["node"])) if data.get("node") else self._node
            self._progress.bar(name, data["value"], data["max"], f"{data['value']}/{data['max']}")
        elif kind in ("execution_success", "execution_error", "execution_interrupted"):
            return True
        return kind == "executing" and data.get("node") is None and "prompt_id" in data

    def _ask(self, prompt_id: str) -> dict[str, Any] | None:
        """The workflow's record if it has ended; a server that is gone for good is an error."""
        since: float | None = None
        while True:
            if not self._client.server_runs():
                raise self._lost("its process ended")
            try:
                return self._client.history(prompt_id)
            except api.Unreachable as error:
                since = since if since is not None else time.monotonic()
                if time.monotonic() - since > _LOST_S:
                    raise self._lost(str(error)) from error
                time.sleep(_POLL_S)

    def _lost(self, why: str) -> RunError:
        where = f" while {self._node} ran" if self._node else ""
        return RunError(
            f"The ComfyUI server at {self._client.url} was lost{where}: {why}. The workflow did "
            "not finish, and pictures that it had not saved are gone; queue it again when the "
            "server runs."
        )

"""Run one job of a sweep on one ComfyUI, and fetch what it gave. Standard library only."""

from __future__ import annotations

import copy
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from .. import api
from ..errors import RunError, UsageError, WorkflowError
from ..progress import Progress
from ..queue import explain
from ..queue import workflow as workflows
from ..queue.client import Client
from .file import Job
from .store import JobResult, picture_name

_POLL_S = 0.1
_LOST_S = 15.0
_COLLECTOR = "sweep collects "
Pictures = dict[str, bytes]


class ServerLost(RunError):
    """The server went away while a job was on it; the job can run elsewhere."""


class Runner:
    """Jobs on one server, one after the other.

    Args:
        url: address of the server.
        progress: where to show the steps.
        alive: tells whether a server that this program started still runs.
    """

    def __init__(
        self, url: str, progress: Progress, alive: Callable[[], bool] | None = None
    ) -> None:
        self._client = Client(url, progress, alive=alive)
        self.url = self._client.url
        self._info = self._client.object_info()

    def run(self, job: Job, prompt_id: str) -> tuple[JobResult, Pictures]:
        """Queue a job unless the server has it already, wait for it, and fetch its results.

        An error in the job itself is a result; it would fail again.

        Raises:
            ServerLost: the server went away. WorkflowError: it lacks nodes of the workflow.
        """
        graph = with_collectors(job, self._info)
        workflows.require_known(graph, self._info)
        started = time.monotonic()
        try:
            entry = self._find(prompt_id)
            if entry is None and not self._holds(prompt_id):
                self._queue(graph, prompt_id)
            while entry is None:
                entry = self._find(prompt_id)
                if entry is None:
                    if not self._holds(prompt_id) and (entry := self._find(prompt_id)) is None:
                        raise ServerLost(f"{self.url} does not know job {job.key} any more.")
                    time.sleep(_POLL_S)
            values, named, pictures = self._fetch(job, graph, entry)
        except WorkflowError as error:
            return self._failed(job, str(error), started), {}
        except api.Unreachable as error:
            raise ServerLost(str(error)) from error
        problem = _problem(entry, graph)
        if problem:
            return self._failed(job, problem, started), {}
        seconds = round(time.monotonic() - started, 3)
        return JobResult(job.key, values, named, "", self.url, seconds), pictures

    def _failed(self, job: Job, why: str, started: float) -> JobResult:
        seconds = round(time.monotonic() - started, 3)
        return JobResult(job.key, error=why, server=self.url, seconds=seconds)

    def _patiently(self, url: str) -> Any:
        """Ask again for a while where nobody answers: a busy server may be slow."""
        since = time.monotonic()
        while True:
            try:
                return api.get_json(url)
            except api.Unreachable:
                if time.monotonic() - since > _LOST_S or not self._client.server_runs():
                    raise
                time.sleep(_POLL_S)

    def _find(self, prompt_id: str) -> dict[str, Any] | None:
        return self._patiently(f"{self.url}/history/{prompt_id}").get(prompt_id)

    def _holds(self, prompt_id: str) -> bool:
        queue = self._patiently(f"{self.url}/queue")
        items = [*queue.get("queue_running", []), *queue.get("queue_pending", [])]
        return any(item[1] == prompt_id for item in items)

    def _queue(self, graph: workflows.Workflow, prompt_id: str) -> None:
        body = {"prompt": graph, "client_id": self._client.client_id, "prompt_id": prompt_id}
        try:
            answer = api.post_json(f"{self.url}/prompt", body, timeout_s=120)
        except api.Refused as error:
            try:
                told = json.loads(error.body)
            except ValueError:
                raise error from None
            raise WorkflowError(explain.rejection(told, graph, None, self._info)) from error
        if answer.get("node_errors"):
            self._client.cancel(answer["prompt_id"])
            raise WorkflowError(explain.rejection(answer, graph, None, self._info))
        if answer["prompt_id"] != prompt_id:
            raise WorkflowError(
                f"{self.url} is a ComfyUI that chooses the ids of its jobs itself, so a sweep "
                "could not be resumed on it. Update ComfyUI (0.3.60 or later)."
            )

    def _fetch(
        self, job: Job, graph: workflows.Workflow, entry: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str], Pictures]:
        """(collected values, titles of pictures by file name, their data)."""
        values: dict[str, Any] = {}
        named: dict[str, str] = {}
        pictures: Pictures = {}
        outputs = entry.get("outputs") or {}
        for node_id in sorted(outputs, key=lambda i: (len(i), i)):
            if node_id.startswith(_COLLECTOR):
                text = outputs[node_id].get("text") or [""]
                column = node_id.removeprefix(_COLLECTOR)
                values[column] = _value(text if isinstance(text, str) else str(text[0]))
                continue
            items = [
                item
                for value in outputs[node_id].values()
                for item in (value if isinstance(value, list) else [])
                if isinstance(item, dict) and item.get("filename")
            ]
            title = workflows.title(graph, node_id).rsplit(" (#", 1)[0]
            for index, item in enumerate(items):
                if item.get("type") == "temp":
                    continue  # previews; the results of a sweep are what it saves
                query = {k: str(item.get(k) or "") for k in ("filename", "subfolder", "type")}
                data = api.request(f"{self.url}/view?{urllib.parse.urlencode(query)}", None, 120)
                suffix = PurePath(re.sub(r"[^A-Za-z0-9.]", "_", query["filename"])).suffix
                name = picture_name(job, title, index, suffix)
                named[name] = title if len(items) == 1 else f"{title} {index + 1}"
                pictures[name] = data
        return values, named, pictures


def with_collectors(job: Job, info: workflows.ObjectInfo) -> workflows.Workflow:
    """The job's graph with one PreviewAny per collected output, which puts it into the history.

    Raises:
        UsageError: the workflow has no such node, or the node no such output.
    """
    graph = copy.deepcopy(job.graph)
    for column, address in job.collect.items():
        node_name, _, output = address.rpartition(":")
        ids = workflows.named(job.graph, node_name)
        if len(ids) != 1:
            what = "no node is" if not ids else f"{len(ids)} nodes are"
            raise UsageError(f"collect {column!r}: {what} named {node_name!r} in the workflow.")
        declared = info.get(job.graph[ids[0]]["class_type"], {})
        names = [str(name) for name in declared.get("output_name", [])]
        if output not in names and not (output.isdigit() and int(output) < len(names)):
            raise UsageError(
                f"collect {column!r}: {node_name} has no output {output!r}. It has: "
                f"{', '.join(names) or 'none'}."
            )
        index = names.index(output) if output in names else int(output)
        source = [ids[0], index]
        graph[_COLLECTOR + column] = {"class_type": "PreviewAny", "inputs": {"source": source}}
    return graph


def _value(text: str) -> Any:
    """A number or boolean if the text is one, else the text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _problem(entry: Mapping[str, Any], graph: workflows.Workflow) -> str:
    """Why a job that ended did not succeed; "" if it did."""
    status = entry.get("status") or {}
    for event, message in status.get("messages", []):
        if event == "execution_error":
            return explain.failure(message, graph)
        if event == "execution_interrupted":
            return "The job was interrupted on the server."
    if status.get("status_str", "success") != "success":
        return f"The job ended as {status['status_str']!r} without saying why."
    return ""

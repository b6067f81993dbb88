"""Wait for a queued workflow and show its steps, over the websocket or by asking."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from .. import api
from ..errors import RunError, ServerGone
from ..progress import Progress, human_seconds
from .connection import Connection
from .workflow import Workflow, title

_POLL_S = 0.5
_SILENCE_S = 5.0
_LOST_S = 15.0


class Follower:
    """Waits for one workflow and shows its steps."""

    def __init__(self, client: Connection, workflow: Workflow, progress: Progress) -> None:
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

    def _lost(self, why: str) -> ServerGone:
        where = f" while {self._node} ran" if self._node else ""
        return ServerGone(
            f"The ComfyUI server at {self._client.url} was lost{where}: {why}. The workflow did "
            "not finish, and pictures that it had not saved are gone; queue it again when the "
            "server runs."
        )

"""A scripted chat completions server on loopback, and endpoints that point to it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from regional_dit.planner.llm import chat as chat_client

sys.path.append(str(Path(__file__).parent))  # for ``omost_texts``

KEY = "sk-test-0123456789abcdef"
KEY_VARIABLE = "REGIONAL_DIT_TEST_KEY"


class ScriptedServer:
    """Speaks the chat completions protocol; `script` decides each answer.

    `script(payload, handler, index)` returns (status, body, headers) or None if it has answered
    through the handler itself.
    """

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.script: Callable[..., Any] = lambda payload, handler, index: (200, chat("{}"), {})
        self.stopping = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                payload = json.loads(self.rfile.read(length))
                owner.authorizations.append(self.headers.get("Authorization"))
                owner.payloads.append(payload)
                result = owner.script(payload, self, len(owner.payloads) - 1)
                if result is not None:
                    self.answer(*result)

            def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def chat(content: Any, **message: Any) -> dict[str, Any]:
    """A chat completions reply."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": "stop",
            }
        ],
    }


def answer(n: int = 2, **changes: Any) -> dict[str, Any]:
    """A good plan as a model writes it."""
    regions = [
        {
            "instance": "circle",
            "attributes": ["red"],
            "high_level": f"a circle number {k}",
            "low_level": "red, glossy",
            "box": [k / n, 0, (k + 1) / n, 1],
        }
        for k in range(n)
    ]
    return {
        "global_prompt": "two circles",
        "background": "black background",
        "negative_prompt": "",
        "regions": regions,
        **changes,
    }


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture(scope="module")
def module_server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture
def second_server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture
def make_chat() -> Callable[..., dict[str, Any]]:
    return chat


@pytest.fixture
def make_answer() -> Callable[..., dict[str, Any]]:
    return answer


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return KEY


@pytest.fixture
def make_endpoint(server: ScriptedServer, key: str) -> Callable[..., Any]:
    from regional_dit.planner.llm.endpoints import Endpoint

    def make(**changes: Any) -> Any:
        fields = {
            "name": "test",
            "base_url": f"{server.url}/v1",
            "model": "tiny",
            "api_key_env": KEY_VARIABLE,
            "total_timeout_s": 10.0,
        }
        return Endpoint(**{**fields, **changes})

    return make


@pytest.fixture
def ask(make_endpoint: Callable[..., Any], tmp_path: Any) -> Callable[..., Any]:
    """plan_with_llm against the scripted server, with a store of its own."""
    from regional_dit.planner.llm.cache import DiskStore
    from regional_dit.planner.llm.planner import plan_with_llm

    def run(text: str = "two circles", n: int | None = 2, *, endpoint: Any = None, **kwargs: Any):
        return plan_with_llm(
            text,
            n,
            kwargs.pop("cells", None),
            endpoint or make_endpoint(),
            store=DiskStore(tmp_path / "store"),
            **kwargs,
        )

    return run


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an attempt is repeated."""
    monkeypatch.setattr(chat_client, "_FIRST_PAUSE_S", 0.02)

"""The chat client against a real HTTP server that misbehaves in every way we know of."""

from __future__ import annotations

import email.utils
import json
import socket
import struct
import time

import pytest
from regional_dit.planner.errors import (
    ChatDeadlineError,
    ChatError,
    ChatStopped,
    PlanError,
)
from regional_dit.planner.llm import http_call

# A call must end within 2 s of being asked to; the rest is for a machine that is busy otherwise.
SOON_S = 4.0


def mode_of(payload):
    if "tools" in payload:
        return "tools"
    return payload.get("response_format", {}).get("type", "text")


def test_good_path(server, ask, make_chat, make_answer, key):
    server.script = lambda payload, handler, i: (200, make_chat(json.dumps(make_answer())), {})
    lines = []
    plan = ask(seed=7, temperature=0.5, progress=lines.append)
    assert [region.high_level for region in plan.regions] == [
        "a circle number 0",
        "a circle number 1",
    ]
    assert plan.regions[1].box == (0.5, 0, 1, 1)
    assert plan.regions[0].prompt() == "a red circle number 0, glossy"
    payload = server.payloads[0]
    assert (payload["seed"], payload["temperature"], payload["model"]) == (7, 0.5, "tiny")
    assert payload["response_format"]["json_schema"]["strict"] is True
    assert server.authorizations == [f"Bearer {key}"]
    assert lines and "json_schema" in lines[0]


def test_same_question_is_asked_once(server, ask, make_chat, make_answer):
    server.script = lambda payload, handler, i: (200, make_chat(json.dumps(make_answer())), {})
    first, second = ask(seed=1), ask(seed=1)
    assert first == second and len(server.payloads) == 1
    ask(seed=2)
    assert len(server.payloads) == 2


@pytest.mark.parametrize("accepted", ["json_schema", "json_object", "tools", "text"])
def test_steps_down_and_remembers(server, ask, make_chat, make_answer, accepted):
    text = json.dumps(make_answer())

    def script(payload, handler, index):
        mode = mode_of(payload)
        if mode != accepted:
            return 400, {"error": {"message": f"{mode} is not supported"}}, {}
        if mode == "tools":
            call = {"id": "1", "type": "function", "function": {"name": "x", "arguments": text}}
            return 200, make_chat(None, tool_calls=[call]), {}
        return 200, make_chat(text), {}

    server.script = script
    assert len(ask(seed=1).regions) == 2
    before = len(server.payloads)
    assert before == 1 + ["json_schema", "json_object", "tools", "text"].index(accepted)
    ask(seed=2)
    assert len(server.payloads) == before + 1, "what works was not remembered"


@pytest.mark.parametrize("name", ["temperature", "seed", "max_tokens"])
def test_leaves_out_a_rejected_parameter(server, ask, make_chat, make_answer, name):
    def script(payload, handler, index):
        if name in payload:
            return 400, {"error": {"message": f"Unsupported parameter: '{name}'"}}, {}
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    assert len(ask().regions) == 2
    assert mode_of(server.payloads[-1]) == "json_schema"
    assert ("max_completion_tokens" in server.payloads[-1]) == (name == "max_tokens")


def test_rate_limit_honours_retry_after_seconds(server, ask, make_chat, make_answer):
    times = []

    def script(payload, handler, index):
        times.append(time.monotonic())
        if index == 0:
            return 429, {"error": {"message": "slow down"}}, {"Retry-After": "1"}
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    ask()
    assert 0.95 <= times[1] - times[0] < 3


def test_rate_limit_honours_retry_after_date(server, ask, make_chat, make_answer):
    def script(payload, handler, index):
        if index == 0:
            date = email.utils.formatdate(time.time() + 2, usegmt=True)
            return 429, {}, {"Retry-After": date}
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    started = time.monotonic()
    ask()
    assert 0.5 < time.monotonic() - started < 4


def test_rate_limit_beyond_the_deadline_ends_at_once(server, ask):
    server.script = lambda payload, handler, i: (429, {}, {"Retry-After": "3600"})
    started = time.monotonic()
    with pytest.raises(ChatDeadlineError, match="3600 s"):
        ask()
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_errors_are_retried(server, ask, make_chat, make_answer, status):
    def script(payload, handler, index):
        if index < 3:
            return status, b"<html>oops</html>", {}
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    assert len(ask().regions) == 2


def test_server_errors_end(server, ask):
    server.script = lambda payload, handler, i: (500, {"error": "broken"}, {})
    with pytest.raises(ChatError, match=r"answered 500.*broken.*Tried 5 times"):
        ask()
    assert len(server.payloads) == 5


@pytest.mark.parametrize(
    ("status", "words"), [(401, "key was not accepted"), (403, "Access was denied")]
)
def test_denied_is_not_retried(server, ask, status, words):
    server.script = lambda payload, handler, i: (status, {"error": {"message": "no"}}, {})
    with pytest.raises(ChatError, match=words):
        ask()
    assert len(server.payloads) == 1


def test_unknown_model(server, ask):
    server.script = lambda payload, handler, i: (404, {"error": "model 'tiny' not found"}, {})
    with pytest.raises(ChatError, match=r"not found.*Check base_url and the model's name"):
        ask()
    assert len(server.payloads) == 1


def test_slow_reply_ends_at_the_deadline(server, ask, make_endpoint):
    server.script = lambda payload, handler, i: server.stopping.wait(20) and None
    started = time.monotonic()
    with pytest.raises(ChatDeadlineError, match=r"within 1 s; raise total_timeout_s"):
        ask(endpoint=make_endpoint(total_timeout_s=1.0))
    assert time.monotonic() - started < SOON_S


def test_dripping_reply_ends_at_the_deadline(server, ask, make_endpoint):
    def script(payload, handler, index):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            while not server.stopping.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            return None
        return None

    server.script = script
    started = time.monotonic()
    with pytest.raises(ChatDeadlineError):
        ask(endpoint=make_endpoint(total_timeout_s=1.0))
    assert time.monotonic() - started < SOON_S


def test_stop_while_waiting(server, ask):
    server.script = lambda payload, handler, i: server.stopping.wait(20) and None
    started = time.monotonic()
    with pytest.raises(ChatStopped):
        ask(should_stop=lambda: time.monotonic() - started > 0.3)
    assert time.monotonic() - started < SOON_S


def test_stop_by_an_exception_of_the_host(server, ask):
    server.script = lambda payload, handler, i: server.stopping.wait(20) and None
    started = time.monotonic()

    def interrupted():
        if time.monotonic() - started > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(should_stop=interrupted)
    assert time.monotonic() - started < SOON_S


def test_stop_between_attempts(server, ask):
    server.script = lambda payload, handler, i: (429, {}, {"Retry-After": "8"})
    started = time.monotonic()
    with pytest.raises(ChatStopped):
        ask(should_stop=lambda: time.monotonic() - started > 0.3)
    assert time.monotonic() - started < SOON_S


def test_oversized_reply(server, ask, make_chat, make_endpoint):
    server.script = lambda payload, handler, i: (200, make_chat("x" * 10_000_000), {})
    with pytest.raises(ChatError, match="more than 50000 bytes"):
        ask(endpoint=make_endpoint(max_reply_bytes=50_000))
    assert len(server.payloads) == 1


def test_reset_connection_is_retried(server, ask, make_chat, make_answer):
    def script(payload, handler, index):
        if index == 0:
            linger = struct.pack("ii", 1, 0)  # closing sends a reset
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            handler.rfile.close()
            handler.wfile.close()
            handler.connection.close()
            return None
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    assert len(ask().regions) == 2


def test_nobody_listens(make_endpoint, ask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChatError, match="refused, reset or not found"):
        ask(endpoint=make_endpoint(base_url=f"http://127.0.0.1:{port}/v1"))


@pytest.mark.parametrize("text", ["", "   ", "x" * 9000])
def test_text_out_of_range(ask, text):
    with pytest.raises(PlanError):
        ask(text)


def test_an_unforeseen_error_of_the_call_reaches_the_caller(monkeypatch) -> None:
    """It used to stay in its thread, and the caller waited for the whole deadline."""

    def broken(_call: http_call._Call) -> http_call.HttpReply:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(http_call._Call, "run", broken)
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        http_call.post_json(
            "http://127.0.0.1:9", {}, key="", direct=True, connect_timeout_s=1.0,
            deadline=start + 60.0, max_bytes=100, should_stop=lambda: False,
            waiting=lambda _pieces: None,
        )  # fmt: skip
    assert time.monotonic() - start < 30.0

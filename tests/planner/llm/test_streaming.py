"""Answers in pieces: folded into whole ones, shown as progress, bounded and retried like others."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regional_dit.planner.errors import ChatError
from regional_dit.planner.llm.http_call import HttpReply
from regional_dit.planner.llm.protocol import reply_text, usage_of
from regional_dit.planner.llm.streamed import StreamedReply


def event(**delta) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def stream(text: str, *, size: int = 7, usage: tuple[int, int] | None = (120, 80)) -> bytes:
    pieces = [text[k : k + size] for k in range(0, len(text), size)]
    body = b": hello\n\n" + event(role="assistant", content="")
    body += b"".join(event(content=piece) for piece in pieces)
    if usage:
        counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
        body += b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n"
    return body + b"data: [DONE]\n\n"


def send(handler, body: bytes, pause_s: float = 0.0, pieces: int = 1) -> None:
    """As a server does that streams: chunked, and piece by piece."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    step = max(1, len(body) // pieces)
    for start in range(0, len(body), step):
        chunk = body[start : start + step]
        handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.flush()
        time.sleep(pause_s)
    handler.wfile.write(b"0\r\n\r\n")


def test_a_streamed_answer(server, ask, make_answer):
    server.script = lambda payload, handler, i: send(handler, stream(json.dumps(make_answer())))
    used = []
    plan = ask(used=used.append)
    assert [region.high_level for region in plan.regions] == [
        "a circle number 0",
        "a circle number 1",
    ]
    assert server.payloads[0]["stream"] is True
    assert server.payloads[0]["stream_options"] == {"include_usage": True}
    (usage,) = used
    assert (usage.requests, usage.retries, usage.corrections) == (1, 0, 0)
    assert (usage.prompt_tokens, usage.completion_tokens) == (120, 80) and usage.seconds > 0


def test_progress_counts_the_pieces(server, ask, make_answer):
    body = stream(json.dumps(make_answer()))
    server.script = lambda payload, handler, i: send(handler, body, 0.25, 10)
    lines = []
    assert len(ask(progress=lines.append).regions) == 2
    assert any("1 s, " in line and "pieces of the answer" in line for line in lines), lines


def test_a_tool_call_in_pieces(server, ask, make_answer):
    text = json.dumps(make_answer())

    def script(payload, handler, index):
        if "tools" not in payload:
            return 400, {"error": {"message": "response_format is not supported"}}, {}
        parts = [
            event(tool_calls=[{"index": 0, "function": {"arguments": text[k : k + 9]}}])
            for k in range(0, len(text), 9)
        ]
        send(handler, b"".join(parts) + b"data: [DONE]\n\n")
        return None

    server.script = script
    assert len(ask().regions) == 2


@pytest.mark.parametrize("name", ["stream", "stream_options"])
def test_a_server_that_does_not_stream(server, ask, make_chat, make_answer, name):
    def script(payload, handler, index):
        if payload.get(name):
            return 400, {"error": {"message": f"Unrecognized request argument: {name}"}}, {}
        return 200, make_chat(json.dumps(make_answer())), {}

    server.script = script
    assert len(ask(seed=1).regions) == 2
    before = len(server.payloads)
    assert len(ask(seed=2).regions) == 2
    assert len(server.payloads) == before + 1, "what is refused was not remembered"


def test_streaming_can_be_switched_off(server, ask, make_chat, make_answer, make_endpoint):
    server.script = lambda payload, handler, i: (200, make_chat(json.dumps(make_answer())), {})
    ask(endpoint=make_endpoint(stream=False))
    assert server.payloads[0]["stream"] is False and "stream_options" not in server.payloads[0]


def test_an_error_within_the_stream_is_retried(server, ask, make_answer):
    def script(payload, handler, index):
        if index == 0:
            error = b'data: {"error": {"message": "overloaded"}}\n\n'
            send(handler, event(content='{"global') + error)
        else:
            send(handler, stream(json.dumps(make_answer())))

    server.script = script
    used = []
    assert len(ask(used=used.append).regions) == 2
    assert (used[0].requests, used[0].retries) == (2, 1)


def test_a_broken_answer_is_repaired_in_one_retry(server, ask, make_answer):
    def script(payload, handler, index):
        text = json.dumps(make_answer())
        send(handler, stream(text[: len(text) // 2] if index == 0 else text))

    server.script = script
    used = []
    assert len(ask(used=used.append).regions) == 2
    assert (used[0].requests, used[0].corrections) == (2, 1)
    assert "That will not do" in server.payloads[1]["messages"][-1]["content"]


def test_a_stream_without_end_is_refused(server, ask, make_endpoint):
    def script(payload, handler, index):
        try:
            send(handler, event(content="x" * 1000) * 200, pieces=100)
        except OSError:
            return None

    server.script = script
    with pytest.raises(ChatError, match="more than 50000 bytes"):
        ask(endpoint=make_endpoint(max_reply_bytes=50_000))
    assert len(server.payloads) == 1


@settings(derandomize=True)
@given(st.binary(max_size=400), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_fold_into_a_reply(data, sizes):
    reply = StreamedReply()
    for size in sizes:
        reply.feed(data[:size])
        data = data[size:]
    reply.feed(data)
    body = HttpReply(200, reply.body())
    assert reply_text(body, "test") == "" and usage_of(body) == (0, 0)


@settings(derandomize=True)
@given(st.text(max_size=200), st.integers(1, 60))
def test_pieces_of_any_size_give_the_same_text(text, size):
    body = stream(text, size=5)
    reply = StreamedReply()
    for start in range(0, len(body), size):
        reply.feed(body[start : start + size])
    whole = HttpReply(200, reply.body())
    assert reply_text(whole, "test") == (text if text.strip() else "")
    assert usage_of(whole) == (120, 80)

"""A chat completion that comes in pieces (server-sent events), folded into a whole one."""

from __future__ import annotations

import json
from typing import Any

_MAX_LINE = 1_000_000  # bytes of one event


class StreamedReply:
    """Collects the events of one reply.

    Attributes:
        pieces: how many pieces of text have come, about one a token.
        size: characters of the answer so far.
        error: the body of an error that came in the stream, or "".
        too_long: an event had no end.
    """

    def __init__(self) -> None:
        self.pieces = self.size = 0
        self.error = ""
        self.too_long = False
        self._rest = b""
        self._content: list[str] = []
        self._arguments: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._usage: Any = None

    def feed(self, chunk: bytes) -> None:
        """Take in what has come; an event may be spread over several chunks."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.too_long = self.too_long or len(self._rest) > _MAX_LINE
        for line in lines:
            self._read(line)

    def body(self) -> bytes:
        """The whole reply as the server would have sent it without streaming, or its error."""
        self._read(self._rest)
        self._rest = b""
        if self.error:
            return self.error.encode()
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._content) or None}
        if self._arguments:
            message["tool_calls"] = [
                {"type": "function", "function": {"arguments": "".join(self._arguments)}}
            ]
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        choice = {"index": 0, "message": message, "finish_reason": self._finish}
        return json.dumps({"choices": [choice], "usage": self._usage}).encode()

    def _read(self, line: bytes) -> None:
        line = line.strip()
        if not line.startswith(b"data:"):
            return  # comments keep the connection alive, and other fields say nothing here
        data = line[5:].strip()
        if not data or data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return  # a broken piece: the whole answer is checked at its end
        if not isinstance(event, dict):
            return
        if event.get("error"):
            self.error = json.dumps({"error": event["error"]})
            return
        if isinstance(event.get("usage"), dict):
            self._usage = event["usage"]
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        self._finish = choices[0].get("finish_reason") or self._finish
        delta = choices[0].get("delta") or choices[0].get("message")
        if isinstance(delta, dict):
            self._take(delta)

    def _take(self, delta: dict[str, Any]) -> None:
        calls = delta.get("tool_calls")
        first = calls[0] if isinstance(calls, list) and calls else None
        function = first.get("function") if isinstance(first, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        for text, parts in (
            (delta.get("content"), self._content),
            (arguments, self._arguments),
            (delta.get("refusal"), self._refusal),
        ):
            if isinstance(text, str) and text:
                parts.append(text)
                self.pieces += 1
                self.size += len(text)

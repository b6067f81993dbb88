"""HTTP with the standard library: JSON in and out, errors as sentences."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from .errors import RunError, UsageError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Unreachable(RunError):
    """Nobody answered at the address."""


class Refused(RunError):
    """The server answered with an HTTP error; ``status`` and ``body`` say which."""

    def __init__(self, url: str, status: int, body: str) -> None:
        super().__init__(f"{url} answered with HTTP {status}: {body[:500] or '(empty)'}")
        self.status = status
        self.body = body


def normal_url(text: str) -> str:
    """A server's address with its scheme and without a slash at the end.

    Raises:
        UsageError: it is no http(s) address.
    """
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urllib.parse.urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, or brackets that do not match
        fine = False
    if not fine:
        raise UsageError(f"{text!r} is no server address; give one like http://127.0.0.1:8188")
    return url.rstrip("/")


def request(url: str, body: object = None, timeout_s: float = 30.0) -> bytes:
    """GET, or POST a JSON body; return what came back.

    Raises:
        Unreachable: no answer. Refused: an HTTP error.
    """
    data = None if body is None else json.dumps(body).encode()
    query = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    handlers: list[urllib.request.BaseHandler] = []
    if urllib.parse.urlsplit(url).hostname in _LOOPBACK:
        # A proxy would look for this address on its own machine.
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(query, timeout=timeout_s) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(url, error.code, error.read().decode("utf-8", "replace")) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(
            f"No ComfyUI answers at {url}: {reason}. Is it running, and is the address right?"
        ) from error


def get_json(url: str, timeout_s: float = 30.0) -> Any:
    """GET an address that answers with JSON."""
    return _parsed(url, request(url, timeout_s=timeout_s))


def post_json(url: str, body: object, timeout_s: float = 30.0) -> Any:
    """POST JSON; None if the answer is empty."""
    answer = request(url, body, timeout_s=timeout_s)
    return _parsed(url, answer) if answer.strip() else None


def _parsed(url: str, answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError as error:
        raise RunError(
            f"{url} did not answer with JSON, so this is not ComfyUI's API. Is the address right?"
        ) from error

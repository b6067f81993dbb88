"""One HTTP request that can be stopped, that ends in time, and whose reply is bounded.

The request runs in a thread of its own, because a blocking read cannot be interrupted: the caller
polls and walks away when it is asked to stop or when its time is over.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from ..errors import ChatDeadlineError, ChatStopped
from .streamed import StreamedReply

_POLL_S = 0.1
_CHUNK = 8192
_STREAM_CHUNK = 512  # bytes; about two events, so that progress is shown as they come
_GRACE_S = 1.0
_EVENT_OVERHEAD = 64  # bytes of a stream for each byte of the answer, at most


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back.

    Attributes:
        status: HTTP status, or 0 if no connection could be made or it broke.
        body: at most the bytes that were allowed.
        too_long: there was more.
        problem: why there is no reply, without any header of the request.
        retry_after: the header of that name.
        redirect: scheme and host that a redirect points to; it was not followed.
    """

    status: int
    body: bytes = b""
    too_long: bool = False
    problem: str = ""
    retry_after: str = ""
    redirect: str = ""


class _BearerAuth(AuthBase):
    """Sets the key, and keeps `requests` from taking one out of a .netrc file."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def post_json(
    url: str,
    payload: Mapping[str, Any],
    *,
    key: str,
    direct: bool,
    connect_timeout_s: float,
    deadline: float,
    max_bytes: int,
    should_stop: Callable[[], bool],
    waiting: Callable[[int], None],
) -> HttpReply:
    """POST JSON and read the reply.

    Args:
        url: goes there and nowhere else; redirects are not followed.
        key: bearer token, or "".
        direct: ignore proxies of the environment (for this machine itself).
        deadline: `time.monotonic()` at which the caller's time is over.
        max_bytes: of the decoded reply.
        should_stop: polled ten times a second; it may also raise, which ends the call alike.
        waiting: called as often, for progress, with the pieces of a streamed reply so far.

    Raises:
        ChatStopped: `should_stop` returned true.
        ChatDeadlineError: the deadline has passed.
        Exception: what the call itself could not make a reply of.
    """
    result: queue.Queue[HttpReply | Exception] = queue.Queue(maxsize=1)
    call = _Call(url, dict(payload), key, direct, connect_timeout_s, deadline, max_bytes)

    def work() -> None:
        try:
            result.put(call.run())
        except Exception as error:  # else the caller would wait for it until the deadline
            result.put(error)

    threading.Thread(target=work, name="regional-dit-chat", daemon=True).start()
    try:
        while True:
            try:
                answer = result.get(timeout=_POLL_S)
            except queue.Empty:
                pass
            else:
                if isinstance(answer, Exception):
                    raise answer
                return answer
            if should_stop():
                raise ChatStopped("The call to the language model was stopped.")
            if time.monotonic() >= deadline:
                raise ChatDeadlineError("The time for the call to the language model is over.")
            waiting(call.pieces)
    finally:
        call.abandon()


class _Call:
    def __init__(
        self,
        url: str,
        payload: dict[str, Any],
        key: str,
        direct: bool,
        connect_timeout_s: float,
        deadline: float,
        max_bytes: int,
    ) -> None:
        self._url, self._payload, self._key, self._direct = url, payload, key, direct
        self._connect_timeout_s, self._deadline = connect_timeout_s, deadline
        self._max_bytes = max_bytes
        self._abandoned = threading.Event()
        self._response: requests.Response | None = None
        self.pieces = 0

    def abandon(self) -> None:
        """Let the thread end: nobody waits for it any more."""
        self._abandoned.set()
        response = self._response
        shutdown = getattr(getattr(response, "raw", None), "shutdown", None)
        if shutdown is not None:  # urllib3 2.3 and later: unblocks the read at once
            try:
                shutdown()
            except (OSError, ValueError, RuntimeError):
                return  # the reply had ended meanwhile

    def run(self) -> HttpReply:
        # Later than the deadline, so that it is always the waiting side that ends an overdue call.
        remaining = max(0.0, self._deadline - time.monotonic()) + _GRACE_S
        try:
            with requests.Session() as session:
                session.trust_env = not self._direct
                with session.post(
                    self._url,
                    json=self._payload,
                    headers={"Accept": "application/json, text/event-stream"},
                    auth=_BearerAuth(self._key),
                    timeout=(min(self._connect_timeout_s, remaining), remaining),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    self._response = response
                    return self._read(response)
        except requests.exceptions.SSLError:
            return HttpReply(0, problem="the encrypted connection failed (certificate or protocol)")
        except requests.exceptions.ProxyError:
            return HttpReply(0, problem="the proxy of the environment does not answer")
        except requests.exceptions.ConnectTimeout:
            return HttpReply(0, problem="no connection within the time allowed")
        except requests.exceptions.Timeout:
            return HttpReply(0, problem="no reply within the time allowed")
        except requests.exceptions.ConnectionError:
            return HttpReply(0, problem="the connection was refused, reset or not found")
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            # The text of such an error may hold headers; its class does not.
            return HttpReply(0, problem=f"the request failed ({type(error).__name__})")

    def _read(self, response: requests.Response) -> HttpReply:
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            return self._read_stream(response)
        body = bytearray()
        too_long = False
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._max_bytes:
                del body[self._max_bytes :]
                too_long = True
                break
            if self._abandoned.is_set():
                break
        redirect = ""
        if response.is_redirect or 300 <= response.status_code < 400:
            target = urlsplit(response.headers.get("Location", ""))
            redirect = f"{target.scheme}://{target.hostname}" if target.hostname else "elsewhere"
        return HttpReply(
            status=response.status_code,
            body=bytes(body),
            too_long=too_long,
            retry_after=response.headers.get("Retry-After", ""),
            redirect=redirect,
        )

    def _read_stream(self, response: requests.Response) -> HttpReply:
        """A reply in pieces; the bound is that of the answer, as each piece has much around it."""
        reply = StreamedReply()
        taken = 0
        too_long = False
        for chunk in response.iter_content(_STREAM_CHUNK):
            reply.feed(chunk)
            taken += len(chunk)
            self.pieces = reply.pieces
            too_long = reply.too_long or reply.size > self._max_bytes
            if too_long or taken > _EVENT_OVERHEAD * self._max_bytes:
                too_long = True
                break
            if self._abandoned.is_set():
                break
        body = reply.body()
        status = 502 if reply.error and response.status_code == 200 else response.status_code
        return HttpReply(status=status, body=body, too_long=too_long)

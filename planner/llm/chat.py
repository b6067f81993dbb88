"""Asking an OpenAI-compatible endpoint for a JSON object.

Endpoints differ in how they can be made to answer in JSON. The client begins with the strictest way
(`json_schema`), steps down where an endpoint refuses (`json_object`, `tools`, plain text), and
remembers what worked. It retries what may pass (429, 5xx, broken connections) with growing pauses,
within one deadline, and stops when asked.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ChatDeadlineError, ChatError, ChatStopped, PlanError
from .cache import DiskStore, content_key
from .endpoints import Endpoint, cache_folder
from .http_call import HttpReply, post_json
from .protocol import (
    MODES,
    ChatQuestion,
    ChatUsage,
    Mode,
    build_payload,
    correction,
    error_text,
    may_be_the_mode,
    rejected_parameter,
    reply_text,
    retry_after_s,
    usage_of,
)
from .reply_json import find_json_object

T = TypeVar("T")

_RETRIED = {0, 408, 425, 429, 500, 502, 503, 504, 529}
_MAX_RETRIES = 4
_MAX_CORRECTIONS = 2
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 20.0
_SLICE_S = 0.05


@dataclass(slots=True)
class _Learnt:
    """What an endpoint was found to accept."""

    mode: Mode | None = None
    dropped: list[str] = field(default_factory=list)


class ChatClient:
    """Asks one endpoint. Holds no connection between calls; the key is read when it is needed."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        store: DiskStore | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.endpoint = endpoint
        self._store = DiskStore(cache_folder()) if store is None else store
        self._should_stop, self._progress = should_stop, progress
        self._key = ""
        self._deadline = 0.0
        self.usage = ChatUsage()

    def ask(self, question: ChatQuestion, check: Callable[[dict[str, Any]], T]) -> T:
        """Ask, and turn the answer into what `check` makes of it.

        Args:
            check: raises PlanError for an answer that will not do; the model is then told why and
                asked again, at most twice.

        Raises:
            ChatError: no usable answer; ChatDeadlineError, ChatStopped are kinds of it.
            EndpointError: the key is missing.
        """
        cache_key = self._cache_key(question)
        kept = self._store.get(cache_key)
        if isinstance(kept, dict):
            try:
                result = check(kept)
            except PlanError:
                self._store.remove(cache_key)
            else:
                self._progress("The same question was asked before: its answer is used again.")
                return result
        self._key = self.endpoint.read_key()
        started = time.monotonic()
        self._deadline = started + self.endpoint.total_timeout_s
        try:
            answer, result = self._ask_in_modes(question, check)
        finally:
            self._key = ""
            self.usage.seconds += time.monotonic() - started
        self._store.put(cache_key, answer)
        return result

    def _cache_key(self, question: ChatQuestion) -> str:
        return content_key(
            "reply 1",
            self.endpoint.base_url,
            self.endpoint.model,
            self.endpoint.max_tokens,
            question.system,
            question.user,
            question.schema,
            question.seed,
            question.temperature,
        )

    def _ask_in_modes(
        self, question: ChatQuestion, check: Callable[[dict[str, Any]], T]
    ) -> tuple[dict[str, Any], T]:
        learnt = self._recall()
        first = MODES.index(learnt.mode) if learnt.mode else 0
        rejected = 0
        problem = ""
        for mode in MODES[first:]:
            corrections: list[dict[str, str]] = []
            while True:
                reply = self._send(question, mode, corrections, learnt)
                if reply.status != 200:
                    problem = self._describe(reply)
                    if mode == MODES[-1] or not may_be_the_mode(reply):
                        raise ChatError(problem)
                    self._progress(f"The endpoint refused {mode}; trying the next way.")
                    break
                text = self._read(reply)
                try:
                    answer = self._without_key(find_json_object(text))
                except PlanError as error:
                    problem = str(error)
                    if corrections:
                        break  # told once already: this way does not make it write JSON
                else:
                    try:
                        result = check(answer)
                    except PlanError as error:
                        problem = str(error)
                        rejected += 1
                        if rejected > _MAX_CORRECTIONS:
                            raise self._unusable(problem) from None
                    else:
                        self._remember(_Learnt(mode, learnt.dropped))
                        return answer, result
                corrections += correction(text, problem)
                self.usage.corrections += 1
                self._progress(f"The answer will not do ({self._redact(problem)}); asking again.")
        raise self._unusable(problem)

    def _unusable(self, problem: str) -> ChatError:
        return ChatError(
            f"The endpoint {self.endpoint.name!r} ({self.endpoint.model}) gave no usable answer: "
            f"{self._redact(problem)} Try another model, or the offline planner."
        )

    def _send(
        self,
        question: ChatQuestion,
        mode: Mode,
        corrections: list[dict[str, str]],
        learnt: _Learnt,
    ) -> HttpReply:
        """One answer; retries what may pass and leaves out parameters the endpoint rejects."""
        attempt = 0
        while True:
            payload = build_payload(question, mode, corrections, self.endpoint, learnt.dropped)
            reply = self._post(payload, mode)
            self.usage.requests += 1
            asked, answered = usage_of(reply) if reply.status == 200 else (0, 0)
            self.usage.prompt_tokens += asked
            self.usage.completion_tokens += answered
            if reply.too_long:
                raise ChatError(
                    f"The endpoint {self.endpoint.name!r} sent more than "
                    f"{self.endpoint.max_reply_bytes} bytes; the reply was refused."
                )
            dropped = rejected_parameter(reply, payload)
            if dropped:
                learnt.dropped.append(dropped)
                continue
            if reply.status not in _RETRIED:
                return reply
            attempt += 1
            self.usage.retries += 1
            if attempt > _MAX_RETRIES:
                raise ChatError(f"{self._describe(reply)} Tried {attempt} times.")
            self._pause(attempt, reply)

    def _post(self, payload: dict[str, Any], mode: Mode) -> HttpReply:
        started = time.monotonic()
        asked = f"Asking {self.endpoint.model} at {self.endpoint.name} ({mode})"
        self._progress(asked)
        shown = 0

        def waiting(pieces: int) -> None:
            nonlocal shown
            seconds = int(time.monotonic() - started)
            if seconds > shown:
                shown = seconds
                written = f", {pieces} pieces of the answer" if pieces else ""
                self._progress(f"{asked}: {seconds} s{written}")

        try:
            return post_json(
                self.endpoint.chat_url,
                payload,
                key=self._key,
                direct=self.endpoint.is_loopback,
                connect_timeout_s=self.endpoint.connect_timeout_s,
                deadline=self._deadline,
                max_bytes=self.endpoint.max_reply_bytes,
                should_stop=self._should_stop,
                waiting=waiting,
            )
        except ChatDeadlineError:
            raise ChatDeadlineError(self._too_late()) from None

    def _pause(self, attempt: int, reply: HttpReply) -> None:
        pause = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _MAX_PAUSE_S)
        asked = retry_after_s(reply.retry_after)
        if asked is not None:
            pause = max(asked, 0.0)
        end = time.monotonic() + pause
        if end >= self._deadline:
            raise ChatDeadlineError(
                f"{self._describe(reply)} The next attempt would be in {pause:.0f} s, after the "
                f"{self.endpoint.total_timeout_s:g} s that this endpoint is given in all."
            )
        self._progress(f"{self._describe(reply)} Trying again in {pause:.1f} s.")
        while time.monotonic() < end:
            if self._should_stop():
                raise ChatStopped("The call to the language model was stopped.")
            time.sleep(_SLICE_S)

    def _read(self, reply: HttpReply) -> str:
        try:
            return reply_text(reply, self.endpoint.name)
        except ChatError as error:
            raise ChatError(self._redact(str(error))) from None

    def _without_key(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer that repeats the key must not carry it into a workflow or a picture."""
        if not self._key:
            return answer
        text = json.dumps(answer)  # ASCII: no escape can hide a part of the key
        return json.loads(text.replace(json.dumps(self._key)[1:-1], "***"))

    def _describe(self, reply: HttpReply) -> str:
        where = f"The endpoint {self.endpoint.name!r} ({self.endpoint.host})"
        if reply.redirect:
            return (
                f"{where} answered with a redirect to {self._redact(reply.redirect)}, which is not "
                "followed so that the key stays where it belongs. Correct base_url."
            )
        if reply.status == 0:
            return f"{where} did not answer: {reply.problem}."
        hints = {
            401: " Its key was not accepted; check the environment variable.",
            403: " Access was denied; check the key and what it may use.",
            404: f" Check base_url and the model's name ({self.endpoint.model}).",
            429: " It is asked too often, or the quota is used up.",
        }
        said = error_text(reply.body)
        quoted = f' and said: "{self._redact(said)}"' if said else ""
        return f"{where} answered {reply.status}{quoted}.{hints.get(reply.status, '')}"

    def _too_late(self) -> str:
        return (
            f"The endpoint {self.endpoint.name!r} gave no answer within "
            f"{self.endpoint.total_timeout_s:g} s; raise total_timeout_s in the endpoint file, or "
            "choose a faster model."
        )

    def _redact(self, text: str) -> str:
        """Without the key, should an endpoint repeat it."""
        if self._key:
            text = text.replace(self._key, "***")
        return re.sub(r"(?i)\bbearer\s+\S+|\bsk-[\w*.-]{4,}", "***", text)

    def _recall(self) -> _Learnt:
        value = self._store.get(self._learnt_key())
        if not isinstance(value, dict) or value.get("mode") not in MODES:
            return _Learnt()
        dropped = value.get("dropped")
        names = [name for name in dropped if isinstance(name, str)] if dropped else []
        return _Learnt(value["mode"], names)

    def _remember(self, learnt: _Learnt) -> None:
        value = {"mode": learnt.mode, "dropped": learnt.dropped}
        if self._store.get(self._learnt_key()) != value:
            self._store.put(self._learnt_key(), value)

    def _learnt_key(self) -> str:
        return content_key("learnt 1", self.endpoint.base_url, self.endpoint.model)

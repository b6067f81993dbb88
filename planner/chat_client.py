"""Asking an OpenAI-compatible endpoint for a JSON object.

Endpoints differ in how they can be made to answer in JSON. The client begins with the strictest way
(`json_schema`), steps down where an endpoint refuses (`json_object`, `tools`, plain text), and
remembers what worked. It retries what may pass (429, 5xx, broken connections) with growing pauses,
within one deadline, and stops when asked.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from .cache import DiskStore, content_key
from .endpoints import Endpoint, cache_folder
from .errors import ChatDeadlineError, ChatError, ChatStopped, PlanError
from .http_call import HttpReply, post_json
from .reply_json import find_json_object

Mode = Literal["json_schema", "json_object", "tools", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "tools", "text")

T = TypeVar("T")

_RETRIED = {0, 408, 425, 429, 500, 502, 503, 504, 529}
_REFUSED_MODE = {400, 404, 405, 415, 422, 501}
_MAX_RETRIES = 4
_MAX_CORRECTIONS = 2
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 20.0
_SLICE_S = 0.05


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """What is asked.

    Attributes:
        system, user: the two messages.
        schema: JSON Schema of the answer, in the subset that strict structured output knows.
        schema_name: letters, digits, underscores.
        seed: passed on; not every endpoint follows it.
        temperature: 0..2.
    """

    system: str
    user: str
    schema: dict[str, Any]
    schema_name: str
    seed: int = 0
    temperature: float = 0.2


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
        self.requests_sent = 0
        self._store = DiskStore(cache_folder()) if store is None else store
        self._should_stop, self._progress = should_stop, progress
        self._key = ""
        self._deadline = 0.0

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
        self._deadline = time.monotonic() + self.endpoint.total_timeout_s
        try:
            answer, result = self._ask_in_modes(question, check)
        finally:
            self._key = ""
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
                    if mode == MODES[-1] or not _may_be_the_mode(reply):
                        raise ChatError(problem)
                    self._progress(f"The endpoint refused {mode}; trying the next way.")
                    break
                text = self._reply_text(reply)
                try:
                    answer = find_json_object(text)
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
                corrections += _correction(text, problem)
                self._progress(f"The answer will not do ({problem}); asking again.")
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
            payload = _payload(question, mode, corrections, self.endpoint, learnt.dropped)
            reply = self._post(payload, mode)
            if reply.too_long:
                raise ChatError(
                    f"The endpoint {self.endpoint.name!r} sent more than "
                    f"{self.endpoint.max_reply_bytes} bytes; the reply was refused."
                )
            dropped = _rejected_parameter(reply, payload)
            if dropped:
                learnt.dropped.append(dropped)
                continue
            if reply.status not in _RETRIED:
                return reply
            attempt += 1
            if attempt > _MAX_RETRIES:
                raise ChatError(f"{self._describe(reply)} Tried {attempt} times.")
            self._pause(attempt, reply)

    def _post(self, payload: dict[str, Any], mode: Mode) -> HttpReply:
        started = time.monotonic()
        asked = f"Asking {self.endpoint.model} at {self.endpoint.name} ({mode})"
        self._progress(asked)
        shown = 0

        def waiting() -> None:
            nonlocal shown
            seconds = int(time.monotonic() - started)
            if seconds > shown:
                shown = seconds
                self._progress(f"{asked}: {seconds} s")

        self.requests_sent += 1
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
        asked = _retry_after_s(reply.retry_after)
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

    def _reply_text(self, reply: HttpReply) -> str:
        where = f"The endpoint {self.endpoint.name!r}"
        try:
            body = json.loads(reply.body.decode("utf-8"))
            message = body["choices"][0]["message"]
            content = message.get("content")
        except UnicodeDecodeError:
            raise ChatError(f"{where} sent a reply that is not UTF-8.") from None
        except (ValueError, RecursionError):
            raise ChatError(
                f"{where} sent a reply that is not JSON, or was cut off; is its base_url that of a "
                "chat completions API?"
            ) from None
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ChatError(
                f"{where} sent JSON without choices[0].message; is its base_url that of a chat "
                "completions API?"
            ) from None
        calls = message.get("tool_calls")
        if isinstance(calls, list) and calls and isinstance(calls[0], dict):
            function = calls[0].get("function")
            arguments = function.get("arguments") if isinstance(function, dict) else None
            if isinstance(arguments, dict):
                return json.dumps(arguments)
            if isinstance(arguments, str):
                return arguments
        if isinstance(content, list):  # parts: [{"type": "text", "text": ...}]
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "".join(text for text in texts if isinstance(text, str))
        if isinstance(content, str) and content.strip():
            return content
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            raise ChatError(f"The model refused: {self._redact(refusal[:200])}")
        return ""

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
        said = _error_text(reply.body)
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


def _payload(
    question: ChatQuestion,
    mode: Mode,
    corrections: list[dict[str, str]],
    endpoint: Endpoint,
    dropped: list[str],
) -> dict[str, Any]:
    system = question.system
    if mode in ("json_object", "text"):
        schema = json.dumps(question.schema, ensure_ascii=False)
        system += f"\n\nAnswer with one JSON object and nothing else. Its JSON Schema:\n{schema}"
    payload: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": question.user},
            *corrections,
        ],
        "temperature": question.temperature,
        "seed": question.seed,
        "max_tokens": endpoint.max_tokens,
        "stream": False,
    }
    if mode == "json_schema":
        payload["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": question.schema_name,
                "strict": True,
                "schema": question.schema,
            },
        }
    elif mode == "json_object":
        payload["response_format"] = {"type": "json_object"}
    elif mode == "tools":
        payload["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": question.schema_name,
                    "description": "Give the answer.",
                    "parameters": question.schema,
                },
            }
        ]
        payload["tool_choice"] = {
            "type": "function",
            "function": {"name": question.schema_name},
        }
    for name in dropped:
        if name == "max_tokens":
            payload["max_completion_tokens"] = payload.pop(name)
        else:
            payload.pop(name, None)
    return payload


def _may_be_the_mode(reply: HttpReply) -> bool:
    """Whether a refusal may be about structured output, not about the model or the key."""
    said = _error_text(reply.body).lower()
    about_model = re.search(
        r"(invalid|unknown|no such) model|model\b.{0,80}(not found|not exist|not available)", said
    )
    return reply.status in _REFUSED_MODE and not about_model


def _rejected_parameter(reply: HttpReply, payload: dict[str, Any]) -> str:
    """The optional parameter that a 400 complains about, or ""."""
    if reply.status not in (400, 422):
        return ""
    said = _error_text(reply.body)
    for name in ("temperature", "seed", "max_tokens", "max_completion_tokens"):
        if name in payload and re.search(rf"\b{name}\b", said):
            return name
    return ""


def _correction(text: str, problem: str) -> list[dict[str, str]]:
    return [
        {"role": "assistant", "content": text[:8000] or "(empty)"},
        {
            "role": "user",
            "content": f"That will not do: {problem} Answer again with the whole corrected JSON "
            "object and nothing else.",
        },
    ]


def _error_text(body: bytes) -> str:
    """What an error reply says, short; the usual shapes are unpacked."""
    text = body[:20_000].decode("utf-8", errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text if "<html" not in text.lower() else ""
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and key in value:
            value = value[key]
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    said = " ".join(said.split())
    return said if len(said) <= 300 else said[:297] + "..."


def _retry_after_s(header: str) -> float | None:
    """Seconds of a Retry-After header: a number or a date."""
    header = header.strip()
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", header):
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
        return moment.timestamp() - time.time()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None

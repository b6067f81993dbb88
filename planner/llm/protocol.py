"""What is sent to a chat completions endpoint, and how its answers are read."""

from __future__ import annotations

import email.utils
import json
import re
import time
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ChatError
from .endpoints import Endpoint
from .http_call import HttpReply

Mode = Literal["json_schema", "json_object", "tools", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "tools", "text")

# Parameters that a server may refuse, in the order in which its complaint is searched for them.
OPTIONAL = (
    "temperature",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "stream_options",
    "stream",
)
_REFUSED_MODE = {400, 404, 405, 415, 422, 501}


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
class ChatUsage:
    """What the calls to an endpoint took.

    Attributes:
        requests: sent, refused ones included; 0 where an answer was kept from before.
        retries: requests after a failure that may pass.
        corrections: answers that were sent back to the model.
        prompt_tokens, completion_tokens: as the server counts them, 0 where it does not.
        seconds: in all.
    """

    requests: int = 0
    retries: int = 0
    corrections: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


def build_payload(
    question: ChatQuestion,
    mode: Mode,
    corrections: list[dict[str, str]],
    endpoint: Endpoint,
    dropped: list[str],
) -> dict[str, Any]:
    """The body of a request; `dropped` names parameters that the endpoint does not take."""
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
        "stream": endpoint.stream,
    }
    if endpoint.stream:
        payload["stream_options"] = {"include_usage": True}
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


def may_be_the_mode(reply: HttpReply) -> bool:
    """Whether a refusal may be about structured output, not about the model or the key."""
    said = error_text(reply.body).lower()
    about_model = re.search(
        r"(invalid|unknown|no such) model|model\b.{0,80}(not found|not exist|not available)", said
    )
    return reply.status in _REFUSED_MODE and not about_model


def rejected_parameter(reply: HttpReply, payload: dict[str, Any]) -> str:
    """The optional parameter that a 400 complains about, or ""."""
    if reply.status not in (400, 422):
        return ""
    said = error_text(reply.body)
    for name in OPTIONAL:
        if name in payload and re.search(rf"\b{name}\b", said):
            return name
    return ""


def usage_of(reply: HttpReply) -> tuple[int, int]:
    """Tokens of the question and of the answer as the server counts them, 0 where it does not."""
    try:
        usage = json.loads(reply.body.decode("utf-8")).get("usage") or {}
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except (ValueError, RecursionError, AttributeError):
        return 0, 0
    asked, answered = (count if isinstance(count, int) and count > 0 else 0 for count in counts)
    return asked, answered


def correction(text: str, problem: str) -> list[dict[str, str]]:
    """The messages that tell the model why its answer will not do."""
    return [
        {"role": "assistant", "content": text[:8000] or "(empty)"},
        {
            "role": "user",
            "content": f"That will not do: {problem} Answer again with the whole corrected JSON "
            "object and nothing else.",
        },
    ]


def error_text(body: bytes) -> str:
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


def retry_after_s(header: str) -> float | None:
    """Seconds of a Retry-After header: a number or a date."""
    header = header.strip()
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", header):
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
        return moment.timestamp() - time.time()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def reply_text(reply: HttpReply, endpoint_name: str) -> str:
    """What the model wrote: the message's content, or the arguments of its tool call.

    Raises:
        ChatError: the reply is no chat completion, or the model refused.
    """
    where = f"The endpoint {endpoint_name!r}"
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
        raise ChatError(f"The model refused: {refusal[:200]}")
    return ""

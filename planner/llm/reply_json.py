"""Finding the JSON object in what a language model wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import PlanError
from ..schema import load_json

_MAX_STARTS = 64  # opening braces that are tried
_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


def find_json_object(text: str) -> dict[str, Any]:
    """The JSON object of a reply: plain, fenced, or with prose around it.

    Trailing commas are forgiven. A reply that was cut off is not completed: what is missing cannot
    be known.

    Raises:
        PlanError: there is none; says what the reply looks like.
    """
    text = _THINKING.sub("", text).strip()
    if not text:
        raise PlanError("The language model's reply is empty; expected a JSON object.")
    for candidate in (text, *_FENCE.findall(text)):
        value = _parse(candidate.strip())
        if isinstance(value, dict):
            return value
    best = _largest_object(text)
    if best is None:
        best = _largest_object(_TRAILING_COMMA.sub(r"\1", text))
    if best is not None:
        return best
    if text.count("{") > text.count("}"):
        raise PlanError("The language model's reply is JSON that was cut off.")
    raise PlanError(
        f"The language model's reply holds no JSON object; it begins with {text[:80]!r}."
    )


def _parse(text: str) -> Any:
    for attempt in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            return load_json(attempt, what="reply")
        except PlanError:
            continue
    return None


def _largest_object(text: str) -> dict[str, Any] | None:
    decoder = json.JSONDecoder()
    best: dict[str, Any] | None = None
    best_length, position = 0, 0
    for _ in range(_MAX_STARTS):
        start = text.find("{", position)
        if start < 0:
            break
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            position = start + 1
            continue
        value = _parse(text[start:end])
        if isinstance(value, dict) and end - start > best_length:
            best, best_length = value, end - start
        position = end
    return best

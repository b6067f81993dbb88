"""Reading the JSON of a plan: bounded, strict, with errors that name the path."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from .errors import PlanError

PLAN_VERSION = 1
MAX_REGIONS = 64
MAX_TEXT = 8000  # characters of one prompt
MAX_LORA_NAME = 1024  # characters
MAX_WORDS = 64
MAX_NOTES = 256
MAX_JSON = 2_000_000  # characters of a whole plan

SCHEMA_PATH = Path(__file__).with_name("plan.schema.json")


@cache
def plan_schema() -> dict[str, Any]:
    """The published JSON Schema of a plan."""
    return json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def parse_plan_json(text: str) -> dict[str, Any]:
    """Parse and check the JSON of a plan.

    Raises:
        PlanError: the text is no JSON or does not follow the schema.
    """
    value = load_json(text, what="plan")
    check_schema(value, plan_schema(), what="plan")
    return value


def load_json(text: str, *, what: str) -> Any:
    """`json.loads` for text that is not trusted.

    Rejects what JSON itself does not have (NaN, Infinity), repeated keys, lone surrogates, text
    over `MAX_JSON` characters and nesting that is too deep.

    Raises:
        PlanError: with line and column where known.
    """
    if not isinstance(text, str):
        raise PlanError(f"The {what} is a {type(text).__name__}; expected JSON text.")
    if len(text) > MAX_JSON:
        raise PlanError(f"The {what} has {len(text)} characters; expected at most {MAX_JSON}.")
    try:
        value = json.loads(
            text, parse_constant=_reject_constant, object_pairs_hook=_reject_repeated_keys
        )
        # A lone surrogate passes the parser and would only fail later, in a tokenizer or a file.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise PlanError(
            f"The {what} is not valid JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}."
        ) from None
    except RecursionError:
        raise PlanError(f"The {what} is nested too deeply to be a {what}.") from None
    except UnicodeEncodeError:
        raise PlanError(
            f"The {what} holds a broken Unicode character (a lone surrogate)."
        ) from None
    except ValueError as error:
        raise PlanError(f"The {what} is not valid JSON: {_short(str(error))}.") from None
    return value


def check_schema(value: Any, schema: dict[str, Any], *, what: str) -> None:
    """Check a parsed value against a JSON Schema (draft 2020-12).

    Raises:
        PlanError: names the path of the first error, what was got and what was expected.
    """
    # Imported here because it costs tens of milliseconds and most runs never read a plan's JSON.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        error = best_match(Draft202012Validator(schema).iter_errors(value))
    except RecursionError:
        raise PlanError(f"The {what} is nested too deeply to be a {what}.") from None
    if error is None:
        return
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path
    ).lstrip(".")
    where = f"at {path}" if path else "at the top level"
    raise PlanError(
        f"The {what} is wrong {where}: got {_got(error.instance)}, expected {_expected(error)}."
    )


def _expected(error: Any) -> str:
    rule, limit = error.validator, error.validator_value
    if rule == "type":
        names = limit if isinstance(limit, list) else [limit]
        return " or ".join(str(name) for name in names)
    if rule == "required":
        missing = [key for key in limit if key not in error.instance]
        return f"the key {missing[0]!r} too" if missing else "all required keys"
    if rule == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        return "only the keys " + ", ".join(known)
    texts = {
        "const": f"{limit!r}",
        "maximum": f"at most {limit}",
        "minimum": f"at least {limit}",
        "exclusiveMinimum": f"more than {limit}",
        "maxLength": f"at most {limit} characters",
        "minLength": f"at least {limit} characters",
        "maxItems": f"at most {limit} items",
        "minItems": f"at least {limit} items",
    }
    return texts.get(rule, _short(str(error.message)))


def _got(value: Any) -> str:
    if isinstance(value, dict):
        return _short("an object with the keys " + (", ".join(map(repr, value)) or "(none)"))
    if isinstance(value, list):
        return f"a list of {len(value)} items"
    if isinstance(value, str):
        return _short(json.dumps(value, ensure_ascii=False))
    if value is None or isinstance(value, (bool, float)):
        return json.dumps(value)
    return "a very large number" if abs(value) > 10**60 else str(value)


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _reject_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return result


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."

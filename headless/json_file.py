"""JSON from files that a person or another program wrote: what it is, or a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import UsageError


def read_json(path: Path, what: str, *, finite: bool = False) -> Any:
    """The parsed content of a file.

    Args:
        path: of the file; it may begin with a byte-order mark.
        what: the file should be, with its article, for the messages: "an API-format workflow".
        finite: whether NaN and infinity, which Python and ComfyUI's server write and read though
            JSON has no such numbers, are refused.

    Raises:
        UsageError: no such file, or no JSON that can be read, kept and sent as it is.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}; give {what}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file; expected {what} as JSON.") from error
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error}") from error
    except ValueError as error:  # a NUL in the name, which no system takes
        raise UsageError(f"{str(path)!r} is no name of a file; give {what}.") from error
    return _parse(text, str(path), finite)


def _parse(text: str, name: str, finite: bool) -> Any:
    try:
        value = json.loads(text)
        # Half a character passes the parser and fails wherever it is written.
        json.dumps(value, ensure_ascii=False, allow_nan=not finite).encode("utf-8")
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name} is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise UsageError(f"{name} is nested too deeply to be read.") from error
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{name} holds a broken Unicode character (a lone surrogate such as \\ud800)."
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{name} holds a number that cannot be used: one of thousands of digits"
            f"{', NaN or infinity' if finite else ''}."
        ) from error
    return value

"""System prompts, one Markdown file each; the first line holds the version."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parent


def read_prompt(name: str) -> str:
    """The text of `<name>.md`, without its version line."""
    text = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return re.sub(r"\A<!--.*?-->\s*", "", text).strip()


def prompt_version(name: str) -> int:
    """The version that stands in the first line of `<name>.md`."""
    first = (_FOLDER / f"{name}.md").read_text(encoding="utf-8").split("\n", 1)[0]
    match = re.fullmatch(r"<!-- version (\d+) -->", first.strip())
    return int(match[1]) if match else 0

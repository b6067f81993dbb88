"""What prompts of A1111 and its kin hold besides words."""

from __future__ import annotations

import re

from ..errors import PlanError
from ..schema import MAX_REGIONS

_TAGS = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{0,500}>", re.IGNORECASE)
_BREAK = re.compile(r"\s*,?\s*\bBREAK\b\s*,?\s*")


def tidy(text: str) -> str:
    """The text on one line, without the commas and blanks that a split leaves at its ends."""
    return " ".join(text.split()).strip(", ")


def without_tags(text: str, notes: list[str]) -> str:
    """The text without LoRA tags, which a text encoder would read as words."""
    cleaned, found = _TAGS.subn("", text)
    if found:
        notes.append(
            f"{found} tag{'s' if found > 1 else ''} such as <lora:name:1> left out: load LoRAs "
            "with a LoRA loader."
        )
    return cleaned


def without_breaks(text: str, notes: list[str]) -> str:
    """The text with commas for BREAK, where that only starts a new chunk of tokens."""
    cleaned, found = _BREAK.subn(", ", text)
    if found:
        notes.append("BREAK inside of a region starts a new chunk of tokens; read as a comma.")
    return cleaned


def require_parts(parts: list[str], what: str) -> None:
    """Raise unless there are 1 to 64 parts and none is empty."""
    if not parts:
        raise PlanError(f"The text holds no {what}; write a prompt for each.")
    if len(parts) > MAX_REGIONS:
        raise PlanError(f"The text has {len(parts)} {what}; expected at most {MAX_REGIONS}.")
    for index, part in enumerate(parts, 1):
        if not part:
            raise PlanError(
                f"Part {index} of {len(parts)} {what} is empty; say what is there, or take its "
                "separator out."
            )

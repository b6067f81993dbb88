"""Which reader a text is for."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..errors import PlanError
from ..plan import Plan
from ..schema import MAX_JSON
from .forge_couple import plan_from_forge_couple
from .invoke_ai import plan_from_invoke_ai
from .lines import plan_from_lines
from .prompt_control import plan_from_prompt_control
from .regional_prompter import plan_from_regional_prompter
from .settings import ImportSettings

AUTO = "auto"
_READERS: dict[str, Callable[[str, ImportSettings], Plan]] = {
    "Regional Prompter": plan_from_regional_prompter,
    "forge-couple": plan_from_forge_couple,
    "prompt-control": plan_from_prompt_control,
    "InvokeAI": plan_from_invoke_ai,
    "prompt @ box": lambda text, settings: plan_from_lines(text, settings.negative_prompt.strip()),
}
FORMATS = (AUTO, *_READERS)


def plan_from_text(text: str, format_name: str, settings: ImportSettings) -> Plan:
    """Read a text of another program, once.

    Args:
        text: at most two million characters.
        format_name: one of ``FORMATS``.
        settings: what stands beside the text.

    Raises:
        PlanError: an unknown format, or a text that is not of it.
    """
    if len(text) > MAX_JSON:
        raise PlanError(f"The text has {len(text)} characters; expected at most {MAX_JSON}.")
    if not text.strip():
        raise PlanError("The text is empty. Paste a prompt of " + ", ".join(_READERS) + ".")
    name = format_of(text) if format_name == AUTO else format_name
    if name not in _READERS:
        raise PlanError(f"The format is {name[:40]!r}; expected one of: {', '.join(FORMATS)}.")
    _refuse_unused(name, settings)
    return _READERS[name](text, settings)


def _refuse_unused(name: str, settings: ImportSettings) -> None:
    """Raise where a setting was changed that the format has no use for."""
    has_tiles = name in ("Regional Prompter", "forge-couple")
    is_mapped = name == "forge-couple" and bool(settings.sizes.strip())
    default = ImportSettings()
    for setting, used in (
        ("direction", has_tiles and not is_mapped),
        ("sizes", has_tiles),
        ("parts", has_tiles and not is_mapped),
    ):
        value = getattr(settings, setting)
        if not used and value.strip() != getattr(default, setting):
            why = "its mapping says" if is_mapped else "its text says itself"
            raise PlanError(
                f"{setting} is {value[:40]!r}, which {name} has no use for: {why} where the parts "
                f"lie. Set it back to {getattr(default, setting) or 'empty'!r}."
            )


def format_of(text: str) -> str:
    """The format that the text's own keywords tell.

    Raises:
        PlanError: it has none.
    """
    if re.match(r'\s*(?:\[\s*\{|\{\s*["}]|\[\s*\])', text):
        return "InvokeAI"
    if re.search(r"\b(?:ADDCOL|ADDROW|ADDBASE|ADDCOMM)\b", text):
        return "Regional Prompter"
    if re.search(r"\bCOUPLE\b|\b(?:MASK|AREA)\s*\(", text):
        return "prompt-control"
    if re.search(r"\bBREAK\b", text):
        return "Regional Prompter"
    if re.search(r"\S\s*@\s*\S", text):
        return "prompt @ box"
    if len([line for line in text.splitlines() if line.strip()]) > 1:
        return "forge-couple"
    raise PlanError(
        "The text tells no format: there is no BREAK, ADDCOL, COUPLE, MASK(), '@', JSON or second "
        "line. Choose the format, or write one region per line."
    )

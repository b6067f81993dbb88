"""A node's schema: its inputs, and which of them the editor draws as widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The /object_info of a ComfyUI: node class -> its inputs and outputs.
Schemas = Mapping[str, Mapping[str, Any]]

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
# The editor gives a number of this name a second widget that says what follows a run, unless the
# schema speaks about it.
SEED_NAMES = {"seed", "noise_seed"}


def input_specs(schema: Mapping[str, Any]) -> dict[str, tuple[Any, dict[str, Any], bool]]:
    """Name -> (type, options, is optional), in the order of the schema.

    A combo whose choices bring inputs of their own is followed by those of its first choice, as
    the editor names them: ``format``, ``format.codec``.
    """
    specs: dict[str, tuple[Any, dict[str, Any], bool]] = {}
    for section in ("required", "optional"):
        for name, spec in schema["input"].get(section, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            if options.get("hidden"):  # for older files only
                continue
            if not spec[0] == DYNAMIC_COMBO:  # noqa: SIM201  "*" is unequal to nothing
                specs[name] = (spec[0], options, section == "optional")
                continue
            first, *_ = choices = options["options"]
            keys = [choice["key"] for choice in choices]
            specs[name] = ("COMBO", {**options, "options": keys}, section == "optional")
            inner = input_specs({"input": first["inputs"]})
            specs |= {f"{name}.{key}": value for key, value in inner.items()}
    return specs


def is_widget(type_: Any, options: Mapping[str, Any]) -> bool:
    """Whether the editor draws a widget for this input (an older combo's type is its list).

    An input of several types, "FLOAT,INT", says in its options as which of them it is drawn.
    """
    drawn = isinstance(type_, list) or {type_, options.get("widgetType")} & WIDGET_TYPES
    return bool(drawn) and not options.get("forceInput")


def has_seed_control(name: str, type_: Any, options: Mapping[str, Any]) -> bool:
    """Whether the editor adds its control_after_generate widget behind this one."""
    return type_ == "INT" and bool(options.get("control_after_generate", name in SEED_NAMES))


def default_value(type_: Any, options: Mapping[str, Any]) -> Any:
    """What the editor puts into a fresh widget."""
    if "default" in options:
        return options["default"]
    if isinstance(type_, list) or type_ == "COMBO":
        return (type_ if isinstance(type_, list) else options["options"])[0]
    return {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}[type_]

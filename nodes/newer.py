"""What newer ComfyUI knows about nodes; older ones are not told."""

from __future__ import annotations

import dataclasses
from typing import Any

from comfy_api.latest import io

_KNOWN = {field.name for field in dataclasses.fields(io.Schema)}


def advanced(item: io.Input) -> io.Input:
    """The input, for the editor to fold away; hosts that do not know it show it."""
    item.extra_dict["advanced"] = True
    return item


def newer(*aliases: str, essentials: str = "", experimental: bool = False) -> dict[str, Any]:
    """Arguments of ``io.Schema`` as far as this host has them.

    Args:
        aliases: other names under which people search for the node.
        essentials: category in the editor's Essentials tab; empty: not there.
        experimental: whether the node is marked as such.
    """
    fields = {
        "search_aliases": list(aliases),
        "essentials_category": essentials or None,
        "is_experimental": experimental,
    }
    return {name: value for name, value in fields.items() if value and name in _KNOWN}

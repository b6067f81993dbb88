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


def newer(*aliases: str, experimental: bool = False) -> dict[str, Any]:
    """Arguments of ``io.Schema`` as far as this host has them.

    ``essentials_category`` is none of them: the front ends 1.49 to 1.58 list core's nodes alone as
    essentials, and with that field they file a pack's node among core's, away from the pack.

    Args:
        aliases: other names under which people search for the node.
        experimental: whether the node is marked as such.
    """
    fields = {"search_aliases": list(aliases), "is_experimental": experimental}
    return {name: value for name, value in fields.items() if value and name in _KNOWN}

"""Which regions a text means: numbers, names, "all"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import RegionError

if TYPE_CHECKING:
    from .regions import RegionSet

_MAX_DIGITS = 9  # of a number; longer ones are no region's
_SHOWN = 60  # characters of what was written, in messages


def region_indices(
    text: str, regions: RegionSet, *, what: str, empty_is_all: bool = False
) -> frozenset[int]:
    """The regions that a text lists, from 0.

    Args:
        text: numbers from 1 and names, between them commas, semicolons or new lines, such as
            "1, cat"; numbers alone also between blanks; "all" for every region. A number means the
            region in that place even where another one has it for a name.
        regions: R regions.
        what: is meant for them, such as "The LoRA x"; for messages.
        empty_is_all: whether an empty text means all of them.

    Raises:
        RegionError: a number or a name that no region has, or no region at all.
    """
    parts = [part.strip() for part in re.split(r"[,;\n]", text) if part.strip()]
    if [part.lower() for part in parts] == ["all"] or (empty_is_all and not parts):
        return frozenset(range(len(regions)))
    names = [region.name for region in regions.regions]
    found: set[int] = set()
    for part in parts:
        numbers = [_index(word, len(regions)) for word in part.split()]
        named = {index for index, name in enumerate(names) if name == part}
        if None not in numbers:
            named = {index for index in numbers if index is not None}
        if not named:
            raise RegionError(
                f"{what} is meant for region {part[:_SHOWN]!r}, but {_known(names)}, separated by "
                "commas, or 'all'."
            )
        found |= named
    if not found:
        raise RegionError(
            f"{what} names no region. Write its number, such as 1, several separated by commas, "
            "or 'all'."
        )
    return frozenset(found)


def _index(word: str, n_regions: int) -> int | None:
    """Of a number from 1 to R."""
    if not word.isdecimal() or len(word) > _MAX_DIGITS:
        return None
    return int(word) - 1 if 1 <= int(word) <= n_regions else None


def _known(names: list[str]) -> str:
    """How many regions there are, and what they are called."""
    own = ", ".join(name for name in names if name and not name.isdecimal())
    count = "there is 1 region" if len(names) == 1 else f"there are {len(names)} regions"
    return f"{count}. Expected numbers from 1 to {len(names)}" + (
        f" or one of the names {own}" if own else ""
    )

"""Who speaks while a part of the network computes one prompt alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ownership import Owner
    from .routing import Routing


class Voice:
    """Tells the routing of a call, if there is one."""

    def __init__(self) -> None:
        self.routing: Routing | None = None

    @contextmanager
    def of(self, owner: Owner) -> Iterator[None]:
        """While the text of a region, or a prompt without regions, is computed alone."""
        if self.routing is None:
            yield
            return
        with self.routing.speaking(owner):
            yield

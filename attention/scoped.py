"""Swap ``forward`` on module instances for the length of one model call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def scoped_forwards(
    replacements: Sequence[tuple[Any, Callable[..., Any]]], *, recursive: bool = True
) -> Iterator[None]:
    """Give each module its replacement forward; on exit, also after an exception, put back what
    was there, so that nothing of ours is ever left on a model.

    Args:
        replacements: (module, forward).
        recursive: keep torch.compile out of all that the forwards call, not only of themselves.
    """
    undo: list[tuple[Any, Any]] = []
    try:
        for module, forward in replacements:
            undo.append((module, module.__dict__.get("forward")))
            module.forward = without_compile(forward, recursive=recursive)
        yield
    finally:
        for module, previous in reversed(undo):
            if previous is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = previous


def without_compile(forward: Callable[..., Any], *, recursive: bool = True) -> Callable[..., Any]:
    """The function, run as written also inside a compiled model."""
    # Importing dynamo costs seconds, so it is only asked where something compiled already did.
    if "torch._dynamo" in sys.modules:
        return torch.compiler.disable(forward, recursive=recursive)
    return forward

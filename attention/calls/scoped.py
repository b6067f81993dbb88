"""Swap ``forward`` on module instances for the length of one model call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch


@contextmanager
def scoped_forwards(
    replacements: Sequence[tuple[Any, Callable[..., Any]]],
) -> Iterator[None]:
    """Give each module its replacement forward; on exit, also after an exception, put back what
    was there, so that nothing of ours is ever left on a model.

    Args:
        replacements: (module, forward). torch.compile traces the forwards, as it does the stock
            ones: those that are not written for that go through ``without_compile``.
    """
    undo: list[tuple[Any, Any]] = []
    try:
        for module, forward in replacements:
            undo.append((module, module.__dict__.get("forward")))
            module.forward = forward
        yield
    finally:
        for module, previous in reversed(undo):
            if previous is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = previous


def without_compile(forward: Callable[..., Any], *, recursive: bool = True) -> Callable[..., Any]:
    """The function, run as written also inside a compiled model.

    What is compiled cannot be seen from here: wrappers that run after ours may swap the model for a
    compiled one. So nothing is taken for granted; but making a function that the compiler leaves
    alone costs more than the call of it, so there is one for all, and each forward is its argument.

    Args:
        forward: to be left alone.
        recursive: with all that it calls, not only itself.
    """
    # Importing dynamo costs seconds. Newer PyTorch has it loaded from the start, older only where
    # something was compiled.
    if "torch._dynamo" in sys.modules:
        return partial(_left_alone(recursive), forward)
    return forward


@cache
def _left_alone(recursive: bool) -> Callable[..., Any]:
    return torch.compiler.disable(_call, recursive=recursive)


def _call(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return forward(*args, **kwargs)

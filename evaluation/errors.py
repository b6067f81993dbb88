"""Errors of the measures: each says what it got, what it expected and what to do."""

from __future__ import annotations

from ..attention.errors import RegionalError


class EvaluationError(RegionalError):
    """Pictures, regions or models that cannot be measured."""


class MissingDependencyError(EvaluationError):
    """A package or a weights file that a measure needs is not on this machine."""


def require_package(module: str, package: str, measure: str) -> None:
    """Raise unless a package can be imported.

    Raises:
        MissingDependencyError: with the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingDependencyError(
            f"{measure} needs the package {package}, which is not installed. Install it with "
            f"ComfyUI's Python: python -m pip install {package}"
        )

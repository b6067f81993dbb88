"""Every model class of the host that derives from a supported one is supported or refused by name.

A new host brings new classes; one that silently passed for its parent would get the regional
prompts on the wrong tokens (SCAIL's reference frame, for instance).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import comfy.model_base
import pytest
from regional_dit.attention.errors import UnsupportedModelError
from regional_dit.attention.families import FAMILIES, find_family
from regional_dit.attention.families.registry import REFUSED

SUPPORTED = {name for family in FAMILIES for name in family.host_classes}
DERIVED = [
    kind
    for name, kind in inspect.getmembers(comfy.model_base, inspect.isclass)
    if kind.__module__ == comfy.model_base.__name__
    and any(parent.__name__ in SUPPORTED - {"BaseModel"} for parent in kind.__mro__[1:])
]


def bare(kind: Any) -> Any:
    """A model of the class without its network."""
    return object.__new__(kind)


@pytest.mark.parametrize("kind", DERIVED, ids=lambda kind: kind.__name__)
def test_derived_classes_are_known(kind: Any) -> None:
    assert (kind.__name__ in SUPPORTED) != (kind.__name__ in REFUSED), (
        f"{kind.__name__} derives from a supported class: add it to a family's host_classes, with "
        "a tiny model that all invariants run on, or to REFUSED with the reason."
    )


@pytest.mark.refusal
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_classes_say_why(name: str, record_property: Callable[..., None]) -> None:
    kind = getattr(comfy.model_base, name, None)
    if kind is None:
        pytest.skip("this host has no such model")
    with pytest.raises(UnsupportedModelError) as error:
        find_family(bare(kind))
    said = str(error.value)
    assert name in said and REFUSED[name] in said
    record_property("refused", f"{name}: {REFUSED[name]}")


def test_a_class_that_nobody_has_seen_is_refused() -> None:
    kind = type("WAN21_Later", (comfy.model_base.WAN21,), {})
    with pytest.raises(UnsupportedModelError, match=r"derives from WAN21 \(Wan\)"):
        find_family(bare(kind))

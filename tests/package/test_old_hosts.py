"""A host that lacks a hook is told of in a sentence, never patched without effect."""

from __future__ import annotations

import inspect

import comfy.ldm.modules.attention as host_attention
import pytest
import torch
from regional_dit.attention.errors import HostError
from regional_dit.attention.families.host_checks import require_override
from regional_dit.attention.families.joint import OVERRIDE


def test_what_is_said_of_this_host_is_true() -> None:
    if OVERRIDE in inspect.getsource(host_attention):
        require_override("Flux")
    else:
        with pytest.raises(HostError, match=OVERRIDE):
            require_override("Flux")


def takes_options(q: torch.Tensor, k: object, v: object, heads: int, **_: object) -> torch.Tensor:
    return q


def takes_none(q: torch.Tensor, k: object, v: object, heads: int) -> torch.Tensor:
    return q


@pytest.mark.parametrize("old", [takes_options, takes_none])
def test_missing_override(old: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_attention, "optimized_attention", old)
    with pytest.raises(HostError, match=r"which Flux needs\. Update ComfyUI to 0\.3\.60 or later"):
        require_override("Flux")

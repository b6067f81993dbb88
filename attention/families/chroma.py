"""Chroma and Chroma Radiance: Flux's blocks without a pooled vector; Radiance works on pixels."""

from __future__ import annotations

from typing import Any

import comfy.model_base

from .flux import Flux


class Chroma(Flux):
    name = "Chroma"

    def matches(self, model: Any) -> bool:
        return isinstance(model, comfy.model_base.Chroma)

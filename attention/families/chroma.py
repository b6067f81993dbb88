"""Chroma and Chroma Radiance: Flux's blocks without a pooled vector; Radiance works on pixels."""

from __future__ import annotations

from typing import Any

import comfy.model_base

from .base import TokenShape
from .flux import Flux


class Chroma(Flux):
    name = "Chroma"

    def matches(self, model: Any) -> bool:
        return isinstance(model, comfy.model_base.Chroma)

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size
        height, width = latent
        return TokenShape(-(-height // patch), -(-width // patch), patch)

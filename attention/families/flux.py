"""Flux.1 dev and schnell: double blocks, then single blocks, over [text | image | references].

Text positions are all zero, so further text can be put anywhere in the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import comfy.model_base

from .base import TokenShape
from .joint import JointFamily


class Flux(JointFamily):
    name = "Flux"
    takes_stream: ClassVar[bool] = True

    def matches(self, model: Any) -> bool:
        return type(model) is comfy.model_base.Flux

    def blocks(self, model: Any) -> Sequence[Any]:
        net = model.diffusion_model
        return [*net.double_blocks, *net.single_blocks]

    def n_double(self, model: Any) -> int:
        return len(model.diffusion_model.double_blocks)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.params.context_in_dim

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size
        height, width = latent
        return TokenShape((height + patch // 2) // patch, (width + patch // 2) // patch, patch)

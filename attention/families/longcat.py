"""LongCat-Image: Flux's blocks, with text and image numbered on the same two position axes.

The host numbers the image from the length of the text on. That of the global prompt counts, and
every regional prompt ends there, as it does alone, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall
from .base import CallInputs
from .flux import Flux
from .joint_text import ended


class LongCatImage(Flux):
    name = "LongCat-Image"
    host_classes = ("LongCatImage",)

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        inputs = super().extended(model, call, inputs)
        place = {"shift_y": float(call.base[0]), "shift_x": float(call.base[0])}
        rope = {**place, **inputs.options.get("rope_options", {})}
        return replace(inputs, options={**inputs.options, "rope_options": rope})

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        embedder = model.diffusion_model.pe_embedder
        embed, axes = embedder.forward, model.diffusion_model.params.txt_ids_dims

        def forward(ids: torch.Tensor) -> torch.Tensor:
            return embed(ended(ids, call, axes))

        with (
            super().scoped(model, call, inputs) as changed,
            scoped_forwards([(embedder, forward)]),
        ):
            yield changed

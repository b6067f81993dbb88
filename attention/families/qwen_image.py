"""Qwen-Image and Qwen-Image-Edit: double blocks over [text | image | reference images].

Text tokens are numbered through, on all three position axes, from a start that depends on the
picture's size. Every regional prompt counts from that start, as it would alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall
from .base import CallInputs
from .joint import JointFamily
from .joint_text import restarted


class QwenImage(JointFamily):
    name = "Qwen-Image"
    host_classes = ("QwenImage",)
    takes_references: ClassVar[bool] = True

    def blocks(self, model: Any) -> Sequence[Any]:
        return model.diffusion_model.transformer_blocks

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.txt_in.in_features

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        embedder = model.diffusion_model.pe_embedder
        embed = embedder.forward

        def forward(ids: torch.Tensor) -> torch.Tensor:
            return embed(restarted(ids, call, range(3)))

        with scoped_forwards([(embedder, forward)]):
            yield inputs

"""Stable Diffusion 3 and 3.5: joint blocks over [text | image], text without positions.

SD3.5 medium has a second attention in its first blocks, over the image alone. It stays as it is:
there is no text in it, and the image is to stay one picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall
from .base import CallInputs
from .joint import JointFamily
from .joint_text import text_by_text


class SD3(JointFamily):
    name = "SD3"
    host_classes = ("SD3",)

    def blocks(self, model: Any) -> Sequence[Any]:
        return model.diffusion_model.joint_blocks

    def middle_layers(self, model: Any) -> tuple[int, int] | None:
        """Of the 24 blocks of medium as in DreamRenderer (arXiv 2503.12885); of the 38 of large
        the same share of the depth."""
        return {24: (10, 16), 38: (13, 25)}.get(self.n_layers(model))

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.context_embedder.in_features

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        """Some SD3 models first let the text attend to itself: each prompt then does so alone."""
        processor = model.diffusion_model.context_processor
        if processor is None:
            yield inputs
            return
        process = processor.forward

        def forward(context: torch.Tensor) -> torch.Tensor:
            return text_by_text(
                context, call, lambda rows, tokens, _: process(context[rows, tokens])
            )

        with scoped_forwards([(processor, forward)]):
            yield inputs

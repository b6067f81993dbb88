"""Krea 2: one stream of blocks over [text | image | references]; text positions are all zero.

The text encoder's layers are merged, and its tokens refined, by a network that attends over the
tokens of the prompt: it is run on each prompt alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall
from .base import CallInputs, TokenShape
from .joint import JointFamily
from .joint_text import text_by_text, with_text_watched


class Krea2(JointFamily):
    name = "Krea 2"
    host_classes = ("Krea2",)

    def blocks(self, model: Any) -> Sequence[Any]:
        return model.diffusion_model.blocks

    def n_double(self, model: Any) -> int:
        return 0

    def text_width(self, model: Any) -> int:
        net = model.diffusion_model
        return net.txtlayers * net.txtdim

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch
        rows, cols = (-(-side // patch) for side in latent[-2:])
        return TokenShape(rows, cols, patch, *latent[:-2])

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        fusion = model.diffusion_model.txtfusion
        fuse = fusion.forward

        def forward(x: torch.Tensor, *args: Any, **kw: Any) -> torch.Tensor:
            return text_by_text(x, call, lambda rows, at, _: fuse(x[rows, at], *args, **kw))

        with scoped_forwards([(fusion, forward)]):
            yield with_text_watched(self.name, call, inputs)

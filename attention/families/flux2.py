"""Flux.2: Flux's blocks; text tokens are numbered on a position axis of their own.

The host pads every prompt with zeros in front, to 512 tokens; a regional prompt is padded alike,
and counts its tokens from zero, as it would alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall
from ..text.prompts import Text
from .base import CallInputs
from .flux import Flux
from .joint_text import restarted

LEAST_TOKENS = 512


class Flux2(Flux):
    name = "Flux.2"
    host_classes = ("Flux2",)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        states = text["cross_attn"].to(device)
        missing = max(0, LEAST_TOKENS - states.shape[1])
        return torch.nn.functional.pad(states, (0, 0, missing, 0))

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        embedder = model.diffusion_model.pe_embedder
        embed = embedder.forward
        axes = getattr(model.diffusion_model.params, "txt_ids_dims", None) or [3]

        def forward(ids: torch.Tensor) -> torch.Tensor:
            return embed(restarted(ids, call, axes))

        with (
            super().scoped(model, call, inputs) as changed,
            scoped_forwards([(embedder, forward)]),
        ):
            yield changed

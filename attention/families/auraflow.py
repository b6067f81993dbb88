"""AuraFlow: double blocks, then single blocks, over [8 registers | text | image].

Neither text nor registers have positions. Registers are no text: see ``joint/registers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..joint.context import JointCall, Layout
from .joint import JointFamily


class AuraFlow(JointFamily):
    name = "AuraFlow"
    host_classes = ("AuraFlow",)

    def blocks(self, model: Any) -> Sequence[Any]:
        net = model.diffusion_model
        return [*net.double_layers, *net.single_layers]

    def n_double(self, model: Any) -> int:
        return len(model.diffusion_model.double_layers)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.cond_seq_linear.in_features

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        first = model.diffusion_model.register_tokens.shape[1]
        image = first + call.n_text, n_tokens
        if image[1] - image[0] != call.grid.n_tokens:
            return None
        return Layout(
            text=lambda spans: tuple((first + a, first + b) for a, b in spans),
            image=(image,),
            registers=((0, first),),
        )

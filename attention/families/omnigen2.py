"""OmniGen 2: one stream of blocks over [text | references | image], after refiners for each.

The text's refiner is run on each prompt alone. Text tokens count on all three position axes; the
references and the image follow on the first, and count rows and columns on the others. So every
regional prompt ends on the first axis where the global prompt ends, and starts anew on the others:
it stands to the image as it does alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from ..calls.scoped import scoped_forwards
from ..errors import HostError
from ..joint.context import JointCall, Layout
from ..text.prompts import Text
from .base import CallInputs
from .joint import JointFamily
from .joint_text import ended, restarted, text_by_text


class OmniGen2(JointFamily):
    name = "OmniGen 2"
    host_classes = ("Omnigen2",)

    def blocks(self, model: Any) -> Sequence[Any]:
        return model.diffusion_model.layers

    def n_double(self, model: Any) -> int:
        return 0

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.time_caption_embed.caption_embedder[1].in_features

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        states, mask = text["cross_attn"], text.get("attention_mask")
        if mask is not None:
            states = states[:, mask[0].to(states.device) > 0]
        return states.to(device)

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        counted = inputs.extra.get("num_tokens")
        if counted != call.base[0]:
            raise HostError(
                f"The positive conditioning of this {self.name} model counts {counted} text "
                f"tokens but has {call.base[0]}, and regional prompts cannot be placed then. "
                "Encode the prompt with the CLIP that was loaded with this model."
            )
        extra = {**inputs.extra, "num_tokens": call.n_text}
        return super().extended(model, call, replace(inputs, extra=extra))

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        first = n_tokens - call.grid.n_tokens
        if first < call.n_text:
            return None
        return Layout(
            lambda spans: spans, image=((first, n_tokens),), references=((call.n_text, first),)
        )

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        net = model.diffusion_model
        embedder = net.rope_embedder.rope_embedder
        swapped = [
            (embedder, _placed(embedder.forward, call)),
            *((layer, _refining(layer.forward, call)) for layer in net.context_refiner),
        ]
        with scoped_forwards(swapped):
            yield inputs


def _placed(embed: Callable[..., Any], call: JointCall) -> Callable[..., Any]:
    def forward(ids: torch.Tensor) -> torch.Tensor:
        ids = restarted(ended(ids, call, [0]), call, [1, 2])
        ids[:, call.n_text :, 0] -= call.extra[0]
        return embed(ids)

    return forward


def _refining(refine: Callable[..., Any], call: JointCall) -> Callable[..., Any]:
    """A block of the text's refiner, on each prompt alone."""

    def forward(x: torch.Tensor, mask: Any, rotary: torch.Tensor, *args: Any, **kw: Any) -> Any:
        def run(rows: slice, at: slice, _: Any) -> torch.Tensor:
            return refine(x[rows, at], mask, rotary[rows, at], *args, **kw)

        return text_by_text(x, call, run)

    return forward

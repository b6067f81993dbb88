"""HiDream: double, then single blocks over [image | T5 | last Llama layer | a Llama layer].

The Llama states of the last part are made anew for every block, those of its own layer. Text
positions are all zero. In HiDream-E1 each row of image tokens goes on with the same row of the
reference image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..errors import HostError
from ..joint.context import JointCall, Layout, Lengths, TextSpans
from ..joint.sequence import Span, Spans
from ..text.prompts import Text
from .base import CallInputs
from .joint import JointFamily
from .joint_text import with_regions

LLAMA = "encoder_hidden_states_llama3"  # argument of the network


class TwoTexts(NamedTuple):
    """A prompt's states: T5 [1, T, C] and Llama [1, layers, L, C]."""

    t5: torch.Tensor
    llama: torch.Tensor


class HiDream(JointFamily):
    name = "HiDream"
    host_classes = ("HiDream",)
    text_keys: tuple[str, ...] = ("cross_attn", "conditioning_llama3")

    def blocks(self, model: Any) -> Sequence[Any]:
        net = model.diffusion_model
        return [*net.double_stream_blocks, *net.single_stream_blocks]

    def n_double(self, model: Any) -> int:
        return len(model.diffusion_model.double_stream_blocks)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.caption_projection[-1].linear.in_features

    def text_states(self, model: Any, text: Text, device: torch.device) -> Any:
        return TwoTexts(text["cross_attn"].to(device), text["conditioning_llama3"].to(device))

    def text_lengths(self, model: Any, states: TwoTexts) -> Lengths:
        return states.t5.shape[1], states.llama.shape[2]

    def text_tokens(self, model: Any, text: Text) -> int:
        llama = text["conditioning_llama3"].shape[2]
        return super().text_tokens(model, text) + llama  # which lies in the sequence twice

    def base_lengths(self, model: Any, inputs: CallInputs) -> Lengths:
        return inputs.context.shape[1], inputs.extra[LLAMA].shape[2]

    def n_joint_text(self, call: JointCall) -> int:
        n_t5, n_llama = (a + b for a, b in zip(call.extra, call.base, strict=True))
        return n_t5 + 2 * n_llama

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        context = with_regions(inputs.context, call, part=lambda text: text.t5)
        llama = with_regions(
            inputs.extra[LLAMA], call, stream=1, dim=2, part=lambda text: text.llama
        )
        return replace(inputs, context=context, extra={**inputs.extra, LLAMA: llama})

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        n_t5, n_llama = (a + b for a, b in zip(call.extra, call.base, strict=True))
        n_pixels = n_tokens - n_t5 - 2 * n_llama
        starts = n_pixels, n_pixels + n_t5, n_pixels + n_t5 + n_llama

        def text(spans: TextSpans) -> Spans:
            t5, llama = spans
            return tuple(
                _moved(span, start) for span, start in zip((t5, llama, llama), starts, strict=True)
            )

        image, references = _rows(call, n_pixels)
        return Layout(text, image, references=references)


def _moved(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by


def _rows(call: JointCall, n_pixels: int) -> tuple[Spans, Spans]:
    """Tokens of the latent, and of the reference image to its right."""
    grid = call.grid
    if n_pixels == grid.n_tokens:
        return ((0, n_pixels),), ()
    if n_pixels == 2 * grid.n_tokens:
        rows = [2 * grid.cols * row for row in range(grid.rows)]
        return (
            tuple((row, row + grid.cols) for row in rows),
            tuple((row + grid.cols, row + 2 * grid.cols) for row in rows),
        )
    raise HostError(
        f"HiDream computes {n_pixels} image tokens for a latent of {grid.n_tokens}. With a "
        "reference image, choose a width that is a multiple of 16 pixels; otherwise remove the "
        "patch that adds tokens."
    )

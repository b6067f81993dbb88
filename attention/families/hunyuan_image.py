"""HunyuanImage 2.1: double, then single blocks over [prompt | text to be written | image].

What a prompt quotes is encoded once more, by characters (ByT5), and follows the prompt; prompts
that quote nothing have no such part. Older hosts have the image in front. Text has no positions.
The prompt's refiner, which also looks at the mean of its tokens, is run on each prompt alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..calls.scoped import scoped_forwards
from ..joint.context import JointCall, Layout, Lengths, TextSpans
from ..joint.sequence import Span, Spans
from ..text.prompts import Text
from .base import CallInputs, TokenShape
from .joint import JointFamily
from .joint_text import text_by_text, with_regions

QUOTED = "txt_byt5"  # argument of the network


class QuotingText(NamedTuple):
    """A prompt's states [1, T, C] and those of what it quotes, [1, Q, C'], or None."""

    prompt: torch.Tensor
    quoted: torch.Tensor | None


class HunyuanImage(JointFamily):
    name = "HunyuanImage 2.1"
    host_classes = ("HunyuanImage21",)
    takes_stream = True

    def blocks(self, model: Any) -> Sequence[Any]:
        net = model.diffusion_model
        return [*net.double_blocks, *net.single_blocks]

    def n_double(self, model: Any) -> int:
        return len(model.diffusion_model.double_blocks)

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size[-1]
        rows, cols = (-(-side // patch) for side in latent)
        return TokenShape(rows, cols, patch)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.txt_in.input_embedder.in_features

    def text_states(self, model: Any, text: Text, device: torch.device) -> Any:
        prompt, mask = text["cross_attn"], text.get("attention_mask")
        if mask is not None:
            prompt = prompt[:, mask[0] > 0]
        quoted = text.get("conditioning_byt5small")
        return QuotingText(prompt.to(device), None if quoted is None else quoted.to(device))

    def text_lengths(self, model: Any, states: QuotingText) -> Lengths:
        return states.prompt.shape[1], 0 if states.quoted is None else states.quoted.shape[1]

    def base_lengths(self, model: Any, inputs: CallInputs) -> Lengths:
        quoted = inputs.extra.get(QUOTED)
        return inputs.context.shape[1], 0 if quoted is None else quoted.shape[1]

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        context = with_regions(inputs.context, call, part=lambda text: text.prompt)
        if call.extra[1] == 0:
            return replace(inputs, context=context)
        given = [text.quoted for _, _, text, _ in call.texts() if text.quoted is not None]
        own = inputs.extra.get(QUOTED)
        if own is None:
            own = context.new_zeros(call.n_rows, 0, given[0].shape[2])
        shape = call.n_rows, call.extra[1] + own.shape[1], own.shape[2]
        longer = own.new_zeros(shape, device=given[0].device)  # see ``with_regions``
        longer[:, call.extra[1] :] = own
        for rows, spans, text, _ in call.texts():
            if text.quoted is not None:
                longer[rows, slice(*spans[1])] = text.quoted
        return replace(inputs, context=context, extra={**inputs.extra, QUOTED: longer})

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        n_image = call.grid.n_tokens
        n_prompt, n_quoted = (a + b for a, b in zip(call.extra, call.base, strict=True))
        if n_tokens != n_image + n_prompt + n_quoted:
            return None

        image, first = image_and_text(model, n_image, n_tokens)
        return Layout(at_starts(first, first + n_prompt), image=(image,))

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        refiner = model.diffusion_model.txt_in
        alone = _refining(refiner.forward, call)
        with scoped_forwards([(refiner, alone)]):
            yield inputs


def image_and_text(model: Any, n_image: int, n_tokens: int) -> tuple[Span, int]:
    """The image's place and where the text begins; older hosts have the image in front."""
    if getattr(model.diffusion_model.double_blocks[0], "flipped_img_txt", False):
        return (0, n_image), n_image
    return (n_tokens - n_image, n_tokens), 0


def at_starts(*starts: int) -> Callable[[TextSpans], Spans]:
    """Places in the sequence of a text's spans in the context of each stream."""

    def text(spans: TextSpans) -> Spans:
        return tuple((start + a, start + b) for (a, b), start in zip(spans, starts, strict=True))

    return text


def _refining(refine: Callable[..., torch.Tensor], call: JointCall) -> Callable[..., torch.Tensor]:
    """The refiner of the prompt's text, on each prompt alone."""

    def forward(
        x: torch.Tensor, timesteps: torch.Tensor, mask: Any, *args: Any, **kw: Any
    ) -> torch.Tensor:
        def run(rows: slice, tokens: slice, _: Any) -> torch.Tensor:
            return refine(x[rows, tokens], timesteps[rows], mask, *args, **kw)

        return text_by_text(x, call, run)

    return forward

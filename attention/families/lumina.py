"""Lumina 2 and Z-Image: one stream of blocks over [text | image], after refiners for each.

The text's refiner is run on each prompt alone. Text tokens are numbered, and the image comes next,
so that what counts in attention is how far before the image a token stands. Every regional prompt
is numbered to end right before the image, as it does alone, whatever its length.

Z-Image pads text and image to multiples of 32 tokens with learned tokens. The text's padding is
part of each prompt; the image's stands for no place of the picture (see ``joint/registers.py``).

What a prompt's mask does depends on the host: the newest ignore it, others hand it to the refiner,
and the oldest also leave the masked tokens out of the sequence. So the host is given a mask of the
whole text, and what reaches the refiner says whether masks count (see ``_refining``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ..calls.scoped import scoped_forwards
from ..errors import HostError
from ..joint.context import JointCall, Layout, Lengths
from ..text.prompts import Text
from .base import CallInputs
from .joint import JointFamily
from .joint_text import text_by_text, with_regions


class Caption(NamedTuple):
    """A prompt's states [1, T, C] and, where it has padding of its own, a mask [1, T]."""

    states: torch.Tensor
    mask: torch.Tensor | None


class Lumina2(JointFamily):
    name = "Lumina 2"
    host_classes = ("Lumina2",)
    takes_mask = True  # of the caption, in its refiner

    def matches(self, model: Any) -> bool:
        return super().matches(model) and not _is_z_image(model)

    def blocks(self, model: Any) -> Sequence[Any]:
        return model.diffusion_model.layers

    def n_double(self, model: Any) -> int:
        return 0

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.cap_embedder[1].in_features

    def text_states(self, model: Any, text: Text, device: torch.device) -> Any:
        mask = text.get("attention_mask")
        if mask is not None:  # the host, too, passes on no mask that hides nothing
            mask = None if bool((mask == 1).all()) else mask.to(device)
        return Caption(text["cross_attn"].to(device), mask)

    def text_lengths(self, model: Any, states: Caption) -> Lengths:
        return (_padded(model, states.states.shape[1]),)

    def base_lengths(self, model: Any, inputs: CallInputs) -> Lengths:
        return (_padded(model, inputs.context.shape[1]),)

    def extended(self, model: Any, call: JointCall, inputs: CallInputs) -> CallInputs:
        context = with_regions(inputs.context, call, part=lambda text: text.states)
        return replace(inputs, context=context)

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout:
        image = call.n_text, call.n_text + call.grid.n_tokens
        if n_tokens < image[1]:
            raise HostError(
                f"The positive conditioning of this {self.name} model masks some of its text, "
                "which this ComfyUI leaves out; regional prompts cannot be placed then. Remove the "
                "mask, or update ComfyUI."
            )
        return Layout(lambda spans: spans, image=(image,), registers=((image[1], n_tokens),))

    @contextmanager
    def scoped(self, model: Any, call: JointCall, inputs: CallInputs) -> Iterator[CallInputs]:
        _refuse_references(self.name, inputs)
        net = model.diffusion_model
        masked = inputs.extra.get("attention_mask") is not None
        swapped = [
            (net.rope_embedder, _before_image(net.rope_embedder.forward, call)),
            *((layer, _refining(layer.forward, call, masked)) for layer in net.context_refiner),
        ]
        if _multiple(model) > 1:
            swapped.append((net.cap_embedder, _padding(net.cap_embedder, net.cap_pad_token, call)))
        with scoped_forwards(swapped):
            yield replace(inputs, extra=_extra(call, inputs))


class ZImage(Lumina2):
    name = "Z-Image"

    def matches(self, model: Any) -> bool:
        return JointFamily.matches(self, model) and _is_z_image(model)


def _refuse_references(family: str, inputs: CallInputs) -> None:
    """Newer hosts number the tokens of reference images in front of the prompt."""
    given = [key for key in ("ref_latents", "ref_contexts") if inputs.extra.get(key)]
    if given:
        raise HostError(
            f"The positive conditioning of this {family} model has reference images "
            f"({', '.join(given)}), which regional prompts cannot be combined with here. Remove "
            "the references, or the regional patch."
        )


def _is_z_image(model: Any) -> bool:
    """Its blocks are modulated by a linear layer alone, Lumina's by an activation and a layer."""
    return len(model.diffusion_model.layers[0].adaLN_modulation) == 1


def _multiple(model: Any) -> int:
    return getattr(model.diffusion_model, "pad_tokens_multiple", None) or 1


def _padded(model: Any, n_tokens: int) -> int:
    multiple = _multiple(model)
    return -(-n_tokens // multiple) * multiple


def _extra(call: JointCall, inputs: CallInputs) -> dict[str, Any]:
    """Keyword arguments of the network, for the text with the regional prompts in it."""
    extra = dict(inputs.extra)
    if "num_tokens" in extra:  # older hosts take as many tokens of the text as it says
        extra["num_tokens"] = call.n_text
    mask = _whole_mask(call, inputs)
    if mask is not None:
        extra["attention_mask"] = mask
    return extra


def _whole_mask(call: JointCall, inputs: CallInputs) -> torch.Tensor | None:
    """A mask [B, T] over all prompts where one of them has a mask. Of the regional prompts it hides
    nothing: it only makes the host show what it does with masks."""
    given = inputs.extra.get("attention_mask")
    if given is not None:
        behind = call.base[0] - given.shape[1]  # padding tokens
        return torch.nn.functional.pad(given, (call.extra[0], behind), value=1)
    masks = [text.mask for _, _, text, _ in call.texts() if text.mask is not None]
    return masks[0].new_ones(call.n_rows, call.n_text) if masks else None


def _refining(refine: Callable[..., Any], call: JointCall, masked: bool) -> Callable[..., Any]:
    """A block of the text's refiner, on each prompt alone.

    Args:
        refine: the block.
        call: says where each text lies.
        masked: whether the conditioning's own prompt has a mask.
    """

    def forward(
        x: torch.Tensor, x_mask: Any, freqs_cis: torch.Tensor, *args: Any, **kw: Any
    ) -> Any:
        def run(rows: slice, tokens: slice, text: Caption | None) -> torch.Tensor:
            mask = None
            if x_mask is not None:  # else no prompt has one, or the host ignores masks
                if text is not None:
                    mask = _mask(text, tokens.stop - tokens.start)
                elif masked:
                    mask = x_mask[rows, tokens]
            return refine(x[rows, tokens], mask, freqs_cis[rows, tokens], *args, **kw)

        return text_by_text(x, call, run)

    return forward


def _mask(text: Caption, n_tokens: int) -> torch.Tensor | None:
    if text.mask is None:
        return None
    return torch.nn.functional.pad(text.mask, (0, n_tokens - text.mask.shape[1]), value=1)


def _padding(embedder: Any, pad_token: torch.Tensor, call: JointCall) -> Callable[..., Any]:
    """The text's embedding with padding tokens behind each regional prompt; the host does the same
    for the prompt that comes last."""
    embed = embedder.forward

    def forward(context: torch.Tensor) -> torch.Tensor:
        embedded = embed(context)
        for rows, spans, text, _ in call.texts():
            start, stop = spans[0]
            embedded[rows, start + text.states.shape[1] : stop] = pad_token.to(embedded)
        return embedded

    return forward


def _before_image(embed: Callable[..., Any], call: JointCall) -> Callable[..., Any]:
    """Position tables in which every prompt ends right before the image.

    Text tokens come numbered through, and the image as the number after the last of them. Where
    both are in one table, it begins with the text, at 0 or 1; newer hosts make a table for each and
    begin at 1. What is numbered below the text is padding of the image.
    """

    def forward(ids: torch.Tensor) -> torch.Tensor:
        both = ids.shape[1] >= call.n_text + call.grid.n_tokens
        first = ids[:1, :1, 0] if both else 1
        moves = ids.new_full((call.n_rows, call.n_text + 2), -call.extra[0])
        moves[:, -1] = 0  # of padding, place -1
        for rows, spans, *_ in call.texts():
            start, stop = spans[0]
            moves[rows, start:stop] = call.base[0] - stop
        moved = ids.expand(call.n_rows, -1, -1).clone()  # newer hosts make one row for all
        places = (moved[..., 0] - first).long() % moves.shape[1]
        moved[..., 0] += moves.gather(1, places)
        return embed(moved)

    return forward

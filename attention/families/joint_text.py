"""The text of joint attention: put into the context, run prompt by prompt, numbered, watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..errors import HostError
from ..joint.context import JointCall
from ..lora.routing import PLAIN
from .base import CallInputs


def with_regions(
    context: torch.Tensor,
    call: JointCall,
    *,
    stream: int = 0,
    dim: int = 1,
    part: Callable[[Any], torch.Tensor] = lambda states: states,
) -> torch.Tensor:
    """The context of one text stream with the regional texts before the conditioning's own.

    Args:
        context: [B, T, C], or with its tokens along another axis.
        call: says where each text goes; what it leaves free is zero.
        stream: index of the stream.
        dim: axis of the tokens.
        part: the stream's tensor of a regional text's states, [1, T_r, C].

    Returns:
        The context on the device of the regional texts.
    """
    shape = list(context.shape)
    shape[dim] += call.extra[stream]
    texts = [(rows, spans, part(states)) for rows, spans, states, _ in call.texts()]
    # The host hands the context over where it was encoded, mostly on the CPU. Regional texts are on
    # the device already: fetching them back would wait for the device, text by text at every step.
    device = texts[0][2].device if texts else context.device
    longer = context.new_zeros(shape, device=device)
    longer.narrow(dim, call.extra[stream], context.shape[dim]).copy_(context)
    for rows, spans, tokens in texts:
        longer[rows].narrow(dim, spans[stream][0], tokens.shape[dim]).copy_(tokens)
    return longer


def text_by_text(
    x: torch.Tensor, call: JointCall, run: Callable[[slice, slice, Any], torch.Tensor]
) -> torch.Tensor:
    """Run a layer over the text of all prompts [B, T, C] on each prompt alone.

    Args:
        x: text of the first stream.
        call: says where each text lies.
        run: (rows, tokens, states of the regional text or None) -> the layer's [b, t, D].

    Returns:
        [B, T, D].
    """
    base = slice(call.extra[0], x.shape[1])
    with call.voice.of(PLAIN):
        own = run(slice(None), base, None)
    out = own.new_zeros(*x.shape[:2], own.shape[2])
    out[:, base] = own
    for rows, spans, states, owner in call.texts():
        tokens = slice(*spans[0])
        with call.voice.of(owner):
            out[rows, tokens] = run(rows, tokens, states)
    return out


def restarted(ids: torch.Tensor, call: JointCall, axes: Sequence[int]) -> torch.Tensor:
    """Position ids whose text counts from its first token again in every prompt.

    Args:
        ids: [B or 1, T + .., A] with the text of the first stream in front, numbered through.
        call: says where each text lies.
        axes: of the ids that number the text.

    Returns:
        [B, T + .., A], as the prompts may differ from row to row.
    """
    return _moved(ids, call, axes, lambda start, _: -start)


def ended(ids: torch.Tensor, call: JointCall, axes: Sequence[int]) -> torch.Tensor:
    """Position ids whose text ends in every prompt where the global prompt ends.

    For networks that number the image after the text: what counts is how far before the image a
    token stands, and so it stands there as in its prompt alone, whatever the prompt's length.
    Arguments and result as in ``restarted``.
    """
    return _moved(ids, call, axes, lambda _, stop: call.base[0] - stop)


def _moved(
    ids: torch.Tensor, call: JointCall, axes: Sequence[int], by: Callable[[int, int], int]
) -> torch.Tensor:
    """The global text's ids from 0 on; those of a regional one at (start, stop) moved by that."""
    ids = ids.expand(call.n_rows, -1, -1).clone()
    for axis in axes:
        ids[:, call.extra[0] : call.n_text, axis] -= call.extra[0]
        for rows, spans, *_ in call.texts():
            start, stop = spans[0]
            ids[rows, start:stop, axis] += by(start, stop)
    return ids


def with_text_watched(family: str, call: JointCall, inputs: CallInputs) -> CallInputs:
    """The inputs, with an error where another patch of the embedded input adds text tokens."""
    patches = inputs.options.get("patches", {})
    if "post_input" not in patches:
        return inputs

    def check(embedded: dict[str, Any]) -> dict[str, Any]:
        added = embedded["txt"].shape[1] - call.n_text
        if added:
            raise HostError(
                f"Another patch of this {family} model adds {added} tokens to the text (a "
                "USO style reference does that), so regional prompts would be looked for in "
                "the wrong place. Remove that patch, or the regional one."
            )
        return embedded

    checked = {**patches, "post_input": [*patches["post_input"], check]}
    return replace(inputs, options={**inputs.options, "patches": checked})

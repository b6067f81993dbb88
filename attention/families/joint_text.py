"""Where text stands in joint attention besides ``joint.restarted``, and who may change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ..errors import HostError
from ..joint.context import JointCall
from .base import CallInputs


def ended(ids: torch.Tensor, call: JointCall, axes: Sequence[int]) -> torch.Tensor:
    """Position ids whose text ends in every prompt where the global prompt ends.

    For networks that number the image after the text: what counts is how far before the image a
    token stands, and so it stands there as in its prompt alone, whatever the prompt's length.

    Args:
        ids: [B or 1, T + .., A] with the text of the first stream in front, numbered through.
        call: says where each text lies.
        axes: of the ids that number the text.

    Returns:
        [B, T + .., A], as the prompts may differ from row to row.
    """
    ids = ids.expand(call.n_rows, -1, -1).clone()
    for axis in axes:
        ids[:, call.extra[0] : call.n_text, axis] -= call.extra[0]
        for rows, spans, _ in call.texts():
            start, stop = spans[0]
            ids[rows, start:stop, axis] += call.base[0] - stop
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

"""Encoded prompts: what Regional Conditioning hands to the patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..canvas.regions import RegionSet
from ..errors import PromptError

if TYPE_CHECKING:
    from ..lora.spec import RegionLora

# Key that marks a CONDITIONING entry as the global prompt of a set of regional prompts. Its value
# is the plain id of that set, so it is inert on models without the patch.
MARKER = "regional_dit"

# One encoded prompt: "cross_attn" [1, T, C_text] and the tensors that the text encoder added to it.
Text = Mapping[str, torch.Tensor]


def negative_uid(uid: str) -> str:
    """What marks the negative that goes with the positive of this id."""
    return f"{uid}-negative"


@dataclass(frozen=True, slots=True, eq=False)
class RegionalPrompts:
    """Regions with one encoded prompt each; the socket type RP_REGIONAL.

    Attributes:
        uid: id that the positive conditioning carries under ``MARKER``.
        regions: R regions.
        texts: R encoded prompts, in the order of the regions.
        prompts: R prompt strings for reports ("" where CONDITIONING was given).
        notes: what reports should say about the texts.
        negative: the same regions in the negative's rows (``sampling/negatives.py``), or None.
        loras: for single regions.
    """

    uid: str
    regions: RegionSet
    texts: tuple[Text, ...]
    prompts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    negative: RegionalPrompts | None = None
    loras: tuple[RegionLora, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.prompts) == len(self.regions):
            raise PromptError(
                f"Got {len(self.texts)} prompts for {len(self.regions)} regions. Give one prompt "
                "per region, in the same order."
            )


def text_from_conditioning(conditioning: Sequence[Any], label: str) -> Text:
    """The tensors of a CONDITIONING with one entry, and what it says is so (as a true tensor).

    Args:
        conditioning: ComfyUI's [[cross_attn [1, T, C], {key: value}]].
        label: for error messages, such as "region 2".

    Raises:
        PromptError: no entry, several entries, or more than one batch row.
    """
    if len(conditioning) != 1:
        raise PromptError(
            f"The conditioning of {label} has {len(conditioning)} entries, expected exactly one. "
            "Connect a plain text encode; combined or scheduled conditionings cannot be a region."
        )
    cross_attn, extra = conditioning[0]
    if cross_attn.shape[0] != 1:
        raise PromptError(
            f"The conditioning of {label} has {cross_attn.shape[0]} batch rows, expected one."
        )
    tensors = {k: v for k, v in extra.items() if isinstance(v, torch.Tensor)}
    flags = {k: torch.tensor(True) for k, v in extra.items() if v is True}
    return {"cross_attn": cross_attn, **flags, **tensors}

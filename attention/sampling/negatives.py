"""A negative prompt for each region: the same regions once more, in the rows of the negative.

Regional negatives are a set of regional prompts of their own, whose global prompt is the sampler's
negative. They are patched by the same rule in the same layers and part of the denoising, so neither
rule nor engine knows of them. Without any, the negative's rows are none of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..canvas.regions import RegionSet
from ..errors import PromptError, RegionalError
from ..text.prompts import RegionalPrompts, Text, negative_uid
from .run import RegionalPatch


def regional_negatives(
    uid: str,
    regions: RegionSet,
    texts: Sequence[Text | None],
    whole: Text,
    labels: Sequence[str],
    notes: tuple[str, ...] = (),
) -> RegionalPrompts | None:
    """The regional prompts of the negative's rows.

    A region without a negative keeps its place, so that what lies behind it stays behind it, but
    has no weight there: its tokens follow the negative of the whole picture.

    Args:
        uid: of the positive's regional prompts.
        regions: R regions, as for the positive.
        texts: R encoded negatives, None where a region has none of its own.
        whole: the encoded negative of the whole picture.
        labels: R texts for reports.
        notes: for reports.

    Returns:
        None where no region has one.

    Raises:
        PromptError: not one per region.
    """
    if len(texts) != len(regions):
        raise PromptError(
            f"Got {len(texts)} negative prompts for {len(regions)} regions. Give one per region, "
            "in the same order."
        )
    if all(text is None for text in texts):
        return None
    weights = [
        0.0 if text is None else region.weight
        for text, region in zip(texts, regions.regions, strict=True)
    ]
    return RegionalPrompts(
        uid=negative_uid(uid),
        regions=regions.with_weights(weights),
        texts=tuple(whole if text is None else text for text in texts),
        prompts=tuple(labels),
        notes=notes,
    )


def with_negatives(patches: Iterable[RegionalPatch]) -> tuple[RegionalPatch, ...]:
    """The patches, each followed by the one of its regional negatives where it has some."""
    every: list[RegionalPatch] = []
    for patch in patches:
        every.append(patch)
        if patch.prompts.negative is not None:
            every.append(replace(patch, prompts=patch.prompts.negative))
    return tuple(every)


def check_negatives(patch: RegionalPatch) -> None:
    """Raise where the rule belongs to the words of the positive prompt.

    Raises:
        RegionalError: names the rule.
    """
    if patch.prompts.negative is not None and patch.rule.base_tokens is not None:
        raise RegionalError(
            f"The rule '{patch.rule.name}' is bound to phrases of the positive prompt, which the "
            "negative does not have, and the regions have negative prompts. Use another rule, or "
            "remove the negative prompts of the regions."
        )

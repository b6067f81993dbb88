"""Which negative prompt goes to which region, and their conditionings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...attention.canvas.regions import RegionSet
from ...attention.errors import PromptError
from ...attention.lora.spec import RegionLora
from ...attention.lora.text_encoder import encode_regions
from ...attention.sampling.negatives import regional_negatives
from ...attention.text.encode import Conditioning
from ...attention.text.padding import trim_prompts
from ...attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from ...planner.plan import Plan


def resolve_negatives(
    n_regions: int,
    lines: str,
    plan: Plan | None,
    conditionings: Sequence[Conditioning] | None,
) -> tuple[str, ...]:
    """R negative prompts, "" where a region has none, from the box, else from the plan.

    Args:
        n_regions: R.
        lines: one per line in the order of the regions, an empty line for none; lines may be
            missing at the end.
        plan: whose regions may have negatives.
        conditionings: given instead of texts; the result is then empty texts.

    Raises:
        PromptError: two sources, more lines than regions, or not one conditioning per region.
    """
    written = [line.strip() for line in lines.rstrip().splitlines()]
    if conditionings is not None:
        if written:
            raise PromptError(
                "The regions' negative prompts come from the negative_prompts box and from "
                "negative_conditionings; expected one of the two. Clear or disconnect the other."
            )
        if len(conditionings) != n_regions:
            raise PromptError(
                f"Got {len(conditionings)} negative conditionings for {n_regions} regions. Give "
                "exactly one per region."
            )
        return ("",) * n_regions
    if len(written) > n_regions:
        raise PromptError(
            f"Got {len(written)} negative prompts (lines) for {n_regions} regions. Give at most "
            "one per region; an empty line stands for a region without one."
        )
    if written:
        return (*written, *[""] * (n_regions - len(written)))
    if plan is not None:
        return tuple(region.negative.strip() for region in plan.regions)
    return ("",) * n_regions


def encode_negatives(
    clip: Any,
    uid: str,
    regions: RegionSet,
    whole: str,
    texts: Sequence[str],
    conditionings: Sequence[Conditioning] | None,
    loras: Sequence[RegionLora] = (),
    *,
    trim_padding: bool = False,
) -> tuple[Conditioning, RegionalPrompts | None]:
    """The sampler's negative, and what its rows do in the regions.

    Args:
        clip: ComfyUI's CLIP object.
        uid: of the positive's regional prompts.
        regions: R regions with their weights.
        whole: the negative of the whole picture.
        texts: R negatives of the regions, "" where a region has none.
        conditionings: R encoded ones instead.
        loras: of the regions; the text encoder part of those that act on negatives is applied to
            the negatives of their regions, not to that of the whole picture.
        trim_padding: drop the padding tokens of the regions' negatives.

    Returns:
        The conditioning as the text encoder gave it where no region has a negative; otherwise
        with the id of the regional negatives.
    """
    given = [text for text in texts if text]
    own = [index for index, text in enumerate(texts) if text]
    acting = [lora for lora in loras if lora.negative]
    negative, *encoded = encode_regions(clip, [whole], given, acting, regions, own)
    if conditionings is not None:
        encoded, given = list(conditionings), [""] * len(texts)
    if not encoded:
        return negative, None
    notes: tuple[str, ...] = ()
    if trim_padding:
        known = [] if conditionings is not None else given
        encoded, note = trim_prompts(clip, known, encoded)
        notes = (f"Negative prompts: {note}",)
    remaining = iter(encoded)
    states = [
        text_from_conditioning(next(remaining), f"region {i + 1} (negative)")
        if text or conditionings is not None
        else None
        for i, text in enumerate(texts)
    ]
    regional = regional_negatives(
        uid,
        regions,
        states,
        text_from_conditioning(negative, "the picture (negative)"),
        [text or ("(conditioning)" if conditionings is not None else "") for text in texts],
        notes,
    )
    assert regional is not None
    return [[t, {**extra, MARKER: regional.uid}] for t, extra in negative], regional

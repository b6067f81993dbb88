"""The text encoder's part of a LoRA, for the prompts of its regions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.lora

from ..canvas.regions import RegionSet
from ..text.encode import Conditioning, encode_prompts
from .adapters import read
from .spec import RegionLora


def encode_regions(
    clip: Any,
    base: Sequence[str],
    regional: Sequence[str],
    loras: Sequence[RegionLora],
    regions: RegionSet,
    indices: Sequence[int] | None = None,
) -> list[Conditioning]:
    """One CONDITIONING per prompt, as ``encode_prompts`` gives it: first ``base``, then regions.

    Each regional prompt is encoded by a clone of the encoder that has the text part of its region's
    LoRAs; all others by the encoder as it is. Regions with the same LoRAs share a clone.

    Args:
        clip: ComfyUI's CLIP object; left untouched.
        base: prompts of no region.
        regional: one prompt for each region, or for those of ``indices``.
        loras: of all regions.
        regions: R regions.
        indices: from 0, of the prompts' regions; None for all of them in order.
    """
    if indices is None:
        indices = range(len(regional))
    texts = {id(lora): patches for lora in loras if (patches := text_patches(clip, lora))}
    acting = [(lora, lora.indices(regions)) for lora in loras if id(lora) in texts]
    own = [tuple(lora for lora, chosen in acting if index in chosen) for index in indices]
    plain = [prompt for prompt, has in zip(regional, own, strict=True) if not has]
    encoded = encode_prompts(clip, [*base, *plain])
    found: list[Any] = [*encoded[: len(base)], *[None] * len(regional)]
    rest = iter(encoded[len(base) :])
    patched: dict[tuple[int, ...], Any] = {}
    for index, (prompt, has) in enumerate(zip(regional, own, strict=True)):
        if not has:
            found[len(base) + index] = next(rest)
            continue
        key = tuple(id(lora) for lora in has)
        if key not in patched:
            patched[key] = clip.clone()
            for lora in has:
                patched[key].add_patches(texts[id(lora)], lora.strength, 1.0)
        found[len(base) + index] = encode_prompts(patched[key], [prompt])[0]
    return found


def text_patches(clip: Any, lora: RegionLora) -> dict[Any, Any]:
    """The host's patches of the text encoder that the file holds; none for an encoder that is not
    the host's (the demo's), which has no weights to patch."""
    encoder = getattr(clip, "cond_stage_model", None)
    if encoder is None or lora.is_noop:
        return {}
    return read(lora.tensors, comfy.lora.model_lora_keys_clip(encoder, {}))


def lora_notes(
    clip: Any,
    loras: Sequence[RegionLora],
    regions: RegionSet,
    *,
    encoded_here: bool,
    negatives: frozenset[int] = frozenset(),
) -> tuple[str, ...]:
    """What reports say of each LoRA.

    Args:
        clip: that encodes the prompts.
        loras: of all regions.
        regions: all.
        encoded_here: whether the regional prompts are encoded by ``clip``, and were not given as
            conditionings.
        negatives: regions, from 0, whose own negative prompt is encoded by ``clip``.

    Raises:
        RegionalError: a region that is not there.
    """
    notes = []
    for lora in loras:
        numbers = ", ".join(str(index + 1) for index in sorted(lora.indices(regions)))
        note = f"LoRA {lora.name} in region {numbers}, strength {lora.strength:g}"
        if not lora.percent.is_full:
            note += f", {lora.percent.start:.0%} to {lora.percent.end:.0%} of the denoising"
        note += "." if lora.negative else ", not in the negative prompt."
        if text_patches(clip, lora):
            texts = ["prompt"] if encoded_here else []
            if lora.negative and lora.indices(regions) & negatives:
                texts.append("negative prompt")
            note += (
                f" Its text encoder part acts on the {' and the '.join(texts)} of its regions."
                if texts
                else " Its text encoder part does not act: the prompts are given as conditionings."
            )
        notes.append(note)
    return tuple(notes)

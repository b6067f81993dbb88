"""Drop the padding of regional prompts.

Flux pads every prompt to 256 tokens or more, and in joint attention all of them are computed in
every layer. A region's few words fit into a dozen. The states that remain are those of the padded
prompt, so only what the image can look at changes, not what the text encoder saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .encode import Conditioning

_NOT_TRIMMED = "Padding of regional prompts was not trimmed: "


def trim_prompts(
    clip: Any, prompts: Sequence[str], encoded: Sequence[Conditioning]
) -> tuple[list[Conditioning], str]:
    """The encoded prompts without padding tokens, and a sentence that says what was dropped.

    Args:
        clip: ComfyUI's CLIP object that encoded them.
        prompts: R prompts, or none where only conditionings are known.
        encoded: their R conditionings; left untouched.
    """
    if not prompts:
        return list(encoded), f"{_NOT_TRIMMED}they were given as conditionings, not as text."
    if not isinstance(getattr(clip, "tokenizer_options", None), Mapping):
        return list(encoded), f"{_NOT_TRIMMED}this text encoder cannot tell which tokens they are."
    trimmed, sizes = [], []
    for prompt, conditioning in zip(prompts, encoded, strict=True):
        states, extra = conditioning[0] if len(conditioning) == 1 else (None, {})
        if states is None or any(key.startswith("conditioning") for key in extra):
            return list(encoded), f"{_NOT_TRIMMED}their text states are not of one text encoder."
        kept = _real_tokens(clip, prompt, states.shape[1])
        if isinstance(kept, str):
            return list(encoded), _NOT_TRIMMED + kept
        trimmed.append([[states[:, kept].clone(), _cut(extra, kept, states.shape[1])]])
        sizes.append((trimmed[-1][0][0].shape[1], states.shape[1]))
    if all(real == padded for real, padded in sizes):
        return list(encoded), f"{_NOT_TRIMMED}they have none."
    listed = ", ".join(f"{real} of {padded}" for real, padded in sizes)
    return trimmed, f"Padding of regional prompts trimmed, tokens kept: {listed}."


def _cut(extra: Mapping[str, Any], kept: slice, n_tokens: int) -> dict[str, Any]:
    mask = extra.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.shape[1] == n_tokens:
        return {**extra, "attention_mask": mask[:, kept].clone()}
    return dict(extra)


def _real_tokens(clip: Any, prompt: str, n_states: int) -> slice | str:
    """Where the tokens lie that are no padding, or a reason why that cannot be said.

    The tokenizer itself is asked, once more with a minimum length of zero. Padding that the user
    asked for (``min_padding`` of T5TokenizerOptions) is no minimum length and stays.
    """
    padded = clip.tokenize(prompt)
    bare = clip.tokenize(prompt, tokenizer_options={f"{name}_min_length": 0 for name in padded})
    names = [name for name, chunks in padded.items() if sum(map(len, chunks)) == n_states]
    if all(_ids(bare[name]) == _ids(padded[name]) for name in padded):
        return slice(None)
    if len(names) != 1:
        return "their text states are not the tokens of one text encoder alone."
    every, real = _ids(padded[names[0]]), _ids(bare[names[0]])
    n_padding = len(every) - len(real)
    if every[: len(real)] == real:
        return slice(0, len(real))
    if every[n_padding:] == real:
        return slice(n_padding, None)
    return "the tokenizer does not keep it at one end."


def _ids(chunks: Sequence[Sequence[Sequence[Any]]]) -> list[Any]:
    """Token ids; None for what is no id (textual inversion, images)."""
    return [t[0] if isinstance(t[0], int) else None for chunk in chunks for t in chunk]

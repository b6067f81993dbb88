"""Text side of the demo model: a frozen embedding in place of CLIP and T5.

Each token of a prompt becomes the sum of three frozen vectors: its own word, the previous word and
the next word of the same phrase, so that "red circle" and "circle" of another colour differ without
any transformer. Two independent tables stand for the two text encoders of HunyuanDiT. The tables
are drawn once from a fixed seed; nothing here is trained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from .world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES

STOP_WORDS = frozenset({"a", "an", "the", "of", "in", "at", "one"})
SEPARATORS = frozenset({",", ".", ";", "and", "on", "with"})
RESERVED_SHAPES = ("cross", "ring", "star")
"""Words that keep their place in the tables; the model has not been trained to draw them."""

VOCABULARY: tuple[str, ...] = (
    *("<bos>", "<sep>", "<unk>"),
    *COLOR_NAMES,
    *BACKGROUND_NAMES,
    *SHAPES,
    *RESERVED_SHAPES,
    "background",
)
WORD_ID = {word: i for i, word in enumerate(VOCABULARY)}
BOS, SEP, UNK = (WORD_ID[w] for w in ("<bos>", "<sep>", "<unk>"))
PIECES = {i: "," if i == SEP else word for i, word in enumerate(VOCABULARY)}
"""What a token spells, for those who look a phrase up in a prompt. Articles have no token, so such
a prompt is written without them, its phrases parted by commas."""

TEXT_LEN = 32
"""Tokens per text slot; longer prompts grow by chunks of this length."""
FLUX_TEXT_STEP = 8
"""Prompts of the tiny Flux have a multiple of this many tokens."""
TEXT_DIM = 96
NEIGHBOUR_WEIGHT = 0.8


def _make_table(seed: int) -> torch.Tensor:
    """Near-orthonormal float32 [3 roles, vocabulary, TEXT_DIM], each row of norm sqrt(TEXT_DIM)."""
    generator = torch.Generator().manual_seed(seed)
    rows = 3 * len(VOCABULARY)
    m = torch.randn(max(rows, TEXT_DIM), TEXT_DIM, generator=generator, dtype=torch.float64)
    q = torch.linalg.qr(m[: max(min(rows, TEXT_DIM), TEXT_DIM)])[0]
    if rows > TEXT_DIM:
        q = torch.cat([q, torch.nn.functional.normalize(m[TEXT_DIM:], dim=-1)])
    return (q[:rows] * math.sqrt(TEXT_DIM)).float().view(3, len(VOCABULARY), TEXT_DIM)


@cache
def _tables() -> tuple[torch.Tensor, torch.Tensor]:
    """Of ``clip`` and ``t5``; made at the first prompt, since ComfyUI imports this at its start."""
    return _make_table(101), _make_table(202)


@dataclass(frozen=True, slots=True)
class TextStates:
    """Encoded prompts. Shapes: B prompts, L tokens (a multiple of :data:`TEXT_LEN`).

    Attributes:
        clip: float32 [B, L, TEXT_DIM], zero where masked.
        t5: float32 [B, L, TEXT_DIM], the second table.
        mask: float32 [B, L], 1 on tokens and 0 on padding.
    """

    clip: torch.Tensor
    t5: torch.Tensor
    mask: torch.Tensor

    def conditioning(self) -> list[list]:
        """The CONDITIONING that ComfyUI's HunyuanDiT text encoder would return."""
        options = {
            "pooled_output": self._pooled(),
            "attention_mask": self.mask,
            "conditioning_mt5xl": self.t5,
            "attention_mask_mt5xl": self.mask.clone(),
        }
        return [[self.clip, options]]

    def for_flux(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Context float32 [B, T, TEXT_DIM] and pooled vector [B, TEXT_DIM] of the tiny Flux.

        Flux has no text mask, so the context is cut to the longest prompt, in steps of
        :data:`FLUX_TEXT_STEP` tokens, as in training.
        """
        longest = int(self.mask.sum(1).max())
        length = -(-longest // FLUX_TEXT_STEP) * FLUX_TEXT_STEP
        return self.t5[:, :length], self._pooled()

    def _pooled(self) -> torch.Tensor:
        return self.clip.sum(1) / self.mask.sum(1, keepdim=True)


def tokenize(text: str) -> list[int]:
    """Word ids of a prompt, ``<bos>`` first; an unknown word becomes ``<unk>``.

    Commas, full stops, "and", "on" and "with" separate phrases; articles are dropped. Plurals,
    the spelling "grey" and a weight such as ``(red circle:1.2)`` are understood; weights have no
    effect.
    """
    ids = [BOS]
    plain = re.sub(r":\s*[\d.]+(?=\s*\))", "", text.lower()).replace("grey", "gray")
    for word in re.findall(r"\w+|[,.;]", plain):
        if word not in WORD_ID and word.removesuffix("s") in WORD_ID:
            word = word.removesuffix("s")
        if word in SEPARATORS:
            if ids[-1] != SEP and len(ids) > 1:
                ids.append(SEP)
        elif word not in STOP_WORDS:
            ids.append(WORD_ID.get(word, UNK))
    if ids[-1] == SEP:
        ids.pop()
    return ids


def encode_tokens(batch: Sequence[Sequence[int]]) -> TextStates:
    """Encode lists of word ids, padded to the next multiple of :data:`TEXT_LEN`."""
    longest = max((len(ids) for ids in batch), default=1)
    length = TEXT_LEN * max(1, math.ceil(longest / TEXT_LEN))
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(list(tokens), dtype=torch.long)
        mask[row, : len(tokens)] = 1
    word = ((ids != SEP) & (ids != BOS) & (mask > 0))[..., None]
    has_previous, has_next = word & word.roll(1, 1), word & word.roll(-1, 1)
    has_previous[:, 0] = has_next[:, -1] = False
    states = []
    for own, previous, following in _tables():
        e = own[ids]
        e = e + NEIGHBOUR_WEIGHT * previous[ids.roll(1, 1)] * has_previous
        e = e + NEIGHBOUR_WEIGHT * following[ids.roll(-1, 1)] * has_next
        states.append(e * mask[..., None])
    return TextStates(states[0], states[1], mask)


def encode(texts: str | Sequence[str]) -> TextStates:
    """Encode one prompt or a batch of prompts."""
    return encode_tokens([tokenize(t) for t in ([texts] if isinstance(texts, str) else texts)])

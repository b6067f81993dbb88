"""Stand-ins for text encoders that echo the ids of the host's real tokenizers, with marked prompts.

Where an id comes out shows where in the conditioning the host puts that token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.sd1_clip
import pytest
import torch
from comfy.text_encoders import aura_t5, flux, qwen_image, sd3_clip
from regional_dit.attention.phrases import Phrase, PhraseBinding, bind_phrases
from regional_dit.nodes.prompts.phrases import split_phrase

WIDTH = 8


class Echo(comfy.sd1_clip.ClipTokenWeightEncoder):
    """An encoder whose "embedding" of a token is its id."""

    def __init__(self, mask: bool = False, width: int = WIDTH) -> None:
        self.mask, self.width = mask, width
        self.special_tokens = {"start": 49406, "end": 49407, "pad": 49407}

    def encode(self, tokens: list[list[int]]) -> tuple:
        out = torch.tensor(tokens, dtype=torch.float32)[..., None].repeat(1, 1, self.width)
        pooled = torch.zeros(len(tokens), WIDTH)
        if not self.mask:
            return out, pooled
        return out, pooled, {"attention_mask": torch.ones(len(tokens), out.shape[1])}


class EchoClip:
    """The host's tokenizer and text encoder class, with echoes for the networks inside."""

    def __init__(self, tokenizer: Any, model_class: type, **encoders: Any) -> None:
        self.tokenizer = tokenizer
        self.cond_stage_model: Any = object.__new__(model_class)
        torch.nn.Module.__init__(self.cond_stage_model)
        for name, encoder in encoders.items():
            setattr(self.cond_stage_model, name, encoder)

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)

    def encode_from_tokens_scheduled(self, tokens: Any) -> list:
        out, pooled = self.cond_stage_model.encode_token_weights(tokens)[:2]
        return [[out, {"pooled_output": pooled}]]

    @lru_cache(maxsize=8)  # noqa: B019 - one per encoder, and they stay; each is asked many times
    def encode(self, text: str) -> torch.Tensor:
        tokens = self.tokenize(text)
        plain = {n: [[(t[0], 1.0) for t in c] for c in chunks] for n, chunks in tokens.items()}
        return self.encode_from_tokens_scheduled(plain)[0][0]


def single(name: str, attribute: str) -> dict[str, Any]:
    return {"clip_name": name, "clip": attribute, attribute: Echo(mask=True)}


def sd3(**missing: Any) -> EchoClip:
    echoes = {"clip_l": Echo(), "clip_g": Echo(), "t5xxl": Echo(width=4096)}
    echoes = {**echoes, "t5_attention_mask": False}
    return EchoClip(sd3_clip.SD3Tokenizer(), sd3_clip.SD3ClipModel, **{**echoes, **missing})


def z_image() -> EchoClip:
    names = pytest.importorskip("comfy.text_encoders.z_image", reason="no Z-Image in this ComfyUI")
    qwen = single("qwen3_4b", "qwen3_4b")
    return EchoClip(names.ZImageTokenizer(), names.ZImageTEModel, **qwen)


MAKERS: dict[str, Callable[[], EchoClip]] = {
    "flux": lambda: EchoClip(flux.FluxTokenizer(), flux.FluxClipModel, clip_l=Echo(), t5xxl=Echo()),
    "sd3": sd3,
    "sd3 without t5": lambda: sd3(t5xxl=None),
    "qwen-image": lambda: EchoClip(
        qwen_image.QwenImageTokenizer(),
        qwen_image.QwenImageTEModel,
        **single("qwen25_7b", "qwen25_7b"),
    ),
    "z-image": z_image,
    "aura": lambda: EchoClip(
        aura_t5.AuraT5Tokenizer(), aura_t5.AuraT5Model, **single("pile_t5xl", "pile_t5xl")
    ),
}


NO_CHINESE = ("flux",)


_made: dict[str, EchoClip] = {}


def clip_of(name: str) -> EchoClip:
    if name not in _made:
        _made[name] = MAKERS[name]()
    return _made[name]


@dataclass(frozen=True)
class Case:
    language: str
    prompt: str
    spans: tuple[tuple[int, int], ...]  # characters of the prompt

    @property
    def phrases(self) -> list[str]:
        return [self.prompt[a:b] for a, b in self.spans]


def cases() -> list[Case]:
    found = []
    for line in Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        language, marked = line.split(": ", 1)
        text, spans = "", []
        for outside, inside in re.findall(r"([^\[]*)(?:\[([^\]]*)\])?", marked):
            text += outside
            if inside:
                spans.append((len(text), len(text) + len(inside)))
            text += inside
        found.append(Case(language, text, tuple(spans)))
    return found


CASES = cases()


PAIRS = [
    pytest.param(name, case, id=f"{name}-{case.phrases[0]}")
    for name in MAKERS
    for case in CASES
    if case.language == "en" or name not in NO_CHINESE
]


def bind(clip: EchoClip, prompt: str, phrases: list[str | Phrase]) -> PhraseBinding:
    wanted = [p if isinstance(p, Phrase) else Phrase(p) for p in phrases]
    return bind_phrases(clip, prompt, clip.encode(prompt).shape[1], wanted, split_phrase)


def sub_tokenizer(clip: EchoClip, name: str) -> Any:
    for attribute in (name, f"clip_{name}"):
        if hasattr(clip.tokenizer, attribute):
            return getattr(clip.tokenizer, attribute)
    raise AssertionError(name)


def spelled(clip: EchoClip, prompt: str, binding: PhraseBinding, tokens: tuple[int, ...]) -> str:
    """Text of the ids that the host really puts at these places of the conditioning."""
    ids = clip.encode(prompt)[0, :, 0].long().tolist()
    text = ""
    for name, start, stop in binding.parts:
        inner = sub_tokenizer(clip, name).tokenizer
        inner = getattr(inner, "tokenizer", inner)
        part = [ids[t] for t in tokens if start <= t < stop]
        if part:
            text += inner.decode(part) + "\n"
    return text

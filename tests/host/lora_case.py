"""A tiny model of each family, and its runs with LoRAs of single regions."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import comfy.sd
import tiny_hunyuan
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.families import find_family
from regional_dit.attention.lora.spec import RegionLora
from regional_dit.attention.rules import Bind, Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_models import is_pristine
from tiny_cross import TINY as CROSS
from tiny_joint import TINY as JOINT

UID = "regions-a"

STRENGTH = 0.8

WHOLE, HALVES = split_canvas(1, 1), split_canvas(1, 2)


class HunyuanTiny:
    """The tiny HunyuanDiT with the face of the other tiny models."""

    def model(self) -> Any:
        return tiny_hunyuan.tiny_hunyuan()

    def conditioning(self, seed: int, **extra: Any) -> list[Any]:
        return tiny_hunyuan.conditioning(seed, **extra)

    def sample(self, model: Any, positive: Any, negative: Any, **kw: Any) -> torch.Tensor:
        return tiny_hunyuan.run_ksampler(model, positive, negative, **kw)


# Of these is not known where each layer's tokens lie.
REFUSED = {
    "LongCat-Image": "single_blocks.0.linear1",
    "Krea 2": "blocks.0.attn.wq",
    "OmniGen 2": "layers.0.attn.to_q",
    "HunyuanVideo 1.5": "single_blocks.0.linear1",
    "LTX-2": "transformer_blocks.0.audio_attn1.to_q",
    "Anima": "llm_adapter.in_proj",
    "Kandinsky 5": "visual_transformer_blocks.0.self_attention.to_query",
}

TINY: dict[str, Any] = {
    name: tiny
    for name, tiny in {"HunyuanDiT": HunyuanTiny(), **JOINT, **CROSS}.items()
    if name not in REFUSED and getattr(tiny, "family", "") not in REFUSED
}


class Case:
    """One tiny model, and its runs with regional prompts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tiny = TINY[name]
        self.joint = name in JOINT
        self.model = self.tiny.model()

    def patched(
        self, model: Any = None, loras: tuple[RegionLora, ...] = (), regions: RegionSet = WHOLE
    ) -> Any:
        conds = [self.tiny.conditioning(3 + i) for i in range(len(regions))]
        texts = tuple(text_from_conditioning(cond, "region") for cond in conds)
        prompts = RegionalPrompts(UID, regions, texts, ("",) * len(regions), loras=loras)
        rule = Bind(0.3) if self.joint else Couple(0.3)
        model = model or self.model
        family_layers = tuple(range(self._n_layers(model)))
        return install(model, RegionalPatch(prompts, rule, family_layers, PercentRange()))

    def _n_layers(self, model: Any) -> int:
        return find_family(model.model).n_layers(model.model)

    def run(self, model: Any, *, steps: int = 2, **kw: Any) -> torch.Tensor:
        positive = self.tiny.conditioning(1, **{MARKER: UID})
        out = self.tiny.sample(model, positive, self.tiny.conditioning(2), steps=steps, **kw)
        assert is_pristine(model) and not self.model.patches
        return out

    @cached_property
    def plain(self) -> torch.Tensor:
        """The run with one region and no LoRA, which others are held against."""
        return self.run(self.patched())

    def loaded(self, tensors: dict[str, torch.Tensor], strength: float = STRENGTH) -> Any:
        """The model with the LoRA for the whole picture, by the host's loader."""
        return comfy.sd.load_lora_for_models(self.model, None, tensors, strength, 0.0)[0]


@cache
def shared_case(name: str) -> Case:
    """One case per family for all tests: none may leave a trace on it, which each run checks."""
    return Case(name)


def lora(tensors: dict[str, torch.Tensor], regions: str = "1", **kw: Any) -> RegionLora:
    return RegionLora("test.safetensors", tensors, regions, kw.pop("strength", STRENGTH), **kw)

"""LoRA by region: one region that fills the canvas does what the host's LoRA loader does."""

from __future__ import annotations

from typing import Any

import comfy.sd
import pytest
import tiny_hunyuan
import torch
from lora_files import KINDS, lora_file
from regional_dit.attention.host import install
from regional_dit.attention.lora.spec import RegionLora
from regional_dit.attention.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_dit.attention.regions import RegionSet
from regional_dit.attention.rules import Bind, Couple
from regional_dit.attention.sampling import RegionalPatch
from regional_dit.attention.schedule import PercentRange
from regional_dit.attention.split import split_canvas
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


TINY: dict[str, Any] = {"HunyuanDiT": HunyuanTiny(), **JOINT, **CROSS}


class Case:
    """One tiny model, and its runs with regional prompts."""

    def __init__(self, name: str) -> None:
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
        from regional_dit.attention.families import find_family

        return find_family(model.model).n_layers(model.model)

    def run(self, model: Any, **kw: Any) -> torch.Tensor:
        positive = self.tiny.conditioning(1, **{MARKER: UID})
        out = self.tiny.sample(model, positive, self.tiny.conditioning(2), steps=2, **kw)
        assert is_pristine(model)
        return out

    def loaded(self, tensors: dict[str, torch.Tensor], strength: float = STRENGTH) -> Any:
        """The model with the LoRA for the whole picture, by the host's loader."""
        return comfy.sd.load_lora_for_models(self.model, None, tensors, strength, 0.0)[0]


def lora(tensors: dict[str, torch.Tensor], regions: str = "1", **kw: Any) -> RegionLora:
    return RegionLora("test.safetensors", tensors, regions, kw.pop("strength", STRENGTH), **kw)


def assert_same(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for rounding, which grows with the numbers inside the network."""
    scale = max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("name", TINY)
def test_a_full_region_equals_the_hosts_loader_in_every_family(name):
    """Every linear layer and convolution of the network has a delta."""
    case = Case(name)
    tensors = lora_file(case.model)
    wanted = case.run(case.patched(case.loaded(tensors)))
    got = case.run(case.patched(loras=(lora(tensors),)))
    assert_same(got, wanted)
    assert (wanted - case.run(case.patched())).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Flux", "HunyuanDiT", "sdxl"])
def test_a_full_region_equals_the_hosts_loader_with_every_kind(name, kind):
    case = Case(name)
    tensors = lora_file(case.model, kind)
    wanted = case.run(case.patched(case.loaded(tensors)))
    got = case.run(case.patched(loras=(lora(tensors),)))
    assert_same(got, wanted)
    assert (wanted - case.run(case.patched())).abs().max() > 1e-3

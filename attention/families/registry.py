"""The supported families, in order of detection."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedModelError
from .auraflow import AuraFlow
from .base import Family
from .chroma import Chroma
from .cosmos import Cosmos1, CosmosPredict2
from .flux import Flux
from .flux2 import Flux2
from .hidream import HiDream
from .hunyuan_dit import HunyuanDiT
from .hunyuan_image import HunyuanImage
from .ltxv import LTXV
from .lumina import Lumina2, ZImage
from .pixart import PixArt
from .qwen_image import QwenImage
from .sd3 import SD3
from .unet import SDXL, StableDiffusion
from .wan import Wan

FAMILIES: tuple[Family, ...] = (
    HunyuanDiT(),
    PixArt(),
    StableDiffusion(),
    SDXL(),
    Wan(),
    CosmosPredict2(),
    Cosmos1(),
    LTXV(),
    Flux(),
    SD3(),
    AuraFlow(),
    Chroma(),
    QwenImage(),
    HunyuanImage(),
    Flux2(),
    HiDream(),
    Lumina2(),
    ZImage(),
)


def find_family(model: Any) -> Family:
    """The family of ComfyUI's ``model_base.BaseModel``.

    Raises:
        UnsupportedModelError: names the class that it got and the families that work.
    """
    for family in FAMILIES:
        if family.matches(model):
            return family
    network = type(getattr(model, "diffusion_model", None)).__name__
    supported = ", ".join(family.name for family in FAMILIES)
    raise UnsupportedModelError(
        f"This model is a {type(model).__name__} ({network}). Patch DiT Cross-Attention supports: "
        f"{supported}. Load one of these, or connect the sampler to the unpatched model."
    )

"""The supported families, in order of detection."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedModelError
from .auraflow import AuraFlow
from .base import Family
from .chroma import Chroma
from .cosmos import Anima, Cosmos1, CosmosPredict2
from .flux import Flux
from .flux2 import Flux2
from .hidream import HiDream
from .hunyuan_dit import HunyuanDiT
from .hunyuan_image import HunyuanImage
from .hunyuan_video import HunyuanVideo15
from .kandinsky import Kandinsky5
from .krea2 import Krea2
from .longcat import LongCatImage
from .ltxav import LTXAV
from .ltxv import LTXV
from .lumina import Lumina2, ZImage
from .omnigen2 import OmniGen2
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
    Anima(),
    Cosmos1(),
    LTXV(),
    LTXAV(),
    Kandinsky5(),
    Flux(),
    SD3(),
    AuraFlow(),
    Chroma(),
    QwenImage(),
    HunyuanImage(),
    HunyuanVideo15(),
    Flux2(),
    LongCatImage(),
    Krea2(),
    OmniGen2(),
    HiDream(),
    Lumina2(),
    ZImage(),
)

# Models of the host that derive from a supported one, and why they are not patched.
REFUSED = {
    "WAN21_Vace": "VACE runs its control branch on the prompt as well, which would stay global.",
    "WAN21_HuMo": "HuMo attends to audio beside the text, and its references follow the video.",
    "WAN21_SCAIL": "SCAIL puts its reference and pose frames around those of the video.",
    "WAN21_SCAIL2": "SCAIL puts its reference and pose frames around those of the video.",
    "WAN21_CausalAR": "It computes the video piece by piece, with keys that it keeps.",
    "WAN21_FlowRVS": "It segments videos and makes none.",
    "WAN22_Animate": "Animate puts a reference frame before the video and attends to a face.",
    "WAN_Animate2": "Animate puts a reference frame before the video and attends to a face.",
    "WAN22_S2V": "S2V adds motion and reference tokens and attends to audio.",
    "WAN22_WanDancer": "WanDancer attends to music beside the text.",
    "Boogu": "Two streams with attention of their own come before those of OmniGen 2.",
    "MageFlow": "Its text and image positions are not those of Qwen-Image.",
    "HunyuanImage21Refiner": "The refiner takes a picture in the place of noise.",
    "ZImagePixelSpace": "It works on pixels, with patches of its own.",
}


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
        f"This model is a {type(model).__name__} ({network}).{_of_its_kin(model)} Patch DiT "
        f"Cross-Attention supports: {supported}. Load one of these, or connect the sampler to the "
        "unpatched model."
    )


def _of_its_kin(model: Any) -> str:
    """What keeps a model from being patched that derives from a supported one."""
    name = type(model).__name__
    if name in REFUSED:
        return f" {REFUSED[name]}"
    for parent in type(model).__mro__[1:]:
        for family in FAMILIES:
            if parent.__name__ in family.host_classes and parent.__name__ != "BaseModel":
                return (
                    f" It derives from {parent.__name__} ({family.name}), but its tokens may lie "
                    "elsewhere, and nobody has tried it."
                )
    return ""

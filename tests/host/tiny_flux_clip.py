"""Text encoders of the joint families: the host's classes and tokenizers, tiny random weights."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import comfy.sd
import comfy.text_encoders.flux
import comfy.text_encoders.sd3_clip
import pytest
import torch

FLUX_T5_DIM, CLIP_L_DIM, CLIP_G_DIM = 48, 32, 40  # as the tiny Flux reads them
SD3_DIM = 4096  # the host pads CLIP's states to this width, so T5 must have it
_FILLED_ROWS = 3000  # token embeddings beyond these stay zero: frequent words come first


def _clip_config(width: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
    }


def _t5_config(width: int) -> dict[str, int]:
    return {"d_model": width, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2}


def _llama_config(n_layers: int = 3) -> dict[str, int]:
    return {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }


def _clip(model: Any, tokenizer: Any, t5_width: int, n_layers: int = 3) -> comfy.sd.CLIP:
    target: Any = SimpleNamespace(params={}, clip=model, tokenizer=tokenizer)
    clip = comfy.sd.CLIP(
        target,
        model_options={
            "clip_l_model_config": _clip_config(CLIP_L_DIM),
            "clip_g_model_config": _clip_config(CLIP_G_DIM),
            "t5xxl_model_config": _t5_config(t5_width),
            "pile_t5xl_model_config": _t5_config(t5_width),
            "qwen25_7b_model_config": _llama_config(),
            "qwen3_4b_model_config": _llama_config(n_layers),
            "qwen3vl_4b_model_config": _llama_config(n_layers),
            "llama_model_config": _llama_config(),
            "dtype": torch.float32,
        },
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in clip.cond_stage_model.named_parameters():
            if ".visual." in name:
                continue  # big, and only for images in the prompt
            if "norm" in name.lower() and parameter.ndim == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            elif parameter.ndim == 2 and parameter.shape[0] > 10000:
                rows = torch.randn(_FILLED_ROWS, parameter.shape[1], generator=generator)
                parameter.data = torch.zeros(parameter.shape)
                parameter[:_FILLED_ROWS] = rows
                parameter[-2:] = rows[-2:]  # CLIP's start and end
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return clip


def tiny_flux_clip() -> comfy.sd.CLIP:
    """``FluxClipModel`` (CLIP-L for the pooled vector, T5 for the states) and ``FluxTokenizer``."""
    flux = comfy.text_encoders.flux
    return _clip(flux.flux_clip(dtype_t5=torch.float32), flux.FluxTokenizer, FLUX_T5_DIM)


def tiny_sd3_clip(*, t5: bool = True) -> comfy.sd.CLIP:
    """``SD3ClipModel`` (CLIP-L and CLIP-G side by side, T5 behind them) and ``SD3Tokenizer``."""
    sd3 = comfy.text_encoders.sd3_clip
    model = sd3.sd3_clip(t5=t5, dtype_t5=torch.float32)
    return _clip(model, sd3.SD3Tokenizer, SD3_DIM)


def tiny_klein_clip() -> comfy.sd.CLIP:
    """Layers 9, 18 and 27 of Qwen3; that of Z-Image, one layer of it, where the host has none."""
    flux: Any = comfy.text_encoders.flux
    if not hasattr(flux, "klein_te"):
        return TEXT_ENCODERS["Z-Image"]()
    return _clip(flux.klein_te(dtype_llama=torch.float32), flux.KleinTokenizer, FLUX_T5_DIM, 28)


def _other(
    module: str, model: str, tokenizer: str, n_layers: int = 3, **arguments: Any
) -> Callable[[], comfy.sd.CLIP]:
    """Encoder of another family; skips the test where the host has none."""

    def build() -> comfy.sd.CLIP:
        missing = f"no text encoder {module} in this ComfyUI"
        found = pytest.importorskip(f"comfy.text_encoders.{module}", reason=missing)
        made = getattr(found, model)
        # AuraFlow has a class, the others a function that makes one.
        made = made if isinstance(made, type) else made(**arguments)
        return _clip(made, getattr(found, tokenizer), FLUX_T5_DIM, n_layers)

    return build


_FLOAT: Any = {"dtype_t5": torch.float32}
TEXT_ENCODERS: dict[str, Callable[[], comfy.sd.CLIP]] = {
    "Flux": tiny_flux_clip,
    "SD3": tiny_sd3_clip,
    "Chroma": _other("pixart_t5", "pixart_te", "PixArtTokenizer", **_FLOAT),
    "AuraFlow": _other("aura_t5", "AuraT5Model", "AuraT5Tokenizer"),
    "Qwen-Image": _other("qwen_image", "te", "QwenImageTokenizer"),
    "Z-Image": _other("z_image", "te", "ZImageTokenizer"),
    "Flux.2": tiny_klein_clip,
    "Krea 2": _other("krea2", "te", "Krea2Tokenizer", 36),
    "HiDream": _other(
        "hidream", "hidream_clip", "HiDreamTokenizer", **_FLOAT, dtype_llama=torch.float32
    ),
}

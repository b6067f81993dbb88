"""A tiny HunyuanDiT of the host's own class, with random weights, and conditionings for it."""

from __future__ import annotations

from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import torch
from comfy.model_management import get_torch_device
from host_sampling import sampled

DEPTH = 6
CLIP_LEN, T5_LEN, CLIP_DIM, T5_DIM = 7, 9, 32, 64


def tiny_hunyuan(
    seed: int = 0,
    depth: int = DEPTH,
    dtype: torch.dtype = torch.float32,
    clip_len: int = CLIP_LEN,
    t5_len: int = T5_LEN,
) -> Any:
    """ModelPatcher around ``comfy.model_base.HunyuanDiT``: hidden 64, 4 heads, random weights."""
    config = comfy.supported_models.HunyuanDiT(
        {
            "image_model": "hydit",
            "depth": depth,
            "hidden_size": 64,
            "num_heads": 4,
            "mlp_ratio": 2.0,
            "text_states_dim": CLIP_DIM,
            "text_states_dim_t5": T5_DIM,
            "text_len": clip_len,
            "text_len_t5": t5_len,
            "qk_norm": True,
            "size_cond": True,
            "use_style_cond": True,
            "learn_sigma": True,
            "dtype": dtype,
        }
    )
    model = comfy.model_base.HunyuanDiT(config, device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.08
            parameter.copy_(noise.to(parameter.dtype))
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm) and module.weight is not None:
                module.weight.fill_(1.0)
    return comfy.model_patcher.ModelPatcher(model, get_torch_device(), torch.device("cpu"))


def conditioning(seed: int, **extra: Any) -> list[Any]:
    """What HunyuanDiT's text encode gives, with random states: [[clip, {...}]]."""
    generator = torch.Generator().manual_seed(1000 + seed)
    clip_mask, t5_mask = torch.zeros(1, CLIP_LEN), torch.zeros(1, T5_LEN)
    clip_mask[:, : 3 + seed % 4] = 1
    t5_mask[:, : 3 + seed % 6] = 1
    options = {
        "conditioning_mt5xl": torch.randn(1, T5_LEN, T5_DIM, generator=generator),
        "attention_mask": clip_mask,
        "attention_mask_mt5xl": t5_mask,
        "pooled_output": None,
        **extra,
    }
    return [[torch.randn(1, CLIP_LEN, CLIP_DIM, generator=generator), options]]


def run_ksampler(
    model: Any,
    positive: list[Any],
    negative: list[Any],
    *,
    batch: int = 1,
    height: int = 16,
    width: int = 12,
    cfg: float = 6.0,
    steps: int = 2,
    seed: int = 1,
    noise: torch.Tensor | None = None,
    inference: bool = True,
) -> torch.Tensor:
    """ComfyUI's KSampler, euler and sgm_uniform, on an empty latent, of the noise's size if any."""
    latent = torch.zeros((batch, 4, height, width) if noise is None else noise.shape)
    return sampled(
        model,
        positive,
        negative,
        latent,
        cfg=cfg,
        steps=steps,
        seed=seed,
        noise=noise,
        inference=inference,
    )

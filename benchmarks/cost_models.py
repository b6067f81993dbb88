"""Random models of the cross-attention families at their real width, for ``step_cost.py``.

``depth`` transformer blocks each; a UNet keeps its levels and widths but has one transformer block
where the real one has up to ten, and one residual block a level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class CostModel:
    """One family.

    Attributes:
        config: class in ``comfy.supported_models``.
        base: class in ``comfy.model_base``.
        settings: of the network, from its depth.
        text: tokens and width of a prompt.
        channels: of the latent.
        side: latent pixels a side of a token in the first layer.
        frames: latent frames of a video, or None for a picture.
        extra: makes further entries of a conditioning from its tokens.
        model: which checkpoint has this width.
    """

    config: str
    base: str
    settings: Callable[[int], dict[str, Any]]
    text: tuple[int, int]
    channels: int
    model: str
    side: int = 2
    frames: int | None = None
    extra: Callable[[int], dict[str, Any]] = field(default=lambda tokens: {})

    def build(self, depth: int, dtype: Any, device: Any) -> Any:
        import comfy.model_base
        import comfy.model_patcher
        import comfy.supported_models
        import torch

        config = getattr(comfy.supported_models, self.config)(self.settings(depth))
        config.unet_config["dtype"] = dtype
        model = getattr(comfy.model_base, self.base)(config, device=device)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.02)
        return comfy.model_patcher.ModelPatcher(model, device, device)

    def conditioning(self, seed: int, **extra: Any) -> list[Any]:
        import torch

        tokens, width = self.text
        generator = torch.Generator().manual_seed(seed)
        states = torch.randn(1, tokens, width, generator=generator)
        return [[states, {"pooled_output": None, **self.extra(tokens), **extra}]]

    def latent(self, tokens: int) -> tuple[int, ...]:
        """Shape of a square latent with this many tokens in the first layer."""
        height = math.isqrt(tokens // (self.frames or 1)) * self.side
        size = (height, height)
        return (1, self.channels, *([self.frames] if self.frames else []), *size)


def _hunyuan_dit(depth: int) -> dict[str, Any]:
    return {
        "image_model": "hydit",
        "depth": depth,
        "hidden_size": 1408,
        "num_heads": 16,
        "mlp_ratio": 4.3637,
        "text_states_dim": 1024,
        "text_states_dim_t5": 2048,
        "text_len": 77,
        "text_len_t5": 256,
        "qk_norm": True,
        "learn_sigma": True,
    }


def _hunyuan_dit_t5(tokens: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)  # the same text in runs that are compared
    clip_mask, t5_mask = torch.zeros(1, tokens), torch.zeros(1, 256)
    clip_mask[:, :20] = 1
    t5_mask[:, :24] = 1
    return {
        "conditioning_mt5xl": torch.randn(1, 256, 2048, generator=generator),
        "attention_mask": clip_mask,
        "attention_mask_mt5xl": t5_mask,
    }


def _pixart(depth: int) -> dict[str, Any]:
    return {"image_model": "pixart_sigma", "depth": depth, "pe_interpolation": 2}


UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "legacy": False,
}


def _sd15(depth: int) -> dict[str, Any]:
    return {
        **UNET,
        "context_dim": 768,
        "num_heads": 8,
        "num_head_channels": -1,
        "num_res_blocks": [1] * 4,
        "channel_mult": [1, 2, 4, 4],
        "transformer_depth": [1, 1, 1, 0],
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 0, 0],
        "transformer_depth_middle": 1,
        "use_linear_in_transformer": False,
    }


def _sdxl(depth: int) -> dict[str, Any]:
    return {
        **UNET,
        "context_dim": 2048,
        "num_head_channels": 64,
        "adm_in_channels": 2816,
        "num_classes": "sequential",
        "num_res_blocks": [1] * 3,
        "channel_mult": [1, 2, 4],
        "transformer_depth": [0, 1, 1],
        "transformer_depth_output": [0, 0, 1, 1, 1, 1],
        "transformer_depth_middle": 1,
        "use_linear_in_transformer": True,
    }


def _sdxl_pooled(tokens: int) -> dict[str, Any]:
    import torch

    return {"pooled_output": torch.zeros(1, 1280)}


def _wan(depth: int) -> dict[str, Any]:
    return {
        "image_model": "wan2.1",
        "model_type": "t2v",
        "dim": 1536,
        "ffn_dim": 8960,
        "num_heads": 12,
        "num_layers": depth,
    }


def _wan_i2v(depth: int) -> dict[str, Any]:
    return {**_wan(depth), "model_type": "i2v", "in_dim": 36}


def _clip_vision(tokens: int) -> dict[str, Any]:
    import torch

    states = torch.zeros(1, 257, 1280)
    return {"clip_vision_output": SimpleNamespace(penultimate_hidden_states=states)}


def _cosmos_predict2(depth: int) -> dict[str, Any]:
    return {
        "image_model": "cosmos_predict2",
        "max_img_h": 240,
        "max_img_w": 240,
        "max_frames": 128,
        "in_channels": 16,
        "out_channels": 16,
        "patch_spatial": 2,
        "patch_temporal": 1,
        "model_channels": 2048,
        "num_blocks": depth,
        "num_heads": 16,
        "crossattn_emb_channels": 1024,
        "pos_emb_cls": "rope3d",
        "pos_emb_learnable": True,
        "use_adaln_lora": True,
    }


def _cosmos1(depth: int) -> dict[str, Any]:
    return {
        **_cosmos_predict2(depth),
        "image_model": "cosmos",
        "model_channels": 4096,
        "num_heads": 32,
        "block_config": "FA-CA-MLP",
        "block_x_format": "THWBD",
        "affline_emb_norm": True,
        "extra_per_block_abs_pos_emb": True,
        "extra_per_block_abs_pos_emb_type": "learnable",
    }


def _ltxv(depth: int) -> dict[str, Any]:
    return {"image_model": "ltxv", "num_layers": depth}


def _padded(tokens: int) -> dict[str, Any]:
    import torch

    mask = torch.zeros(1, tokens, dtype=torch.long)
    mask[:, :32] = 1
    return {"attention_mask": mask}


MODELS: dict[str, CostModel] = {
    "hunyuan_dit": CostModel(
        "HunyuanDiT",
        "HunyuanDiT",
        _hunyuan_dit,
        (77, 1024),
        4,
        "HunyuanDiT 1.2, width 1408",
        extra=_hunyuan_dit_t5,
    ),
    "pixart": CostModel(
        "PixArtSigma", "PixArt", _pixart, (120, 4096), 4, "PixArt sigma, width 1152"
    ),
    "sd15": CostModel(
        "SD15", "BaseModel", _sd15, (77, 768), 4, "Stable Diffusion 1.5, width 320 to 1280", side=1
    ),
    "sdxl": CostModel(
        "SDXL", "SDXL", _sdxl, (77, 2048), 4, "SDXL, width 640 and 1280", extra=_sdxl_pooled
    ),
    "wan": CostModel(
        "WAN21_T2V", "WAN21", _wan, (512, 4096), 16, "Wan 2.1 1.3B, width 1536", frames=4
    ),
    "wan_i2v": CostModel(
        "WAN21_I2V",
        "WAN21",
        _wan_i2v,
        (512, 4096),
        16,
        "image to video at the width of Wan 2.1 1.3B, 1536",
        frames=4,
        extra=_clip_vision,
    ),
    "cosmos_predict2": CostModel(
        "CosmosT2IPredict2",
        "CosmosPredict2",
        _cosmos_predict2,
        (512, 1024),
        16,
        "Cosmos-Predict2 2B, width 2048",
        frames=1,
    ),
    "cosmos1": CostModel(
        "CosmosT2V", "CosmosVideo", _cosmos1, (512, 1024), 16, "Cosmos 1 7B, width 4096", frames=4
    ),
    "ltxv": CostModel(
        "LTXV", "LTXV", _ltxv, (128, 4096), 128, "LTX-Video 2B, width 2048", 1, 4, _padded
    ),
}

"""Tiny random models of the host's cross-attention classes, and conditionings for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.sample
import comfy.supported_models
import torch

CPU = torch.device("cpu")
Build = tuple[Any, Any, dict[str, Any]]


@dataclass(frozen=True)
class TinyCross:
    """One family's tiny model.

    Attributes:
        build: gives ComfyUI's model config, its BaseModel class and further arguments of it.
        family: its name.
        text_width: channels of an encoded prompt.
        latent: channels and size, (C, h, w) or (C, frames, h, w).
        sides: latent pixels a side of one token, per layer.
        odd: a latent size with odd sides, or None where ComfyUI itself takes none.
        length: tokens of a prompt.
        attention: path of the first layer's cross-attention within the network.
        key: of its key projection, within it.
        row_axis: of the rows in the arguments of the cross-attention.
        extra: makes further entries of a conditioning from (seed, tokens).
    """

    build: Callable[[], Build]
    family: str
    text_width: int
    latent: tuple[int, ...]
    sides: tuple[int, ...]
    attention: str
    key: str
    odd: tuple[int, ...] | None = None
    length: int = 7
    row_axis: int = 0
    extra: Callable[[int, int], dict[str, Any]] = field(default=lambda seed, tokens: {})

    @property
    def is_video(self) -> bool:
        return len(self.latent) == 4

    def model(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
        """ModelPatcher with random weights, norms near one.

        Args:
            seed: models of one seed have the same weights, but for rounding.
            dtype: of storage and computing; fp8 is computed in float32, as the host does it.
        """
        config, base_class, kwargs = self.build()
        config.unet_config["dtype"] = dtype
        if dtype == torch.float8_e4m3fn:
            config.set_inference_dtype(dtype, torch.float32)
        base = base_class(config, device=CPU, **kwargs)
        generator = torch.Generator().manual_seed(seed)
        norms = {
            id(module.weight)
            for module in base.modules()
            if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None
        }
        with torch.no_grad():
            for parameter in base.parameters():
                noise = torch.randn(parameter.shape, generator=generator) * 0.1
                parameter.copy_((noise + (id(parameter) in norms)).to(parameter.dtype))
        return comfy.model_patcher.ModelPatcher(base, CPU, CPU)

    def conditioning(self, seed: int, tokens: int | None = None, **extra: Any) -> list[Any]:
        """An encoded prompt; what steers the whole picture is the same for all prompts."""
        tokens = tokens or self.length
        generator = torch.Generator().manual_seed(1000 + seed)
        states = 2 * torch.randn(1, tokens, self.text_width, generator=generator)
        return [[states, {"pooled_output": None, **self.extra(seed, tokens), **extra}]]

    def sample(
        self,
        model: Any,
        positive: list[Any],
        negative: list[Any],
        *,
        batch: int = 1,
        size: tuple[int, ...] | None = None,
        cfg: float = 3.0,
        steps: int = 1,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """ComfyUI's KSampler, euler and sgm_uniform, on an empty latent."""
        shape = (batch, self.latent[0], *(size or self.latent[1:]))
        latent = torch.zeros(shape if noise is None else noise.shape)
        start = comfy.sample.prepare_noise(latent, 1) if noise is None else noise
        with torch.inference_mode():
            return comfy.sample.sample(
                model,
                start,
                steps,
                cfg,
                "euler",
                "sgm_uniform",
                positive,
                negative,
                latent,
                disable_pbar=True,
                seed=1,
            )


def _pixart() -> Build:
    config = comfy.supported_models.PixArtSigma(
        {
            "image_model": "pixart_sigma",
            "hidden_size": 48,
            "depth": 3,
            "num_heads": 4,
            "caption_channels": 40,
            "model_max_length": 11,
            "micro_condition": True,
            "mlp_ratio": 2.0,
            "pe_interpolation": 1,
        }
    )
    return config, comfy.model_base.PixArt, {}


UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 2, 2],
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "legacy": False,
}
# Levels of the attentions in the order of execution.
SD_SIDES = (1, 2, 4, 4, 4, 2, 2, 1, 1)
SDXL_SIDES = (2, 4, 4, 4, 4, 2, 2)


def _sd15() -> Build:
    config = comfy.supported_models.SD15(
        {
            **UNET,
            "context_dim": 40,
            "num_heads": 4,
            "num_head_channels": -1,
            "transformer_depth": [1, 1, 1],
            "transformer_depth_output": [1, 1, 1, 1, 1, 0],
            "transformer_depth_middle": 1,
            "use_linear_in_transformer": False,
        }
    )
    return config, comfy.model_base.BaseModel, {}


def _sdxl() -> Build:
    config = comfy.supported_models.SDXL(
        {
            **UNET,
            "context_dim": 48,
            "num_head_channels": 16,
            "adm_in_channels": 2816,
            "num_classes": "sequential",
            "transformer_depth": [0, 1, 1],
            "transformer_depth_output": [0, 0, 1, 1, 1, 1],
            "transformer_depth_middle": 1,
            "use_linear_in_transformer": True,
        }
    )
    return config, comfy.model_base.SDXL, {}


WAN = {
    "image_model": "wan2.1",
    "dim": 48,
    "ffn_dim": 64,
    "freq_dim": 32,
    "text_dim": 40,
    "num_heads": 2,
    "num_layers": 3,
    "text_len": 7,
}


def _wan_t2v() -> Build:
    config = comfy.supported_models.WAN21_T2V({**WAN, "model_type": "t2v"})
    return config, comfy.model_base.WAN21, {}


def _wan22() -> Build:
    """The 5B model: one network for text and image to video, another latent."""
    config = comfy.supported_models.WAN22_T2V(
        {**WAN, "model_type": "t2v", "in_dim": 48, "out_dim": 48}
    )
    return config, comfy.model_base.WAN22, {"image_to_video": True}


def _wan_i2v() -> Build:
    config = comfy.supported_models.WAN21_I2V({**WAN, "model_type": "i2v", "in_dim": 36})
    return config, comfy.model_base.WAN21, {"image_to_video": True}


def _wan_i2v_image(seed: int, tokens: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(77)
    states = torch.randn(1, 257, 1280, generator=generator)
    picture = torch.randn(1, 16, 3, 8, 6, generator=generator)
    vision = SimpleNamespace(penultimate_hidden_states=states)
    return {"clip_vision_output": vision, "concat_latent_image": picture}


COSMOS = {
    "max_img_h": 240,
    "max_img_w": 240,
    "max_frames": 128,
    "in_channels": 16,
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "concat_padding_mask": True,
    "model_channels": 48,
    "num_blocks": 3,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "crossattn_emb_channels": 40,
    "pos_emb_cls": "rope3d",
    "pos_emb_learnable": True,
    "use_adaln_lora": True,
    "adaln_lora_dim": 16,
}


def _cosmos_predict2() -> Build:
    config = comfy.supported_models.CosmosT2IPredict2({**COSMOS, "image_model": "cosmos_predict2"})
    return config, comfy.model_base.CosmosPredict2, {}


def _cosmos1() -> Build:
    config = comfy.supported_models.CosmosT2V(
        {
            **COSMOS,
            "image_model": "cosmos",
            "block_config": "FA-CA-MLP",
            "block_x_format": "THWBD",
            "affline_emb_norm": True,
            "extra_per_block_abs_pos_emb": True,
            "extra_per_block_abs_pos_emb_type": "learnable",
        }
    )
    return config, comfy.model_base.CosmosVideo, {}


def _ltxv() -> Build:
    config = comfy.supported_models.LTXV(
        {
            "image_model": "ltxv",
            "in_channels": 128,
            "cross_attention_dim": 64,
            "attention_head_dim": 32,
            "num_attention_heads": 2,
            "caption_channels": 40,
            "num_layers": 3,
        }
    )
    return config, comfy.model_base.LTXV, {}


def _ltxv_mask(seed: int, tokens: int) -> dict[str, Any]:
    mask = torch.zeros(1, tokens, dtype=torch.long)
    mask[:, : 2 + seed % 4] = 1
    return {"attention_mask": mask}


def _sdxl_pooled(seed: int, tokens: int) -> dict[str, Any]:
    return {"pooled_output": torch.randn(1, 1280, generator=torch.Generator().manual_seed(99))}


TINY: dict[str, TinyCross] = {
    "pixart": TinyCross(
        _pixart, "PixArt", 40, (4, 40, 28), (2,) * 3, "blocks.0.cross_attn", "kv_linear"
    ),
    "sd15": TinyCross(
        _sd15,
        "Stable Diffusion 1/2",
        40,
        (4, 16, 12),
        SD_SIDES,
        "input_blocks.1.1.transformer_blocks.0.attn2",
        "to_k",
        (15, 11),
        length=77,
    ),
    "sdxl": TinyCross(
        _sdxl,
        "SDXL",
        48,
        (4, 16, 12),
        SDXL_SIDES,
        "input_blocks.3.1.transformer_blocks.0.attn2",
        "to_k",
        (13, 9),
        length=77,
        extra=_sdxl_pooled,
    ),
    "wan_t2v": TinyCross(
        _wan_t2v, "Wan", 40, (16, 3, 8, 6), (2,) * 3, "blocks.0.cross_attn", "k", (3, 7, 5)
    ),
    "wan_i2v": TinyCross(
        _wan_i2v,
        "Wan",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.0.cross_attn",
        "k",
        (3, 7, 5),
        extra=_wan_i2v_image,
    ),
    "wan22": TinyCross(
        _wan22, "Wan", 40, (48, 3, 8, 6), (2,) * 3, "blocks.0.cross_attn", "k", (3, 7, 5)
    ),
    "cosmos_predict2": TinyCross(
        _cosmos_predict2,
        "Cosmos-Predict2",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.0.cross_attn",
        "k_proj",
    ),
    "cosmos1": TinyCross(
        _cosmos1,
        "Cosmos 1",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.block0.blocks.1.block.attn",
        "to_k.0",
        row_axis=1,
    ),
    "ltxv": TinyCross(
        _ltxv,
        "LTX-Video",
        40,
        (128, 3, 5, 4),
        (1,) * 3,
        "transformer_blocks.0.attn2",
        "to_k",
        (3, 5, 3),
        extra=_ltxv_mask,
    ),
}

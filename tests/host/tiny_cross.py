"""Tiny random models of the host's cross-attention classes, and conditionings for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher
import torch
from comfy.model_management import get_torch_device
from host_sampling import sampled
from tiny_cross_models import (
    SD_SIDES,
    SDXL_SIDES,
    Build,
    anima,
    anima_tokens,
    cosmos1,
    cosmos_predict2,
    kandinsky5,
    kandinsky5_image,
    kandinsky5_pooled,
    ltxav,
    ltxav23,
    ltxav_raw,
    ltxv,
    ltxv_mask,
    pixart,
    sd15,
    sdxl,
    sdxl_pooled,
    wan22,
    wan_camera,
    wan_i2v,
    wan_i2v_image,
    wan_t2v,
)

CPU = torch.device("cpu")


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
        base = base_class(config, device=CPU, **kwargs).eval()  # older hosts leave it to others
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
        return comfy.model_patcher.ModelPatcher(base, get_torch_device(), CPU)

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
        return sampled(model, positive, negative, latent, cfg=cfg, steps=steps, noise=noise)


TINY: dict[str, TinyCross] = {
    "pixart": TinyCross(
        pixart, "PixArt", 40, (4, 40, 28), (2,) * 3, "blocks.0.cross_attn", "kv_linear"
    ),
    "sd15": TinyCross(
        sd15,
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
        sdxl,
        "SDXL",
        48,
        (4, 16, 12),
        SDXL_SIDES,
        "input_blocks.3.1.transformer_blocks.0.attn2",
        "to_k",
        (13, 9),
        length=77,
        extra=sdxl_pooled,
    ),
    "wan_t2v": TinyCross(
        wan_t2v, "Wan", 40, (16, 3, 8, 6), (2,) * 3, "blocks.0.cross_attn", "k", (3, 7, 5)
    ),
    "wan_i2v": TinyCross(
        wan_i2v,
        "Wan",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.0.cross_attn",
        "k",
        (3, 7, 5),
        extra=wan_i2v_image,
    ),
    "wan_camera": TinyCross(
        wan_camera, "Wan", 40, (16, 3, 8, 6), (2,) * 3, "blocks.0.cross_attn", "k", (3, 7, 5)
    ),
    "wan22": TinyCross(
        wan22, "Wan", 40, (48, 3, 8, 6), (2,) * 3, "blocks.0.cross_attn", "k", (3, 7, 5)
    ),
    "cosmos_predict2": TinyCross(
        cosmos_predict2,
        "Cosmos-Predict2",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.0.cross_attn",
        "k_proj",
    ),
    "anima": TinyCross(
        anima,
        "Anima",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.0.cross_attn",
        "k_proj",
        extra=anima_tokens,
    ),
    "cosmos1": TinyCross(
        cosmos1,
        "Cosmos 1",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "blocks.block0.blocks.1.block.attn",
        "to_k.0",
        row_axis=1,
    ),
    "ltxv": TinyCross(
        ltxv,
        "LTX-Video",
        40,
        (128, 3, 5, 4),
        (1,) * 3,
        "transformer_blocks.0.attn2",
        "to_k",
        (3, 5, 3),
        extra=ltxv_mask,
    ),
    "ltx2": TinyCross(
        ltxav,
        "LTX-2",
        40,
        (128, 3, 5, 4),
        (1,) * 3,
        "transformer_blocks.0.attn2",
        "to_k",
        (3, 5, 3),
        extra=ltxav_raw,
    ),
    "ltx2.3": TinyCross(
        ltxav23,
        "LTX-2",
        112,
        (128, 3, 5, 4),
        (1,) * 3,
        "transformer_blocks.0.attn2",
        "to_k",
        (3, 5, 3),
        extra=ltxav_raw,
    ),
    "kandinsky5": TinyCross(
        kandinsky5,
        "Kandinsky 5",
        40,
        (16, 3, 8, 6),
        (2,) * 3,
        "visual_transformer_blocks.0.cross_attention",
        "to_key",
        extra=kandinsky5_pooled,
    ),
    "kandinsky5_image": TinyCross(
        kandinsky5_image,
        "Kandinsky 5",
        40,
        (16, 8, 6),
        (2,) * 3,
        "visual_transformer_blocks.0.cross_attention",
        "to_key",
        extra=kandinsky5_pooled,
    ),
}

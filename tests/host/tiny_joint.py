"""Tiny random models of the host's joint-attention classes, and conditionings for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.sample
import comfy.supported_models
import torch


@dataclass(frozen=True)
class TinyJoint:
    """One family's tiny model.

    Attributes:
        build: makes the ComfyUI BaseModel on the CPU, weights still unset.
        text_width: channels of an encoded prompt.
        pooled: channels of the pooled vector, or None.
        channels: of the latent.
        n_layers: transformer blocks.
        text_length: tokens of a prompt.
        extra: makes further entries of a conditioning from (seed, tokens).
        downscale: latent pixels a side come in multiples of this (1: any size).
    """

    build: Callable[[], Any]
    text_width: int
    pooled: int | None
    channels: int
    n_layers: int
    text_length: int = 11
    extra: Callable[[int, int], dict[str, Any]] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def model(self, seed: int = 0) -> Any:
        """ModelPatcher with random weights, norms near one."""
        base = self.build()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in base.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator) * 0.08
                is_norm = name.endswith(("norm.scale", "norm.weight")) or "norm_" in name
                one = 1.0 if is_norm and parameter.ndim == 1 else 0.0
                parameter.copy_((noise + one).to(parameter.dtype))
        device = torch.device("cpu")
        return comfy.model_patcher.ModelPatcher(base, device, device)

    def conditioning(self, seed: int, tokens: int | None = None, **extra: Any) -> list[Any]:
        """An encoded prompt; the pooled vector is the same for all, as regions never change it."""
        tokens = tokens or self.text_length
        generator = torch.Generator().manual_seed(1000 + seed)
        options = dict(self.options)
        if self.pooled is not None:
            same = torch.Generator().manual_seed(99)
            options["pooled_output"] = torch.randn(1, self.pooled, generator=same)
        if self.extra is not None:
            options.update(self.extra(seed, tokens))
        states = torch.randn(1, tokens, self.text_width, generator=generator)
        return [[states, {**options, **extra}]]

    def sample(
        self,
        model: Any,
        positive: list[Any],
        negative: list[Any],
        *,
        batch: int = 1,
        height: int = 16,
        width: int = 12,
        cfg: float = 3.0,
        steps: int = 2,
        seed: int = 1,
        sampler: str = "euler",
    ) -> torch.Tensor:
        """ComfyUI's KSampler, euler and sgm_uniform, on an empty latent."""
        latent = torch.zeros(batch, self.channels, height, width)
        noise = comfy.sample.prepare_noise(latent, seed)
        with torch.inference_mode():
            return comfy.sample.sample(
                model,
                noise,
                steps,
                cfg,
                sampler,
                "sgm_uniform",
                positive,
                negative,
                latent,
                disable_pbar=True,
                seed=seed,
            )


def _flux() -> Any:
    config = comfy.supported_models.Flux(
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "vec_in_dim": 32,
            "context_in_dim": 48,
            "hidden_size": 64,
            "mlp_ratio": 2.0,
            "num_heads": 4,
            "depth": 2,
            "depth_single_blocks": 4,
            "axes_dim": [4, 6, 6],
            "theta": 10000,
            "patch_size": 2,
            "qkv_bias": True,
            "guidance_embed": True,
            "dtype": torch.float32,
        }
    )
    return comfy.model_base.Flux(config, device="cpu")


TINY: dict[str, TinyJoint] = {
    "Flux": TinyJoint(_flux, 48, 32, 16, 6, options={"guidance": 3.5}),
}

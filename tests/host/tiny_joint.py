"""Tiny random models of the host's joint-attention classes, and conditionings for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_patcher
import pytest
import torch
from comfy.model_management import get_torch_device
from host_sampling import sampled
from regional_dit.attention.errors import HostError
from regional_dit.attention.families.host_checks import require_override
from tiny_joint_models import (
    auraflow,
    chroma,
    flux,
    flux2,
    hidream,
    hunyuan_image,
    llama_states,
    lumina,
    mask_of_all,
    qwen_image,
    sd3,
    z_image,
)
from tiny_joint_newer import flux2_klein, hunyuan_video_15, krea2, longcat, omnigen2


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
        options: further entries of every conditioning.
        frames: whether the latent has a frame axis.
        family: its name, where the model's own is another.
    """

    build: Callable[[], Any]
    text_width: int
    pooled: int | None
    channels: int
    n_layers: int
    text_length: int = 11
    extra: Callable[[int, int], dict[str, Any]] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    frames: bool = False
    family: str = ""

    def model(self, seed: int = 0) -> Any:
        """ModelPatcher with random weights, norms near one. Skips the test where the host lacks the
        model, or lets no patch take part in attention."""
        try:
            require_override("this model")
        except HostError as error:
            pytest.skip(str(error))
        base = self.build()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            network = base.diffusion_model
            for name, tensor in (*network.named_parameters(), *network.named_buffers()):
                noise = torch.randn(tensor.shape, generator=generator) * 0.08
                is_norm = tensor.ndim == 1 and name.endswith(("scale", "weight"))
                tensor.copy_((noise + float(is_norm)).to(tensor.dtype))
        return comfy.model_patcher.ModelPatcher(base, get_torch_device(), torch.device("cpu"))

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
        frames = (1,) if self.frames else ()
        latent = torch.zeros(batch, self.channels, *frames, height, width)
        return sampled(
            model, positive, negative, latent, cfg=cfg, steps=steps, sampler=sampler, seed=seed
        )


TINY: dict[str, TinyJoint] = {
    "Flux": TinyJoint(flux, 48, 32, 16, 4, options={"guidance": 3.5}),
    "SD3": TinyJoint(sd3, 48, 32, 16, 4),
    "AuraFlow": TinyJoint(auraflow, 48, None, 4, 4),
    "Chroma": TinyJoint(chroma, 48, 32, 16, 4),
    "Qwen-Image": TinyJoint(qwen_image, 48, None, 16, 4, frames=True),
    "HunyuanImage 2.1": TinyJoint(hunyuan_image, 48, None, 64, 4),
    "HiDream": TinyJoint(hidream, 48, 32, 16, 4, extra=llama_states),
    "Lumina 2": TinyJoint(lumina, 48, None, 16, 4, extra=mask_of_all),
    "Z-Image": TinyJoint(z_image, 48, None, 16, 4),
    "Flux.2": TinyJoint(flux2, 48, 32, 128, 4, options={"guidance": 4.0}),
    "Flux.2 Klein": TinyJoint(
        flux2_klein, 48, None, 128, 4, options={"pooled_output": None}, family="Flux.2"
    ),
    "LongCat-Image": TinyJoint(longcat, 48, None, 16, 4),
    "Krea 2": TinyJoint(krea2, 48, None, 16, 4, frames=True),
    "OmniGen 2": TinyJoint(omnigen2, 48, None, 16, 4, extra=mask_of_all),
    "HunyuanVideo 1.5": TinyJoint(
        hunyuan_video_15, 48, None, 32, 4, options={"pooled_output": None}, frames=True
    ),
}

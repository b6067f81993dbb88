"""Build a demo model inside ComfyUI: MODEL, CLIP and VAE, on whatever device the host uses.

The networks are the host's own HunyuanDiT and Flux (``supported_models`` -> ``model_base`` ->
ModelPatcher), so everything that works on the real models, patches included, meets the same classes
here. The text encoder and the VAE are small stand-ins that answer the calls that stock nodes make.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import torch
from safetensors import safe_open
from torch.nn.functional import interpolate

from . import network_flux, text, world
from .decoder import DemoDecoder

DemoName = Literal["hunyuan_dit", "flux"]

WEIGHTS = Path(__file__).parent / "weights"
MODEL_WEIGHTS: dict[DemoName, Path] = {
    "hunyuan_dit": WEIGHTS / "demo_hydit.safetensors",
    "flux": WEIGHTS / "demo_flux.safetensors",
}
"""The demo models by name: one with cross-attention, one with joint attention."""
DEMO_LORAS: dict[str, Path] = {
    f"demo {style}": WEIGHTS / f"demo_lora_{style}.safetensors" for style in world.STYLES
}
"""LoRA files of the HunyuanDiT demo by name; ``training/lora.py`` made them."""
DECODER_WEIGHTS = WEIGHTS / "demo_decoder.safetensors"


PAD = -1
"""Stands for padding in lists of tokens; the encoder leaves it out and pads by itself."""


class DemoLatent(comfy.latent_formats.LatentFormat):
    """RGB in [-1, 1] and their mean, unscaled; sampler previews therefore show the real picture."""

    scale_factor = 1.0
    latent_channels = 4
    latent_rgb_factors = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Weights as float32, and the ``config`` kept in the file's metadata."""
    if not path.is_file():
        raise FileNotFoundError(
            f"The demo weights {path.name} were expected in {path.parent} but are not there. "
            "Restore them from the repository, or train them as demo_model/README.md describes."
        )
    with safe_open(path, "pt") as file:
        config = json.loads((file.metadata() or {}).get("config", "null"))
        if config is None:
            raise ValueError(
                f"{path.name} has no 'config' in its metadata; it was not written by this "
                "package's training scripts. Use such a file."
            )
        return {name: file.get_tensor(name).float() for name in file.keys()}, config  # noqa: SIM118


def load_model(
    name: DemoName = "hunyuan_dit", path: Path | None = None
) -> comfy.model_patcher.ModelPatcher:
    """A diffusion model, float32, as a ModelPatcher.

    Args:
        name: a key of :data:`MODEL_WEIGHTS`.
        path: other weights of the same kind, as ``demo_model.train`` writes them.
    """
    weights, config = _read(path or MODEL_WEIGHTS[name])
    families: dict[DemoName, Any] = {
        "hunyuan_dit": (comfy.supported_models.HunyuanDiT, {"image_model": "hydit"}),
        "flux": (comfy.supported_models.Flux, {"image_model": "flux"}),
    }
    family_class, detected = families[name]
    if name == "flux":
        config = network_flux.for_host(config)
    family = family_class({**detected, **config})
    family.latent_format = DemoLatent()
    family.set_inference_dtype(torch.float32, None)
    offload = comfy.model_management.unet_offload_device()
    model = family.get_model(weights, "", device=offload)
    if name == "flux":
        weights = network_flux.with_names_of(model.diffusion_model, weights)
    model.diffusion_model.load_state_dict(weights)
    return comfy.model_patcher.ModelPatcher(
        model, load_device=comfy.model_management.get_torch_device(), offload_device=offload
    )


class DemoTextEncoder:
    """Stands where a ComfyUI ``CLIP`` is expected; prompts become frozen embeddings.

    Tokens are ``{"demo": [[(word id, weight), ...]]}``. Weights other than 1 are not honoured.

    Args:
        model: whose conditioning to give. HunyuanDiT's has both tables and a mask, L in steps of
            32; Flux's has the second table alone, L in steps of 8, and no mask.
    """

    def __init__(self, model: DemoName = "hunyuan_dit") -> None:
        self.model: DemoName = model
        # Where the host's CLIP keeps its vocabularies, by the name in the token dictionary.
        self.tokenizer = SimpleNamespace(demo=SimpleNamespace(inv_vocab=text.PIECES))

    def _conditioning(self, tokens: dict[str, list]) -> list[list]:
        rows = [[token[0] for token in row if token[0] != PAD] for row in tokens["demo"]]
        states = text.encode_tokens(rows)
        if self.model == "hunyuan_dit":
            return states.conditioning()
        context, pooled = states.for_flux()
        return [[context, {"pooled_output": pooled}]]

    def tokenize(self, text_: str, return_word_ids: bool = False, **_: object) -> dict[str, list]:
        """Token lists of one prompt; other keyword arguments of the host are accepted, unused.

        With word ids, which number the words from 1, padding is listed too, as in the host's own.
        """
        ids = text.tokenize(text_)
        if not return_word_ids:
            return {"demo": [[(i, 1.0) for i in ids]]}
        step = text.TEXT_LEN if self.model == "hunyuan_dit" else text.FLUX_TEXT_STEP
        padding = [(PAD, 1.0, 0)] * (-len(ids) % step)
        return {"demo": [[*((i, 1.0, number) for number, i in enumerate(ids)), *padding]]}

    def encode_from_tokens(
        self, tokens: dict[str, list], return_pooled: bool | str = False, return_dict: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor] | dict[str, torch.Tensor]:
        """As ``comfy.sd.CLIP.encode_from_tokens``: float32 [1, L, TEXT_DIM]."""
        [[cond, options]] = self._conditioning(tokens)
        if return_dict:
            return {"cond": cond, **options}
        return (cond, options["pooled_output"]) if return_pooled else cond

    def encode_from_tokens_scheduled(
        self,
        tokens: dict[str, list],
        unprojected: bool = False,
        add_dict: dict | None = None,
        show_pbar: bool = True,
    ) -> list[list]:
        """A CONDITIONING list with the keys of the real model's own text encoder."""
        [[cond, options]] = self._conditioning(tokens)
        return [[cond, {**options, **(add_dict or {})}]]

    def encode(self, text_: str) -> torch.Tensor:
        """float32 [1, L, TEXT_DIM]."""
        return self.encode_from_tokens(self.tokenize(text_))  # type: ignore[return-value]

    def clone(self) -> DemoTextEncoder:
        return DemoTextEncoder(self.model)


class DemoVAE:
    """Stands where a ComfyUI ``VAE`` is expected: area average down, small conv net up."""

    downscale_ratio = upscale_ratio = world.LATENT_FACTOR
    latent_channels, latent_dim, output_channels = 4, 2, 3

    def __init__(self, path: Path = DECODER_WEIGHTS) -> None:
        weights, config = _read(path)
        decoder = DemoDecoder(**config).eval()
        decoder.load_state_dict(weights)
        self.patcher = comfy.model_patcher.ModelPatcher(
            decoder,
            load_device=comfy.model_management.vae_device(),
            offload_device=comfy.model_management.vae_offload_device(),
        )

    @torch.no_grad()
    def decode(self, samples: torch.Tensor, vae_options: dict | None = None) -> torch.Tensor:
        """Latents float [B, 4, h, w] -> pictures float32 [B, 8h, 8w, 3] in 0..1."""
        comfy.model_management.load_models_gpu([self.patcher])
        latent = samples.to(self.patcher.load_device, torch.float32).clamp(-1.2, 1.2)
        pictures = [self.patcher.model(part) for part in latent.split(16)]
        picture = (torch.cat(pictures).clamp(-1, 1) + 1) / 2
        return picture.movedim(1, -1).to(comfy.model_management.intermediate_device())

    @torch.no_grad()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures float [B, H, W, 3+] in 0..1 -> latents float32 [B, 4, H // 8, W // 8]."""
        f = world.LATENT_FACTOR
        height, width = pixels.shape[1] // f * f, pixels.shape[2] // f * f
        planes = pixels[:, :height, :width, :3].movedim(-1, 1).float() * 2 - 1
        rgb = interpolate(planes, scale_factor=1 / f, mode="area")
        latent = torch.cat([rgb, rgb.mean(1, keepdim=True)], 1)
        return latent.to(comfy.model_management.intermediate_device())

    def decode_tiled(self, samples: torch.Tensor, **_: object) -> torch.Tensor:
        """As :meth:`decode`; the decoder is small enough to need no tiles."""
        return self.decode(samples)

    def encode_tiled(self, pixels: torch.Tensor, **_: object) -> torch.Tensor:
        """As :meth:`encode`."""
        return self.encode(pixels)

    def spacial_compression_decode(self) -> int:
        return world.LATENT_FACTOR

    def spacial_compression_encode(self) -> int:
        return world.LATENT_FACTOR

    def temporal_compression_decode(self) -> None:
        return None

    def throw_exception_if_invalid(self) -> None:
        """The weights were checked on loading."""

    def get_sd(self) -> dict[str, torch.Tensor]:
        return self.patcher.model.state_dict()


def load_demo(
    name: DemoName = "hunyuan_dit",
) -> tuple[comfy.model_patcher.ModelPatcher, DemoTextEncoder, DemoVAE]:
    """MODEL, CLIP and VAE of a demo; the VAE is the same for all."""
    return load_model(name), DemoTextEncoder(name), DemoVAE()

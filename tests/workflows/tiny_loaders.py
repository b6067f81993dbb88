"""Loader nodes under the host's names that give tiny random models of the host's classes.

A workflow then runs as shipped, without gigabytes of weights: its text encoders have the host's own
tokenizers, its networks the host's own code.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy.controlnet
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.utils
import torch
from comfy.ldm.flux.controlnet import ControlNetFlux
from comfy.ldm.lightricks.vae.causal_video_autoencoder import VideoVAE
from comfy.ldm.wan.vae import WanVAE
from tiny_cross import TINY as CROSS
from tiny_flux_clip import CLIP_G_DIM, CLIP_L_DIM, SD3_DIM, TEXT_ENCODERS
from tiny_joint import TINY
from tiny_joint_models import sd3

DDCONFIG = {
    "double_z": True, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 32,
    "ch_mult": [1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
}  # fmt: skip
# What a network's config calls the width of a prompt; Krea 2's is of one of twelve layers.
TEXT_DIM = {
    "Qwen-Image": "joint_attention_dim", "Flux.2": "context_in_dim", "Z-Image": "cap_feat_dim",
    "Wan": "text_dim", "Krea 2": "txtdim",
}  # fmt: skip
KREA_LAYERS = 12
LTX_VAE = {
    "_class_name": "CausalVideoAutoencoder", "dims": 3, "latent_channels": 128, "patch_size": 4,
    "blocks": [["res_x", 1], *[["compress_all", 1]] * 3, ["res_x", 1]], "norm_layer": "pixel_norm",
    "latent_log_var": "uniform", "encoder_base_channels": 16, "decoder_base_channels": 16,
}  # fmt: skip

torch.set_num_threads(1)  # tiny models: a second thread only waits
# The host collects all rubbish at nearly every run of a small model. What was imported for these
# models, and their encoders below, stay: they need not be looked through each time.
gc.freeze()


@cache
def model(family: str) -> Any:
    """ModelPatcher of a family, as wide as its tiny text encoder; never changed by a run."""
    if family == "SD3":
        context = {"in_features": SD3_DIM, "out_features": 128}
        widths = {
            "adm_in_channels": CLIP_L_DIM + CLIP_G_DIM,
            "context_embedder_config": {"target": "torch.nn.Linear", "params": context},
        }
        return replace(TINY["SD3"], build=lambda: sd3(**widths)).model()
    if family == "Wan":
        config, base, more = CROSS["wan_t2v"].build()
        wan = type(config)({**config.unet_config, "text_dim": text_width(family)}), base, more
        return replace(CROSS["wan_t2v"], build=lambda: wan).model()
    if family == "LTX-2":
        width = text_width(family)
        ltxav: Any = CROSS["ltx2"].build
        sizes = {"caption_channels": width, "connector_attention_head_dim": width // 2}
        return replace(CROSS["ltx2"], build=partial(ltxav, **sizes)).model()
    if family in TEXT_DIM:
        return replace(TINY[family], build=lambda: wide(family)).model()
    return TINY[family].model()


def wide(family: str) -> Any:
    """A base model anew, for prompts of the width of the family's tiny encoder."""
    base = TINY[family].build()
    width = text_width(family) // (KREA_LAYERS if family == "Krea 2" else 1)
    config = {**base.model_config.unet_config, TEXT_DIM[family]: width}
    return type(base)(type(base.model_config)(config), device=torch.device("cpu"))


def text_width(family: str) -> int:
    """Channels of an encoded prompt."""
    encoder = clip(family)
    return encoder.encode_from_tokens(encoder.tokenize("a")).shape[-1]


@cache
def clip(family: str) -> comfy.sd.CLIP:
    """The family's text encoders and tokenizers.

    The tokenizers of Wan and LTX-2 come with their weights: another T5 takes their place.
    """
    made = TEXT_ENCODERS["Chroma" if family in ("Wan", "LTX-2") else family]()
    if family == "LTX-2":
        encoder: Any = made.cond_stage_model
        encode = encoder.encode_token_weights
        encoder.encode_token_weights = lambda tokens: (
            *encode(tokens)[:2],
            {"unprocessed_ltxav_embeds": True},  # as its own text encoder says
        )
    gc.freeze()
    return made


@cache
def vae(family: str) -> comfy.sd.VAE:
    """The autoencoder of the host's class for the family."""
    if family in ("Qwen-Image", "Krea 2", "Wan"):
        network = WanVAE(dim=8, z_dim=16, temperal_downsample=[False, True, True])
        return comfy.sd.VAE(sd=randomized(network).state_dict(), dtype=torch.float32)
    if family == "LTX-2":
        video: Any = VideoVAE(config=LTX_VAE)
        metadata = {"config": json.dumps({"vae": LTX_VAE})}
        weights = randomized(video).state_dict()
        weights["per_channel_statistics.std-of-means"].fill_(1.0)
        return comfy.sd.VAE(sd=weights, metadata=metadata, dtype=torch.float32)
    channels = 32 if family == "Flux.2" else 16
    config: dict[str, Any] = {**DDCONFIG, "z_channels": channels}
    if family == "Flux.2":  # four pixels of its latent are one of what is sampled
        config["batch_norm_latent"] = True
    params = {"embed_dim": channels, "ddconfig": config}
    made = comfy.sd.VAE(sd={}, config={"params": params}, dtype=torch.float32)
    made.latent_channels = channels
    if family == "Flux.2":
        made.downscale_ratio, made.upscale_ratio = 16, 16
        made.latent_channels *= 4
    network: Any = randomized(made.first_stage_model)
    if network.bn is not None:
        network.bn.reset_running_stats()
    return made


def randomized(network: Any) -> Any:
    """Weights that keep a signal's size, norms near one."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.numel() > 1 and 0 in tensor.stride():
                continue  # one number, as often as its shape says: a constant
            fan_in = tensor[0].numel() if tensor.ndim > 1 else 100
            noise = torch.randn(tensor.shape, generator=generator) * fan_in**-0.5
            is_norm = tensor.squeeze().ndim == 1 and name.endswith(("scale", "weight", "gamma"))
            tensor.copy_(noise + float(is_norm))
    return network


class Sound:
    """Stands for LTX-2's audio VAE, whose class needs torchaudio: of its shapes, and silent."""

    latent_channels = 8
    first_stage_model = SimpleNamespace(
        latent_frequency_bins=16,
        output_sample_rate=16000,
        num_of_latents_from_frames=lambda frames, rate: max(1, round(25 * frames / rate)),
    )

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """[B, 8, T, 16] -> [B, samples, 2], 25 latents a second."""
        return torch.zeros(latent.shape[0], 640 * latent.shape[2], 2)


def control_net() -> comfy.controlnet.ControlNet:
    """As the host loads the Flux ControlNets that see the picture itself."""
    network = ControlNetFlux(
        **{**model("Flux").model.model_config.unet_config, "depth": 1, "depth_single_blocks": 1},
        device="cpu",
        operations=comfy.ops.manual_cast,
    )
    randomized(network)
    device = torch.device("cpu")
    extra = ["y", "guidance"]
    return comfy.controlnet.ControlNet(network, load_device=device, extra_conds=extra)


def write_lora(path: Path, family: str) -> None:
    """A LoRA file for all attention weights of a family's tiny model."""
    tensors = {}
    generator = torch.Generator().manual_seed(7)
    for key, weight in model(family).model.diffusion_model.named_parameters():
        if ("attn" in key or "linear1" in key) and key.endswith(".weight") and weight.ndim == 2:
            stem = f"diffusion_model.{key.removesuffix('.weight')}"
            for part, shape in (("A", (4, weight.shape[1])), ("B", (weight.shape[0], 4))):
                noise = torch.randn(shape, generator=generator) * 0.3
                tensors[f"{stem}.lora_{part}.weight"] = noise
    comfy.utils.save_torch_file(tensors, str(path))


def loader(returns: tuple[str, ...], make: Callable[..., tuple[Any, ...]], *files: str) -> type:
    """A node class with these outputs; its inputs take any file name."""

    class Loader:
        CATEGORY = "testing"
        RETURN_TYPES = returns
        FUNCTION = "load"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {name: ("STRING", {}) for name in files}}

        def load(self, **inputs: Any) -> tuple[Any, ...]:
            return make(**inputs)

    return Loader


def loaders(family: str) -> dict[str, type]:
    """Node name -> class, for the loaders that the joint workflows use."""

    def whole(ckpt_name: str) -> tuple[Any, ...]:
        return model(family), clip(family), vae(family)

    return {
        "CheckpointLoaderSimple": loader(("MODEL", "CLIP", "VAE"), whole, "ckpt_name"),
        "UNETLoader": loader(("MODEL",), lambda **_: (model(family),), "unet_name", "weight_dtype"),
        "CLIPLoader": loader(("CLIP",), lambda **_: (clip(family),), "clip_name", "type", "device"),
        "DualCLIPLoader": loader(
            ("CLIP",), lambda **_: (clip(family),), "clip_name1", "clip_name2", "type", "device"
        ),
        "VAELoader": loader(("VAE",), lambda **_: (vae(family),), "vae_name"),
        "LTXAVTextEncoderLoader": loader(
            ("CLIP",), lambda **_: (clip(family),), "text_encoder", "ckpt_name", "device"
        ),
        "LTXVAudioVAELoader": loader(("VAE",), lambda **_: (Sound(),), "ckpt_name"),
        "ControlNetLoader": loader(
            ("CONTROL_NET",), lambda **_: (control_net(),), "control_net_name"
        ),
    }

"""Tiny random models of the host's joint-attention classes, and conditionings for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.sample
import comfy.supported_models
import pytest
import torch
from comfy.ldm.flux.model import FluxParams
from regional_dit.attention.errors import HostError
from regional_dit.attention.families.host_checks import require_override


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
        frames = (1,) if self.frames else ()
        latent = torch.zeros(batch, self.channels, *frames, height, width)
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


ADDED: dict[str, dict[str, Any]] = {
    "Flux": {"txt_ids_dims": []},
    "Flux2": {"txt_ids_dims": [3]},
    "Chroma": {"txt_ids_dims": [], "vec_in_dim": None},
    "ChromaRadiance": {
        "txt_ids_dims": [],
        "vec_in_dim": None,
        "use_x0": False,
        "use_sequential_txt_ids": False,
    },
}


def host_model(kind: str) -> Any:
    """The host's ``supported_models`` class of that name; skips the test where it has none."""
    found = getattr(comfy.supported_models, kind, None)
    if found is None:
        pytest.skip(f"no {kind} model in this ComfyUI")
    return found


def _build(kind: str, config: dict[str, Any]) -> Any:
    """The host's ``model_base`` class of that name, on the CPU in float32."""
    needs_lists = "txt_ids_dims" in FluxParams.__dataclass_fields__  # newer hosts
    known: Any = FluxParams.__dataclass_fields__
    if kind == "ChromaRadiance" and needs_lists:
        from comfy.ldm.chroma_radiance.model import ChromaRadianceParams

        known = ChromaRadianceParams.__dataclass_fields__
    if needs_lists:
        added = {key: value for key, value in ADDED.get(kind, {}).items() if key in known}
        config = {**added, **config}
    supported = host_model(kind)({"dtype": torch.float32, **config})
    return getattr(comfy.model_base, kind)(supported, device="cpu")


def flux(**more: Any) -> Any:
    return _build(
        "Flux",
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
            **more,
        },
    )


def sd3(**more: Any) -> Any:
    """Three blocks of SD3.5 medium, then three of large; width is 64 a head."""
    return _build(
        "SD3",
        {
            "in_channels": 16,
            "pos_embed_scaling_factor": None,
            "input_size": None,
            "patch_size": 2,
            "depth": 2,
            "num_blocks": 6,
            "mlp_ratio": 2.0,
            "pos_embed_max_size": 16,
            "num_patches": 256,
            "adm_in_channels": 32,
            "context_embedder_config": {
                "target": "torch.nn.Linear",
                "params": {"in_features": 48, "out_features": 128},
            },
            "qk_norm": "rms",
            "x_block_self_attn_layers": [0, 1, 2],
            **more,
        },
    )


def auraflow() -> Any:
    return _build(
        "AuraFlow",
        {
            "dim": 64,
            "n_layers": 6,
            "n_double_layers": 2,
            "n_heads": 4,
            "global_conddim": 64,
            "cond_seq_dim": 48,
            "max_seq": 256,
        },
    )


CHROMA: dict[str, Any] = {
    "image_model": "chroma",
    "in_channels": 64,
    "out_channels": 64,
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
    "in_dim": 64,
    "out_dim": 64,
    "hidden_dim": 64,
    "n_layers": 1,
}


def chroma() -> Any:
    return _build("Chroma", CHROMA)


def chroma_radiance() -> Any:
    """Works on pixels: 3 channels, 16 pixels a token."""
    return _build(
        "ChromaRadiance",
        {
            **CHROMA,
            "image_model": "chroma_radiance",
            "in_channels": 3,
            "out_channels": 3,
            "patch_size": 16,
            "nerf_hidden_size": 16,
            "nerf_mlp_ratio": 2,
            "nerf_depth": 1,
            "nerf_max_freqs": 4,
            "nerf_tile_size": 0,
            "nerf_final_head_type": "conv",
            "nerf_embedder_dtype": torch.float32,
        },
    )


def qwen_image() -> Any:
    return _build(
        "QwenImage",
        {
            "image_model": "qwen_image",
            "in_channels": 64,
            "out_channels": 16,
            "num_layers": 6,
            "attention_head_dim": 16,
            "num_attention_heads": 4,
            "joint_attention_dim": 48,
            "axes_dims_rope": (4, 6, 6),
        },
    )


def flux2() -> Any:
    return _build(
        "Flux2",
        {
            "image_model": "flux2",
            "in_channels": 128,
            "out_channels": 128,
            "vec_in_dim": None,
            "context_in_dim": 48,
            "hidden_size": 32,
            "mlp_ratio": 2.0,
            "num_heads": 2,
            "depth": 2,
            "depth_single_blocks": 4,
            "axes_dim": [4, 4, 4, 4],
            "theta": 2000,
            "patch_size": 1,
            "qkv_bias": False,
            "guidance_embed": True,
            "global_modulation": True,
            "mlp_silu_act": True,
            "ops_bias": False,
            "default_ref_method": "index",
            "ref_index_scale": 10.0,
        },
    )


def hidream() -> Any:
    return _build(
        "HiDream",
        {
            "image_model": "hidream",
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 2,
            "num_single_layers": 4,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "caption_channels": [48, 40],
            "text_emb_dim": 32,
            "num_routed_experts": 2,
            "num_activated_experts": 1,
            "axes_dims_rope": (4, 6, 6),
            "llama_layers": [0, 1, 2, 2, 2, 2],
        },
    )


def llama_states(seed: int, tokens: int) -> dict[str, Any]:
    """What HiDream's text encoder adds: more tokens than T5 has, three layers."""
    generator = torch.Generator().manual_seed(2000 + seed)
    return {"conditioning_llama3": torch.randn(1, 3, tokens + 2, 40, generator=generator)}


def mask_of_all(seed: int, tokens: int) -> dict[str, Any]:
    """What Lumina's text encoder adds; hosts before Z-Image count the tokens by it."""
    return {"attention_mask": torch.ones(1, tokens, dtype=torch.long)}


LUMINA: dict[str, Any] = {
    "image_model": "lumina2",
    "patch_size": 2,
    "in_channels": 16,
    "dim": 64,
    "n_layers": 6,
    "n_refiner_layers": 1,
    "n_heads": 4,
    "multiple_of": 32,
    "qk_norm": True,
    "cap_feat_dim": 48,
    "axes_dims": [4, 6, 6],
    "axes_lens": [300, 64, 64],
}


def lumina() -> Any:
    return _build("Lumina2", {**LUMINA, "n_kv_heads": 2})


def z_image(padded: bool = True) -> Any:
    """Its modulation is always 256 wide, and so must the model be."""
    more = {
        "dim": 256,
        "axes_dims": [16, 24, 24],
        "ffn_dim_multiplier": 0.25,
        "z_image_modulation": True,
        "time_scale": 1000.0,
        "pad_tokens_multiple": 32 if padded else None,
    }
    host_model("ZImage")  # same class as Lumina 2, in hosts that know both
    return _build("Lumina2", {**LUMINA, **more})


TINY: dict[str, TinyJoint] = {
    "Flux": TinyJoint(flux, 48, 32, 16, 6, options={"guidance": 3.5}),
    "SD3": TinyJoint(sd3, 48, 32, 16, 6),
    "AuraFlow": TinyJoint(auraflow, 48, None, 4, 6),
    "Chroma": TinyJoint(chroma, 48, 32, 16, 6),
    "Qwen-Image": TinyJoint(qwen_image, 48, None, 16, 6, frames=True),
    "HiDream": TinyJoint(hidream, 48, 32, 16, 6, extra=llama_states),
    "Lumina 2": TinyJoint(lumina, 48, None, 16, 6, extra=mask_of_all),
    "Z-Image": TinyJoint(z_image, 48, None, 16, 6),
    "Flux.2": TinyJoint(flux2, 48, 32, 128, 6, options={"guidance": 4.0}),
}

"""Tiny configurations of the host's joint-attention classes, and what their prompts carry."""

from __future__ import annotations

from typing import Any

import comfy.model_base
import comfy.supported_models
import pytest
import torch
from comfy.ldm.flux.model import FluxParams

# Two double blocks and two single ones, 64 wide: each kind follows each kind once.
FLUX_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 4,
    "depth": 2,
    "depth_single_blocks": 2,
    "axes_dim": [4, 6, 6],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
}
# What newer hosts ask for besides.
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


def built(kind: str, config: dict[str, Any]) -> Any:
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
    return built(
        "Flux",
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "vec_in_dim": 32,
            "context_in_dim": 48,
            "guidance_embed": True,
            **FLUX_SHAPE,
            **more,
        },
    )


def sd3(**more: Any) -> Any:
    """Two blocks of SD3.5 medium, then two of large; width is 64 a head."""
    return built(
        "SD3",
        {
            "in_channels": 16,
            "pos_embed_scaling_factor": None,
            "input_size": None,
            "patch_size": 2,
            "depth": 2,
            "num_blocks": 4,
            "mlp_ratio": 2.0,
            "pos_embed_max_size": 16,
            "num_patches": 256,
            "adm_in_channels": 32,
            "context_embedder_config": {
                "target": "torch.nn.Linear",
                "params": {"in_features": 48, "out_features": 128},
            },
            "qk_norm": "rms",
            "x_block_self_attn_layers": [0, 1],
            **more,
        },
    )


def auraflow() -> Any:
    return built(
        "AuraFlow",
        {
            "dim": 64,
            "n_layers": 4,
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
    **FLUX_SHAPE,
    "in_dim": 64,
    "out_dim": 64,
    "hidden_dim": 64,
    "n_layers": 1,
}


def chroma() -> Any:
    return built("Chroma", CHROMA)


def chroma_radiance() -> Any:
    """Works on pixels: 3 channels, 16 pixels a token."""
    return built(
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
    return built(
        "QwenImage",
        {
            "image_model": "qwen_image",
            "in_channels": 64,
            "out_channels": 16,
            "num_layers": 4,
            "attention_head_dim": 16,
            "num_attention_heads": 4,
            "joint_attention_dim": 48,
            "axes_dims_rope": (4, 6, 6),
        },
    )


def flux2(**more: Any) -> Any:
    return built(
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
            "depth_single_blocks": 2,
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
            **more,
        },
    )


def hunyuan_image() -> Any:
    """One latent pixel a token; the mapping of quoted text is of the host's own width."""
    from comfy.ldm.hunyuan_video.model import HunyuanVideoParams

    config = {
        "in_channels": 64,
        "out_channels": 64,
        "context_in_dim": 48,
        **{**FLUX_SHAPE, "axes_dim": [8, 8], "theta": 256, "patch_size": [1, 1]},
        "byt5": True,
    }
    known = HunyuanVideoParams.__dataclass_fields__  # newer hosts have more; none is needed
    config = {name: config.get(name) for name in known}
    return built("HunyuanImage21", {"image_model": "hunyuan_video", **config})


def hidream(**more: Any) -> Any:
    return built(
        "HiDream",
        {
            "image_model": "hidream",
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 2,
            "num_single_layers": 2,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "caption_channels": [48, 40],
            "text_emb_dim": 32,
            "num_routed_experts": 2,
            "num_activated_experts": 1,
            "axes_dims_rope": (4, 6, 6),
            "llama_layers": [0, 1, 2, 2],
            **more,
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
    "n_layers": 4,
    "n_refiner_layers": 1,
    "n_heads": 4,
    "multiple_of": 32,
    "qk_norm": True,
    "cap_feat_dim": 48,
    "axes_dims": [4, 6, 6],
    "axes_lens": [300, 64, 64],
}


def lumina() -> Any:
    return built("Lumina2", {**LUMINA, "n_kv_heads": 2})


def z_image(padded: bool = True, **shape: Any) -> Any:
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
    return built("Lumina2", {**LUMINA, **more, **shape})

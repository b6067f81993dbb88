"""Tiny configurations of joint-attention classes that came to the host later."""

from __future__ import annotations

from typing import Any

from tiny_joint_models import FLUX_SHAPE, built, flux2


def flux2_klein() -> Any:
    """No guidance to embed, and a text encoder of its own; else Flux.2."""
    return flux2(guidance_embed=False)


def longcat() -> Any:
    return built(
        "LongCatImage",
        {
            "image_model": "flux",
            "in_channels": 16,
            "out_channels": 16,
            "vec_in_dim": None,
            "context_in_dim": 48,
            "guidance_embed": False,
            **FLUX_SHAPE,
            "txt_ids_dims": [1, 2],
        },
    )


def krea2() -> Any:
    """Twelve layers of a text encoder, four wide, to be merged; grouped queries, two a key."""
    return built(
        "Krea2",
        {
            "image_model": "krea2",
            "features": 64,
            "tdim": 32,
            "txtdim": 4,
            "heads": 4,
            "kvheads": 2,
            "multiplier": 1,
            "layers": 4,
            "channels": 16,
            "txtlayers": 12,
            "txtheads": 2,
            "txtkvheads": 2,
        },
    )


def omnigen2() -> Any:
    return built(
        "Omnigen2",
        {
            "image_model": "omnigen2",
            "in_channels": 16,
            "hidden_size": 64,
            "num_layers": 4,
            "num_refiner_layers": 1,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "multiple_of": 32,
            "axes_dim_rope": (4, 6, 6),
            "text_feat_dim": 48,
        },
    )


def hunyuan_video_15(kind: str = "HunyuanVideo15", in_channels: int = 65) -> Any:
    """One latent pixel of one frame a token; the vision tokens are of the host's own width."""
    from comfy.ldm.hunyuan_video.model import HunyuanVideoParams

    config = {
        "in_channels": in_channels,
        "out_channels": 32,
        "context_in_dim": 48,
        **{**FLUX_SHAPE, "axes_dim": [4, 6, 6], "theta": 256, "patch_size": [1, 1, 1]},
        "byt5": True,
        "use_cond_type_embedding": True,
        "vision_in_dim": 1152,
        "meanflow_sum": True,
    }
    config = {name: config.get(name) for name in HunyuanVideoParams.__dataclass_fields__}
    return built(kind, {"image_model": "hunyuan_video", **config})

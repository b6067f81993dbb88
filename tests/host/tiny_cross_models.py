"""Tiny configurations of the host's cross-attention classes, and what their prompts carry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import comfy.model_base
import comfy.ops
import comfy.supported_models
import pytest
import torch

# ComfyUI's model config, its BaseModel class and further arguments of it.
Build = tuple[Any, Any, dict[str, Any]]


def pixart() -> Build:
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


def sd15() -> Build:
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


def sdxl() -> Build:
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


def wan_t2v() -> Build:
    config = comfy.supported_models.WAN21_T2V({**WAN, "model_type": "t2v"})
    return config, comfy.model_base.WAN21, {}


def wan22() -> Build:
    """The 5B model: one network for text and image to video, another latent."""
    config = comfy.supported_models.WAN22_T2V(
        {**WAN, "model_type": "t2v", "in_dim": 48, "out_dim": 48}
    )
    return config, comfy.model_base.WAN22, {"image_to_video": True}


def wan_camera() -> Build:
    """Image to video along a camera's path; an adapter adds to the patches, no token is added."""
    config = comfy.supported_models.WAN22_Camera(
        {**WAN, "model_type": "camera_2.2", "in_dim": 32, "in_dim_control_adapter": 24}
    )
    return config, comfy.model_base.WAN21_Camera, {}


def wan_i2v() -> Build:
    config = comfy.supported_models.WAN21_I2V({**WAN, "model_type": "i2v", "in_dim": 36})
    return config, comfy.model_base.WAN21, {"image_to_video": True}


def wan_i2v_image(seed: int, tokens: int) -> dict[str, Any]:
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


def cosmos_predict2() -> Build:
    config = comfy.supported_models.CosmosT2IPredict2({**COSMOS, "image_model": "cosmos_predict2"})
    return config, comfy.model_base.CosmosPredict2, {}


def anima() -> Build:
    """The host's own network for the text has 100 million weights; a small one takes its place."""
    adapter = pytest.importorskip("comfy.ldm.anima.model", reason="no Anima in this ComfyUI")

    def build(config: Any, device: Any) -> Any:
        base = comfy.model_base.Anima(config, device=device)
        base.diffusion_model.llm_adapter = adapter.LLMAdapter(
            source_dim=40,
            target_dim=40,
            model_dim=32,
            num_layers=1,
            num_heads=2,
            device=device,
            dtype=config.unet_config.get("dtype"),
            operations=comfy.ops.pick_operations(
                config.unet_config.get("dtype"), config.manual_cast_dtype
            ),
        )
        return base

    config = comfy.supported_models.Anima({**COSMOS, "image_model": "anima"})
    return config, build, {}


def anima_tokens(seed: int, tokens: int) -> dict[str, Any]:
    """Another number of T5 tokens than the language model's."""
    generator = torch.Generator().manual_seed(3000 + seed)
    n = tokens + 3
    ids = torch.randint(0, 32128, (n,), generator=generator, dtype=torch.int)
    return {"t5xxl_ids": ids, "t5xxl_weights": torch.rand(n, generator=generator) + 0.5}


def cosmos1() -> Build:
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


def ltxv() -> Build:
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


def ltxv_mask(seed: int, tokens: int) -> dict[str, Any]:
    mask = torch.zeros(1, tokens, dtype=torch.long)
    mask[:, : 2 + seed % 4] = 1
    return {"attention_mask": mask}


def ltxav(**more: Any) -> Build:
    """LTX-2: video and sound, three blocks each; its connector adds up to 1024 learned tokens."""
    if not hasattr(comfy.model_base, "LTXAV"):
        pytest.skip("no LTX-2 in this ComfyUI")
    config = comfy.supported_models.LTXAV(
        {
            "image_model": "ltxav",
            "cross_attention_dim": 64,
            "attention_head_dim": 32,
            "num_attention_heads": 2,
            "audio_cross_attention_dim": 48,
            "audio_attention_head_dim": 24,
            "audio_num_attention_heads": 2,
            "caption_channels": 40,
            "num_layers": 3,
            "connector_attention_head_dim": 20,
            "connector_num_attention_heads": 2,
            "connector_num_layers": 1,
            **more,
        }
    )
    return config, comfy.model_base.LTXAV, {}


def ltxav23() -> Build:
    """LTX-2.3: text of video and sound apart, moved by the time in each block, and gated heads."""
    return ltxav(
        caption_proj_before_connector=True,
        caption_projection_first_linear=False,
        cross_attention_adaln=True,
        apply_gated_attention=True,
        connector_attention_head_dim=32,
        audio_connector_attention_head_dim=24,
        connector_apply_gated_attention=True,
    )


def ltxav_raw(seed: int, tokens: int) -> dict[str, Any]:
    """What the text encoder says of its states."""
    return {"unprocessed_ltxav_embeds": True}


def kandinsky5(kind: str = "Kandinsky5", channels: int = 33) -> Build:
    """Videos: beside the noise come 16 channels of a picture and one of its mask."""
    if not hasattr(comfy.supported_models, kind):
        pytest.skip("no Kandinsky 5 in this ComfyUI")
    config = getattr(comfy.supported_models, kind)(
        {
            "image_model": "kandinsky5",
            "visual_embed_dim": channels * 4,
            "in_text_dim": 40,
            "in_text_dim2": 32,
            "time_dim": 32,
            "model_dim": 48,
            "ff_dim": 64,
            "num_text_blocks": 2,
            "num_visual_blocks": 3,
            "axes_dims": (4, 6, 6),
        }
    )
    return config, getattr(comfy.model_base, kind), {}


def kandinsky5_image() -> Build:
    return kandinsky5("Kandinsky5Image", 16)


def kandinsky5_pooled(seed: int, tokens: int) -> dict[str, Any]:
    return {"pooled_output": torch.randn(1, 32, generator=torch.Generator().manual_seed(99))}


def sdxl_pooled(seed: int, tokens: int) -> dict[str, Any]:
    return {"pooled_output": torch.randn(1, 1280, generator=torch.Generator().manual_seed(99))}

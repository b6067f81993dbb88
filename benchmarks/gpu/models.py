"""Models with random weights at their real sizes and depths, and small ones for the rehearsal.

Figures are those of the published checkpoints as ComfyUI detects them; ``published`` is their size
in billions of parameters, so that a wrong configuration is noticed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cost_models import MODELS, CostModel


@dataclass(frozen=True)
class BenchModel:
    """One model.

    Attributes:
        title: for the report.
        published: billions of parameters of the network.
        real: at its real size.
        small: a few narrow blocks of the same make.
        entries: conditioning entries of a model call: 1 at CFG 1, else 2.
        joint: whether text and image share one sequence.
        any_text: whether a prompt may have any number of tokens; else all have the model's own.
    """

    title: str
    published: float
    real: CostModel
    small: CostModel
    entries: int = 2
    joint: bool = False
    any_text: bool = True

    def sized(self, rehearse: bool) -> CostModel:
        return self.small if rehearse else self.real


def _settings(**values: Any) -> Callable[[int], dict[str, Any]]:
    return lambda depth: dict(values)


def _pooled(width: int, **more: Any) -> Callable[[int], dict[str, Any]]:
    def extra(tokens: int) -> dict[str, Any]:
        import torch

        return {"pooled_output": torch.zeros(1, width), **more}

    return extra


FLUX: dict[str, Any] = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": 768,
    "context_in_dim": 4096, "hidden_size": 3072, "mlp_ratio": 4.0, "num_heads": 24, "depth": 19,
    "depth_single_blocks": 38, "axes_dim": [16, 56, 56], "theta": 10000, "patch_size": 2,
    "qkv_bias": True, "guidance_embed": True,
}  # fmt: skip
FLUX_SMALL = {
    **FLUX, "vec_in_dim": 32, "context_in_dim": 48, "hidden_size": 256, "num_heads": 2, "depth": 1,
    "depth_single_blocks": 2, "mlp_ratio": 2.0,
}  # fmt: skip
SD3: dict[str, Any] = {
    "in_channels": 16, "pos_embed_scaling_factor": None, "input_size": None, "patch_size": 2,
    "depth": 38, "num_blocks": 38, "pos_embed_max_size": 192, "num_patches": 36864,
    "adm_in_channels": 2048, "qk_norm": "rms", "x_block_self_attn_layers": [],
    "context_embedder_config": {
        "target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 2432},
    },
}  # fmt: skip
SD3_SMALL = {
    **SD3, "depth": 2, "num_blocks": 3, "adm_in_channels": 32, "pos_embed_max_size": 64,
    "num_patches": 4096,
    "context_embedder_config": {
        "target": "torch.nn.Linear", "params": {"in_features": 48, "out_features": 128},
    },
}  # fmt: skip
QWEN: dict[str, Any] = {
    "image_model": "qwen_image",
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 60,
}
QWEN_SMALL = {
    **QWEN, "num_layers": 3, "attention_head_dim": 64, "num_attention_heads": 2,
    "joint_attention_dim": 48, "axes_dims_rope": (8, 28, 28),
}  # fmt: skip
Z_IMAGE: dict[str, Any] = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 3840, "cap_feat_dim": 2560,
    "n_layers": 30, "qk_norm": True, "n_heads": 30, "n_kv_heads": 30, "axes_dims": [32, 48, 48],
    "axes_lens": [1536, 512, 512], "rope_theta": 256.0, "ffn_dim_multiplier": 8.0 / 3.0,
    "z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32,
}  # fmt: skip
Z_IMAGE_SMALL = {**Z_IMAGE, "dim": 256, "cap_feat_dim": 48, "n_layers": 4, "n_heads": 2,
                 "n_kv_heads": 2}  # fmt: skip
HUNYUAN_SMALL = {
    "image_model": "hydit", "depth": 4, "hidden_size": 128, "num_heads": 2, "mlp_ratio": 2.0,
    "text_states_dim": 1024, "text_states_dim_t5": 2048, "text_len": 77, "text_len_t5": 256,
    "qk_norm": True, "learn_sigma": True,
}  # fmt: skip
SDXL: dict[str, Any] = {
    **MODELS["sdxl"].settings(1), "num_res_blocks": [2] * 3, "transformer_depth_middle": 10,
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
}  # fmt: skip
SDXL_SMALL = {**MODELS["sdxl"].settings(1), "model_channels": 64}
WAN: dict[str, Any] = {
    "image_model": "wan2.1", "model_type": "t2v", "dim": 1536, "ffn_dim": 8960, "num_heads": 12,
    "num_layers": 30, "text_len": 512,
}  # fmt: skip
WAN_14B = {**WAN, "dim": 5120, "ffn_dim": 13824, "num_heads": 40, "num_layers": 40}
WAN_SMALL = {**WAN, "dim": 256, "ffn_dim": 256, "num_heads": 2, "num_layers": 3}


def _joint(
    config: str, base: str, real: dict, small: dict, text: int, widths: tuple[int, int],
    pooled: tuple[int, int] | None = None, **more: Any,
) -> tuple[CostModel, CostModel]:  # fmt: skip
    """(real, small); widths of text and pooled vector likewise."""
    extra = more.pop("extra", {})
    found = []
    for index, settings in enumerate((real, small)):
        given: dict[str, Any] = {"extra": _pooled(pooled[index], **extra)} if pooled else {}
        kind = CostModel(
            config, base, _settings(**settings), (text, widths[index]), 16, "", **given, **more
        )
        found.append(kind)
    return found[0], found[1]


def _cross(
    name: str, real: dict[str, Any] | None, small: dict[str, Any]
) -> tuple[CostModel, CostModel]:
    """The same; without ``real`` the settings of ``cost_models``."""
    kind = MODELS[name]
    fields = (kind.config, kind.base)
    rest = (kind.text, kind.channels, kind.model, kind.side, kind.frames, kind.extra)
    settings = kind.settings if real is None else _settings(**real)
    return CostModel(*fields, settings, *rest), CostModel(*fields, _settings(**small), *rest)


BENCH: dict[str, BenchModel] = {
    "flux": BenchModel(
        "Flux.1 dev", 11.9,
        *_joint("Flux", "Flux", FLUX, FLUX_SMALL, 512, (4096, 48), (768, 32),
                extra={"guidance": 3.5}),
        entries=1, joint=True,
    ),
    "sd35_large": BenchModel(
        "SD3.5 large", 8.06,
        *_joint("SD3", "SD3", SD3, SD3_SMALL, 154, (4096, 48), (2048, 32)), joint=True,
    ),
    "qwen_image": BenchModel(
        "Qwen-Image", 20.4,
        *_joint("QwenImage", "QwenImage", QWEN, QWEN_SMALL, 128, (3584, 48), frames=1), joint=True,
    ),
    "z_image": BenchModel(
        "Z-Image", 6.15,
        *_joint("ZImage", "Lumina2", Z_IMAGE, Z_IMAGE_SMALL, 128, (2560, 48)), entries=1,
        joint=True,
    ),
    "hunyuan_dit": BenchModel(
        "HunyuanDiT 1.2", 1.5, *_cross("hunyuan_dit", None, HUNYUAN_SMALL), any_text=False
    ),
    "sdxl": BenchModel("SDXL", 2.57, *_cross("sdxl", SDXL, SDXL_SMALL)),
    "wan_1b": BenchModel("Wan 2.1 1.3B", 1.42, *_cross("wan", WAN, WAN_SMALL)),
    "wan_14b": BenchModel("Wan 2.1 14B", 14.3, *_cross("wan", WAN_14B, WAN_SMALL)),
}  # fmt: skip
REAL_DEPTH = 40  # of HunyuanDiT, the only one whose settings take it
MAKES = tuple(name for name in BENCH if name != "wan_14b")  # whose small models differ

"""Nodes for tests: models of the host's own classes with random weights, and broken inputs."""

from __future__ import annotations

import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import torch

TINY_SDXL = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 2, 2],
    "transformer_depth": [0, 0, 1, 1, 1, 1],
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": 64,
    "adm_in_channels": 2816,
    "num_head_channels": 16,
    "num_classes": "sequential",
    "use_linear_in_transformer": True,
    "use_spatial_transformer": True,
    "legacy": False,
    "use_temporal_attention": False,
}


def tiny_sdxl() -> comfy.model_patcher.ModelPatcher:
    config = comfy.supported_models.SDXL(dict(TINY_SDXL))
    device = torch.device("cpu")
    model = comfy.model_base.SDXL(config, device=device)
    return comfy.model_patcher.ModelPatcher(model, device, device)


class TinySDXL:
    CATEGORY = "testing"
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        return (tiny_sdxl(),)


class NaNMask:
    CATEGORY = "testing"
    RETURN_TYPES = ("MASK",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        mask = torch.ones(1, 16, 16)
        mask[0, 3, 4] = float("nan")
        return (mask,)


NODE_CLASS_MAPPINGS = {"TestTinySDXL": TinySDXL, "TestNaNMask": NaNMask}

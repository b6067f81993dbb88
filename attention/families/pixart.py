"""PixArt alpha and sigma: cross-attention ``blocks[i].cross_attn`` over T5 tokens.

The network joins the text of all rows to one sequence (1, B * T, C) and takes it apart again inside
the attention; captions carry no padding mask. Latents with odd sides fail in ComfyUI itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.ldm.pixart.blocks as blocks
import torch

from ..engine.attend import KeyValue
from ..text.prompts import Text
from .base import TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype


class PixArt(CrossAttentionFamily):
    name = "PixArt"
    host_classes = ("PixArt",)

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.cross_attn for block in model.diffusion_model.blocks]

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.y_embedder.y_proj.fc1.in_features

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size
        height, width = latent
        return TokenShape(height // patch, width // patch, patch)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        states = text["cross_attn"].to(device, compute_dtype(model))
        return model.diffusion_model.y_embedder(states[:, None], False)[:, 0]

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        def project(text: torch.Tensor, n_rows: int = 1) -> KeyValue:
            kv = module.kv_linear(text).view(1, -1, 2, module.num_heads, module.head_dim)
            k, v = kv.unbind(2)
            return k.view(n_rows, -1, module.d_model), v.view(n_rows, -1, module.d_model)

        host = blocks.optimized_attention
        ask = layer.asking(module.num_heads, host, project, takes_options=False)

        def forward(x: torch.Tensor, cond: torch.Tensor, mask: None = None) -> torch.Tensor:
            q = module.q_linear(x)
            k, v = project(cond, x.shape[0])
            out = ask(q, k, v)
            return module.proj_drop(module.proj(out))

        return forward

"""LTX-Video: cross-attention ``transformer_blocks[i].attn2`` over T5 tokens with a padding mask.

One token per latent pixel and frame. Padding tokens are masked in the stock call with weights of
exactly zero; regional rows leave them out instead, so that no mask reaches the attention backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.ldm.modules.attention as host_attention
import torch

from ..engine.attend import KeyValue
from ..errors import PromptError
from ..text.prompts import Text
from .base import TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype, video_size


class LTXV(CrossAttentionFamily):
    name = "LTX-Video"
    host_classes = ("LTXV",)
    text_keys: tuple[str, ...] = ("cross_attn", "attention_mask")

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.attn2 for block in model.diffusion_model.transformer_blocks]

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.caption_projection.linear_1.in_features

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        frames, height, width = video_size(latent)
        return TokenShape(height, width, 1, frames)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        kept = text["attention_mask"][0].bool().nonzero()[:, 0]
        if kept.numel() == 0:
            raise PromptError("The attention mask of a regional prompt leaves no token of it.")
        states = text["cross_attn"][:, kept.to(text["cross_attn"].device)]
        return model.diffusion_model.caption_projection(states.to(device, compute_dtype(model)))

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        def project(text: torch.Tensor) -> KeyValue:
            return module.k_norm(module.to_k(text)), module.to_v(text)

        def host(*args: Any, mask: torch.Tensor | None = None, **kw: Any) -> torch.Tensor:
            function = host_attention.optimized_attention
            if mask is not None:
                function = host_attention.optimized_attention_masked
            return function(*args, mask=mask, attn_precision=module.attn_precision, **kw)

        ask = layer.asking(module.heads, host, project)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            mask: torch.Tensor | None = None,
            pe: None = None,
            transformer_options: dict[str, Any] | None = None,
        ) -> torch.Tensor:
            q = module.q_norm(module.to_q(x))
            k, v = project(context)
            out = ask(q, k, v, mask=mask, transformer_options=transformer_options)
            return module.to_out(out)

        return forward

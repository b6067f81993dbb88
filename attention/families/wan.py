"""Wan 2.1 and 2.2, text or image to video: cross-attention ``blocks[i].cross_attn`` over umT5.

Tokens: latent frames, then patches of 2 x 2. Image-to-video models attend to CLIP vision tokens
as well, in a second attention whose result is added; that part is the same for all regions. Tokens
of reference images, which lie before or behind the video's own, follow the global prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import comfy.ldm.wan.model as wan
import torch

from ..calls.call_plan import CallPlan
from ..engine.attend import KeyValue
from ..text.prompts import Text
from .base import CallInputs, TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype, video_size

# Inputs that put further tokens around those of the video.
REFERENCES = ("reference_latent", "time_dim_concat", "reference_motion")


class Wan(CrossAttentionFamily):
    name = "Wan"
    host_classes = ("WAN21", "WAN22", "WAN21_Camera")

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.cross_attn for block in model.diffusion_model.blocks]

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.text_dim

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        _, patch, _ = model.diffusion_model.patch_size
        frames, height, width = video_size(latent)
        return TokenShape(-(-height // patch), -(-width // patch), patch, frames)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        return model.diffusion_model.text_embedding(
            text["cross_attn"].to(device, compute_dtype(model))
        )

    def first_token(self, model: Any, inputs: CallInputs) -> int:
        if all(inputs.extra.get(name) is None for name in REFERENCES):
            return 0
        return _tokens_before_video(model.diffusion_model, inputs.extra)

    def prepared(self, model: Any, plan: CallPlan, inputs: CallInputs) -> CallInputs:
        if any(inputs.extra.get(name) is not None for name in REFERENCES):
            plan.memo["first"] = self.first_token(model, inputs)
        return inputs

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        heads = module.num_heads

        def project(text: torch.Tensor) -> KeyValue:
            return module.norm_k(module.k(text)), module.v(text)

        first = layer.plan.memo.get("first")
        ask = layer.asking(heads, wan.optimized_attention, project, first=first)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            context_img_len: int | None = None,
            transformer_options: dict[str, Any] | None = None,
            **kwargs: Any,
        ) -> torch.Tensor:
            image = None
            if isinstance(module, wan.WanI2VCrossAttention):
                image, context = context[:, :context_img_len], context[:, context_img_len:]
            q = module.norm_q(module.q(x))
            k, v = project(context)
            seen = None
            if image is not None:
                k_image, v_image = module.norm_k_img(module.k_img(image)), module.v_img(image)
                seen = wan.optimized_attention(
                    q, k_image, v_image, heads=heads, transformer_options=transformer_options or {}
                )
            out = ask(q, k, v, transformer_options=transformer_options)
            return module.o(out if seen is None else out + seen)

        return forward


def _tokens_before_video(net: Any, extra: dict[str, Any]) -> int:
    """A network with a convolution for a reference image puts its patches first."""
    reference = extra.get("reference_latent")
    if net.ref_conv is None or reference is None:
        return 0
    _, rows, cols = net.patch_size
    return (reference.shape[-2] // rows) * (reference.shape[-1] // cols)

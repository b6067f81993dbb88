"""Cosmos-Predict2, Anima and Cosmos 1: cross-attention, 2 x 2 patches of latent frames.

Anima has the blocks of Cosmos-Predict2; a network of its own makes its text out of the states of a
language model and the tokens of T5. Cosmos 1 keeps its tokens first and its rows second, and nests
its attention deeper.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import comfy.ldm.cosmos.blocks as cosmos1
import comfy.ldm.cosmos.predict2 as predict2
import torch

from ..engine.attend import KeyValue
from ..errors import HostError
from ..text.prompts import Text
from .base import TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype, video_size


class _Cosmos(CrossAttentionFamily):
    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_spatial
        frames, height, width = video_size(latent)
        return TokenShape(height // patch, width // patch, patch, frames)


class CosmosPredict2(_Cosmos):
    name = "Cosmos-Predict2"
    host_classes = ("CosmosPredict2",)

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.cross_attn for block in model.diffusion_model.blocks]

    def text_width(self, model: Any) -> int:
        return self.modules(model)[0].context_dim

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        def project(text: torch.Tensor) -> KeyValue:
            k = module.k_proj(text).unflatten(2, (module.n_heads, module.head_dim))
            v = module.v_proj(text).unflatten(2, (module.n_heads, module.head_dim))
            return module.k_norm(k).transpose(1, 2), module.v_norm(v).transpose(1, 2)

        ask = layer.asking(module.n_heads, predict2.optimized_attention, project)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            rope_emb: torch.Tensor | None = None,
            transformer_options: dict[str, Any] | None = None,
        ) -> torch.Tensor:
            options = transformer_options or {}
            qkv = _projected(module, x, context, rope_emb, options, layer)
            q, k, v = (t.transpose(1, 2) for t in qkv)
            out = ask(q, k, v, transformer_options=options)
            return module.output_dropout(module.output_proj(out))

        return forward


class Anima(CosmosPredict2):
    name = "Anima"
    host_classes = ("Anima",)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.llm_adapter.blocks[0].cross_attn.context_dim

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        states = text["cross_attn"].to(device, compute_dtype(model))
        ids, weights = text.get("t5xxl_ids"), text.get("t5xxl_weights")
        if weights is not None:
            weights = weights[None, :, None].to(states)
        if ids is not None:
            ids = ids[None].to(device)
        return model.diffusion_model.preprocess_text_embeds(states, ids, t5xxl_weights=weights)


def _projected(
    module: Any,
    x: torch.Tensor,
    context: torch.Tensor,
    rope_emb: torch.Tensor | None,
    options: dict[str, Any],
    layer: RegionalLayer,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The module's own queries, keys and values; newer hosts run other packs' patches in there."""
    if "transformer_options" not in inspect.signature(module.compute_qkv).parameters:
        return module.compute_qkv(x, context, rope_emb=rope_emb)
    others = options.get("patches", {}).get("attn2_patch", [])
    if others:

        def watch(_q: Any, k: Any, v: Any, **_: Any) -> dict[str, Any]:
            if k is not context or v is not context:
                raise HostError(
                    f"Another node changes the text of {layer.family} layer {layer.index} (an "
                    "attn2_patch). Regional prompts would go without that change: remove that "
                    "node, or the regional patch."
                )
            return {}

        patches = {**options["patches"], "attn2_patch": [*others, watch]}
        options = {**options, "patches": patches}
    return module.compute_qkv(x, context, rope_emb=rope_emb, transformer_options=options)


class Cosmos1(_Cosmos):
    name = "Cosmos 1"
    host_classes = ("CosmosVideo",)

    def modules(self, model: Any) -> Sequence[Any]:
        return [
            part.block.attn
            for block in model.diffusion_model.blocks.values()
            for part in block.blocks
            if part.block_type in ("cross_attn", "ca")
        ]

    def text_width(self, model: Any) -> int:
        return self.modules(model)[0].to_k[0].in_features

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., torch.Tensor]:
        def project(text: torch.Tensor) -> KeyValue:
            k = module.to_k[0](text).unflatten(2, (module.heads, -1)).transpose(1, 2)
            v = module.to_v[0](text).unflatten(2, (module.heads, -1)).transpose(1, 2)
            return module.to_k[1](k), module.to_v[1](v)

        ask = layer.asking(module.heads, cosmos1.optimized_attention, project)

        def forward(
            x: torch.Tensor,
            context: torch.Tensor,
            mask: torch.Tensor | None = None,
            rope_emb: torch.Tensor | None = None,
            transformer_options: dict[str, Any] | None = None,
            **kwargs: Any,
        ) -> torch.Tensor:
            q, k, v = module.cal_qkv(x, context, mask, rope_emb=rope_emb, **kwargs)
            out = ask(q, k, v, mask=mask, transformer_options=transformer_options)
            return module.to_out(out.transpose(0, 1).contiguous())

        return forward

"""HunyuanDiT 1.1 and 1.2: cross-attention ``blocks[i].attn2`` over [CLIP 77 | mT5 256] tokens.

Image tokens: latent patches of 2 x 2, row by row. Queries carry 2-D RoPE and a layer norm per head;
text keys carry the norm but no RoPE, and do not depend on the denoising step, so the keys and
values of the regional prompts are computed once per sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import comfy.ldm.hydit.attn_layers as attn_layers
import comfy.model_base
import comfy.ops
import torch

from ..engine.attend import KeyValue
from ..text.prompts import Text
from .base import TokenShape
from .cross_attention import CrossAttentionFamily, RegionalLayer, compute_dtype


class HunyuanDiT(CrossAttentionFamily):
    name = "HunyuanDiT"
    host_classes = ("HunyuanDiT",)
    text_keys: tuple[str, ...] = (
        "cross_attn",
        "attention_mask",
        "conditioning_mt5xl",
        "attention_mask_mt5xl",
    )

    def modules(self, model: Any) -> Sequence[Any]:
        return [block.attn2 for block in model.diffusion_model.blocks]

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.text_states_dim

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        patch = model.diffusion_model.patch_size
        height, width = latent
        return TokenShape((height + patch // 2) // patch, (width + patch // 2) // patch, patch)

    def text_states(self, model: Any, text: Text, device: torch.device) -> torch.Tensor:
        """CLIP and projected mT5 states with the learned padding, as the network's forward does.

        Unlike the forward, which writes the padding into the conditioning it is given, this leaves
        the caller's tensors as they are.
        """
        net = model.diffusion_model
        dtype = compute_dtype(model)
        clip = text["cross_attn"].to(device, dtype)
        t5 = net.mlp_t5(text["conditioning_mt5xl"].to(device, dtype))
        padding = comfy.ops.cast_to_input(net.text_embedding_padding, clip)
        clip = _pad(clip, text["attention_mask"].to(device), padding[: net.text_len])
        t5 = _pad(t5, text["attention_mask_mt5xl"].to(device), padding[net.text_len :])
        return torch.cat([clip, t5], dim=1)

    def forward(self, module: Any, layer: RegionalLayer) -> Callable[..., tuple[torch.Tensor]]:
        host = partial(attn_layers.optimized_attention, attn_precision=module.attn_precision)
        project = partial(_keys_values, module)
        ask = layer.asking(module.num_heads, host, project, takes_options=False)

        def forward(x: torch.Tensor, y: torch.Tensor, freqs_cis_img: Any = None) -> tuple:
            q = _queries(module, x, freqs_cis_img)
            out = ask(q, *project(y))
            return (module.proj_drop(module.out_proj(out)),)

        return forward


def _pad(states: torch.Tensor, mask: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
    """Put the learned padding [L, C] where the mask is 0, in the last L tokens of [1, T, C]."""
    n_pad = padding.shape[0]
    kept, padded = states[:, :-n_pad], states[:, -n_pad:]
    return torch.cat([kept, torch.where(mask[:, -n_pad:, None].bool(), padded, padding)], dim=1)


def _queries(attn2: Any, x: torch.Tensor, rope: Any) -> torch.Tensor:
    q = attn2.q_norm(attn2.q_proj(x).view(*x.shape[:2], attn2.num_heads, attn2.head_dim))
    if rope is not None:
        q = attn_layers.apply_rotary_emb(q, None, rope)[0]
    return q.transpose(1, 2).contiguous()


def _keys_values(attn2: Any, y: torch.Tensor) -> KeyValue:
    kv = attn2.kv_proj(y).view(*y.shape[:2], 2, attn2.num_heads, attn2.head_dim)
    k, v = kv.unbind(dim=2)
    return attn2.k_norm(k).transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous()

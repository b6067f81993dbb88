"""HunyuanDiT 1.1 and 1.2: cross-attention ``blocks[i].attn2`` over [CLIP 77 | mT5 256] tokens.

Image tokens: latent patches of 2 x 2, row by row. Queries carry 2-D RoPE and a layer norm per head;
text keys carry the norm but no RoPE, and do not depend on the denoising step, so the keys and
values of the regional prompts are computed once per sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.ldm.hydit.attn_layers as attn_layers
import comfy.model_base
import comfy.ops
import torch

from ..engine import attend
from ..errors import HostError
from ..prompts import Text
from ..rules import AttentionKind, Couple, Rule
from ..sampling import CallPlan, LayerJob, TextCache
from ..scoped import scoped_forwards
from .base import CallInputs, TokenShape

KeyValue = tuple[torch.Tensor, torch.Tensor]


class HunyuanDiT:
    name = "HunyuanDiT"
    attention: AttentionKind = "cross"
    text_keys: tuple[str, ...] = (
        "cross_attn",
        "attention_mask",
        "conditioning_mt5xl",
        "attention_mask_mt5xl",
    )

    def matches(self, model: Any) -> bool:
        return isinstance(model, comfy.model_base.HunyuanDiT)

    def n_layers(self, model: Any) -> int:
        return len(model.diffusion_model.blocks)

    def text_width(self, model: Any) -> int:
        return model.diffusion_model.text_states_dim

    def default_rule(self, base_ratio: float) -> Rule:
        return Couple(base_ratio)

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
        dtype = model.manual_cast_dtype or model.get_dtype()
        clip = text["cross_attn"].to(device, dtype)
        t5 = net.mlp_t5(text["conditioning_mt5xl"].to(device, dtype))
        padding = comfy.ops.cast_to_input(net.text_embedding_padding, clip)
        clip = _pad(clip, text["attention_mask"].to(device), padding[: net.text_len])
        t5 = _pad(t5, text["attention_mask_mt5xl"].to(device), padding[net.text_len :])
        return torch.cat([clip, t5], dim=1)

    @contextmanager
    def patched(
        self, model: Any, plan: CallPlan, cache: TextCache, inputs: CallInputs
    ) -> Iterator[CallInputs]:
        blocks = model.diffusion_model.blocks
        replacements = [
            (blocks[layer].attn2, regional_forward(blocks[layer].attn2, layer, jobs, plan, cache))
            for layer, jobs in plan.layers.items()
        ]
        with scoped_forwards(replacements):
            yield inputs


def _pad(states: torch.Tensor, mask: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
    """Put the learned padding [L, C] where the mask is 0, in the last L tokens of [1, T, C]."""
    n_pad = padding.shape[0]
    kept, padded = states[:, :-n_pad], states[:, -n_pad:]
    return torch.cat([kept, torch.where(mask[:, -n_pad:, None].bool(), padded, padding)], dim=1)


def regional_forward(
    attn2: Any, layer: int, jobs: tuple[LayerJob, ...], plan: CallPlan, cache: TextCache
) -> Callable[..., tuple[torch.Tensor]]:
    """Stand-in for ``CrossAttention.forward(x [B, N, C], y [B, T, C_text], freqs_cis_img)``.

    Projections run on the whole batch, in the shapes that the stock forward has, so rows without
    regions come out bit by bit as they do without the patch.
    """

    def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return attn_layers.optimized_attention(
            q, k, v, attn2.num_heads, skip_reshape=True, attn_precision=attn2.attn_precision
        )

    def forward(x: torch.Tensor, y: torch.Tensor, freqs_cis_img: Any = None) -> tuple[torch.Tensor]:
        n_tokens = jobs[0].grid.n_tokens
        if x.shape[1] != n_tokens:
            raise HostError(
                f"HunyuanDiT layer {layer} has {x.shape[1]} image tokens, expected "
                f"{n_tokens} from the latent. Another patch changes the tokens; remove it."
            )
        q = _queries(attn2, x, freqs_cis_img)
        k, v = _keys_values(attn2, y)
        out = x.new_empty(x.shape)
        for rows in plan.plain_rows(jobs):
            out[rows] = attention(q[rows], k[rows], v[rows])
        for job in jobs:
            texts = [(k[job.rows], v[job.rows])]
            for text in job.texts:
                kv = cache.get((layer, text.key), lambda t=text: _keys_values(attn2, t.states))
                texts.append(_for_rows(kv, q[job.rows].shape[0]))
            out[job.rows] = attend(q[job.rows], texts, job.groups, attention)
        return (attn2.proj_drop(attn2.out_proj(out)),)

    return forward


def _queries(attn2: Any, x: torch.Tensor, rope: Any) -> torch.Tensor:
    q = attn2.q_norm(attn2.q_proj(x).view(*x.shape[:2], attn2.num_heads, attn2.head_dim))
    if rope is not None:
        q = attn_layers.apply_rotary_emb(q, None, rope)[0]
    return q.transpose(1, 2).contiguous()


def _keys_values(attn2: Any, y: torch.Tensor) -> KeyValue:
    kv = attn2.kv_proj(y).view(*y.shape[:2], 2, attn2.num_heads, attn2.head_dim)
    k, v = kv.unbind(dim=2)
    return attn2.k_norm(k).transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous()


def _for_rows(kv: KeyValue, n_rows: int) -> KeyValue:
    """One prompt's keys and values, seen by every image of the batch (views, not copies)."""
    k, v = kv
    return k.expand(n_rows, -1, -1, -1), v.expand(n_rows, -1, -1, -1)

"""The network of the demo model: its size, its start, and faster CPU kernels for training.

ComfyUI is imported inside the functions, so that the caller decides where it is found.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from . import text

HIDDEN, DEPTH, HEADS = 160, 8, 5


def model_config() -> dict:
    """Constructor arguments of ``comfy.ldm.hydit.models.HunYuanDiT`` for the demo model."""
    return {
        "patch_size": 2, "in_channels": 4, "hidden_size": HIDDEN, "depth": DEPTH,
        "num_heads": HEADS, "text_states_dim": text.TEXT_DIM, "text_states_dim_t5": text.TEXT_DIM,
        "text_len": text.TEXT_LEN, "text_len_t5": text.TEXT_LEN, "qk_norm": True,
        "learn_sigma": False,
    }  # fmt: skip


def extend_text_length(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Repeat the learned padding and the pooler positions of a checkpoint up to ``TEXT_LEN``."""
    weights = dict(weights)
    pad, position = weights["text_embedding_padding"], weights["pooler.positional_embedding"]
    old = pad.shape[0] // 2
    if old < text.TEXT_LEN:
        times = math.ceil(text.TEXT_LEN / old)
        halves = [h.repeat(times, 1)[: text.TEXT_LEN] for h in (pad[:old], pad[old:])]
        weights["text_embedding_padding"] = torch.cat(halves)
        tail = position[1:].repeat(times, 1)[: text.TEXT_LEN]
        weights["pooler.positional_embedding"] = torch.cat([position[:1], tail])
    return weights


def initialise(net: Any) -> None:
    """Random start: Xavier, with modulation and output at zero so that blocks begin as identity."""
    for name, p in net.named_parameters():
        if p.ndim < 2:
            torch.nn.init.zeros_(p)
        elif "positional_embedding" in name or "text_embedding_padding" in name:
            torch.nn.init.normal_(p, std=0.02)
        else:
            torch.nn.init.xavier_uniform_(p.view(p.shape[0], -1))
    for module in net.modules():
        if isinstance(module, torch.nn.LayerNorm) and module.elementwise_affine:
            torch.nn.init.ones_(module.weight)
    with torch.no_grad():
        for block in net.blocks:
            block.default_modulation[1].weight.zero_()
            for out in (block.attn1.out_proj, block.attn2.out_proj, block.mlp.fc2):
                out.weight.mul_(2 / math.sqrt(2 * len(net.blocks)))
            if block.skip_linear is not None:
                d = block.skip_linear.weight.shape[0]
                block.skip_linear.weight.normal_(std=0.02)
                block.skip_linear.weight[:, :d] += torch.eye(d)
        net.final_layer.adaLN_modulation[1].weight.zero_()
        net.final_layer.linear.weight.zero_()


def use_fast_cpu_kernels() -> None:
    """Swap attention and RoPE of the host's module for equal functions faster in CPU bfloat16."""
    import comfy.ldm.hydit.attn_layers as layers
    import comfy.ldm.hydit.models as models
    import comfy.ldm.hydit.poolers as poolers

    def attention(q, k, v, heads, mask=None, skip_reshape=True, **_):
        b, h, n, d = q.shape
        scores = (q * d**-0.5).reshape(b * h, n, d) @ k.reshape(b * h, -1, d).transpose(1, 2)
        out = torch.softmax(scores, -1) @ v.reshape(b * h, -1, d)
        return out.view(b, h, n, d).transpose(1, 2).reshape(b, n, h * d)

    rotations: dict = {}

    def rotate(x, cos, sin):
        key = (x.shape[-1], x.dtype)
        if key not in rotations:  # x @ R = (-x1, x0, -x3, x2, ...)
            r = torch.zeros(key[0], key[0])
            for i in range(0, key[0], 2):
                r[i + 1, i], r[i, i + 1] = -1, 1
            rotations[key] = r.to(x.dtype)
        return torch.addcmul(x * cos, x @ rotations[key], sin)

    def rope(xq, xk, freqs, head_first=False):
        cos, sin = layers.reshape_for_broadcast(freqs, xq, head_first)
        return rotate(xq, cos, sin), None if xk is None else rotate(xk, cos, sin)

    stock_rope, tables = models.calc_rope, {}

    def cached_rope(x, patch_size, head_size):
        key = (x.shape[2:], patch_size, head_size, x.dtype)
        if key not in tables:
            tables[key] = stock_rope(x, patch_size, head_size)
        return tables[key]

    layers.optimized_attention = poolers.optimized_attention = attention
    layers.apply_rotary_emb, models.calc_rope = rope, cached_rope


def alphas_cumprod() -> torch.Tensor:
    """Cumulative alphas of the host's HunyuanDiT schedule, float32 [1000]."""
    from comfy.ldm.modules.diffusionmodules.util import make_beta_schedule

    betas = make_beta_schedule("linear", 1000, linear_start=0.00085, linear_end=0.018)
    return torch.cumprod(1 - torch.as_tensor(betas), 0).float()

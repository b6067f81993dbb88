"""HunyuanDiT's text, and masks and softmaxes, restated by hand for the oracles of the tests."""

from __future__ import annotations

from typing import Any

import comfy.ldm.hydit.attn_layers as attn_layers
import torch
from tiny_hunyuan import conditioning

GRIDS = {2: (1, 2), 4: (2, 2), 9: (3, 3)}


def text_tokens(net, seed):
    """[1, T, C] as HunYuanDiT.forward builds them, restated."""
    cross_attn, extra = conditioning(seed)[0]
    t5 = net.mlp_t5(extra["conditioning_mt5xl"])
    states = torch.cat([cross_attn, t5], dim=1)
    mask = torch.cat([extra["attention_mask"], extra["attention_mask_mt5xl"]], dim=1).bool()
    return torch.where(mask[0, :, None], states[0], net.text_embedding_padding)[None]


def hand_masks(n, height, width, rows, cols):
    """[n, N] share of each 2 x 2 token that lies in each cell, counted at 1/30 of a pixel."""
    cell_rows, cell_cols = GRIDS[n]
    fine = 30
    y = (torch.arange(height * fine) + 0.5) / (height * fine)
    x = (torch.arange(width * fine) + 0.5) / (width * fine)
    owner = (y * cell_rows).long()[:, None] * cell_cols + (x * cell_cols).long()[None]
    masks = torch.zeros(n, rows * cols)
    for row in range(rows):
        for col in range(cols):
            part = owner[
                row * 2 * fine : (row + 1) * 2 * fine, col * 2 * fine : (col + 1) * 2 * fine
            ]
            for region in range(n):
                masks[region, row * cols + col] = (part == region).float().mean()
    return masks


def softmax_attention(q, k, v):
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return weights @ v


def restated(sides: list[list[tuple[torch.Tensor, torch.Tensor]]], beta: float) -> Any:
    """CrossAttention.forward with, for each half of the rows, (text, mask) of its regions."""

    def forward(self: Any, x: Any, y: Any, freqs_cis_img: Any = None) -> Any:
        def split(t: torch.Tensor) -> torch.Tensor:
            return t.view(t.shape[0], -1, self.num_heads, self.head_dim)

        def kv(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            k, v = self.kv_proj(tokens).chunk(2, dim=-1)
            return self.k_norm(split(k)).transpose(1, 2), split(v).transpose(1, 2)

        q = attn_layers.apply_rotary_emb(self.q_norm(split(self.q_proj(x))), None, freqs_cis_img)[0]
        halves = []
        for side, asked, tokens in zip(sides, q.transpose(1, 2).chunk(2), y.chunk(2), strict=True):
            own = torch.zeros(asked.shape[2]) + sum((1 - beta) * mask for _, mask in side)
            out = (1 - own)[:, None] * softmax_attention(asked, *kv(tokens))
            for text, mask in side:
                out = out + (1 - beta) * mask[:, None] * softmax_attention(asked, *kv(text))
            halves.append(out)
        return (self.out_proj(torch.cat(halves).transpose(1, 2).flatten(2)),)

    return forward

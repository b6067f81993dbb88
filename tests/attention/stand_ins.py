"""Stand-ins for what the host gives: its attention function, and a step of its sampling."""

from __future__ import annotations

import torch
from regional_dit.attention.calls.step import Step


def sdpa(q, k, v):
    """[B, H, T, D] each; [B, T, H * D]."""
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


def step(index: int, n_steps: int = 4) -> Step:
    """Step ``index`` of a linear schedule where percent p is sigma 1 - p."""
    schedule = [1 - i / n_steps for i in range(n_steps + 1)]
    return Step(torch.tensor([schedule[index]]), schedule, lambda percent: 1 - percent)

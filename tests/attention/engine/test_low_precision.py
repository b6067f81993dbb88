"""Soft masks in bf16 and fp16: shares are kept in float32 and their sum is rounded once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import IMAGE, Groups, groups_to
from regional_dit.attention.engine.partial import WithLse
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.joint.cascade import pieces
from regional_dit.attention.joint.sequence import TokenLayout
from regional_dit.attention.rules import Bias, Bind, BlockKinds, Couple, EliGen, Joint

SIDE, REGIONS, TEXT, HEADS, WIDTH = 16, 4, 24, 2, 64
BLOCKS = BlockKinds(57, 19)
ROUNDINGS = 1.5  # of the error that rounding one plain attention's output makes


def soft_groups(rule: Any, phase: str) -> Groups:
    """Four regions side by side whose edges run into each other."""
    pixels = 8 * SIDE
    ramp = torch.arange(pixels) / pixels * REGIONS
    masks = [(1.5 - 1.2 * (ramp - r - 0.5).abs()).clamp(0, 1) for r in range(REGIONS)]
    regions = RegionSet.from_masks([mask.expand(pixels, pixels) for mask in masks])
    size = 2 * SIDE
    return rule.groups(regions, TokenGrid(SIDE, SIDE, 2, size, size, 0, 0, size, size), phase)


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


def error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.double() - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


def random(n_tokens: int, dtype: torch.dtype) -> torch.Tensor:
    """q, k, v."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 1, HEADS, n_tokens, WIDTH, generator=generator).to(dtype)


def plain_error(n_keys: int, dtype: torch.dtype) -> float:
    q, k, v = random(n_keys, dtype)
    scores = q.double() @ k.double().transpose(-1, -2) / WIDTH**0.5
    return error(sdpa(q, k, v), (scores.softmax(-1) @ v.double()).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("rule", [Couple(0.3), Joint(0.3)], ids=["mix", "merge"])
def test_cross_attention(rule, dtype):
    groups = soft_groups(rule, "always")
    n_image = SIDE * SIDE
    q, k, v = random(n_image + TEXT * (REGIONS + 1), dtype)
    asked = q[:, :, :n_image]
    texts = list(
        zip(k[:, :, n_image:].split(TEXT, 2), v[:, :, n_image:].split(TEXT, 2), strict=True)
    )
    out = attend(asked, texts, groups_to(groups, q.device, dtype), sdpa)
    assert out.dtype == dtype
    assert error(out, attend_dense(asked, texts, groups)) < ROUNDINGS * plain_error(TEXT, dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize(
    ("rule", "phase"),
    [
        (Bind(0.3, 0.0, 1.0).fitted(BLOCKS), "open"),
        (EliGen(), "always"),
        (Bias(blocks=BLOCKS), "biased"),
    ],
    ids=["bind", "eligen", "bias"],
)
def test_joint_attention(rule, phase, dtype):
    groups = soft_groups(rule, phase)
    ends = [TEXT * (r + 1) for r in range(REGIONS + 1)]
    spans = {REGIONS - i: ((end - TEXT, end),) for i, end in enumerate(ends)}
    n_tokens = ends[-1] + SIDE * SIDE
    spans[IMAGE] = ((ends[-1], n_tokens),)
    tensors = random(n_tokens, dtype)
    q, k, v = tensors
    out = q.new_zeros(1, n_tokens, HEADS * WIDTH)
    layout = TokenLayout(spans)
    for piece in pieces(groups_to(groups, q.device, dtype), layout, n_tokens, q.device):
        piece.run(out, q, k, v, sdpa, WithLse())
    sources = {s: (k[:, :, a:b], v[:, :, a:b]) for s, ((a, b),) in spans.items()}
    image = tuple(group for group in groups if group.source == IMAGE)
    wanted = attend_dense(q[:, :, ends[-1] :], sources, image)
    assert error(out[:, ends[-1] :], wanted) < ROUNDINGS * plain_error(n_tokens, dtype)

"""HunyuanDiT under the patch against an independent restatement of the published formula.

f = out_proj(sum_r m_r Attn(Q, K_r, V_r)), arXiv 2501.07070 II-B, with plain softmax attention and
masks made here by hand, for whole model calls with random weights: the rule ``rcac`` in the first
layers, and ``couple`` in any, whose base ratio blends the same f with the global prompt's.
"""

from __future__ import annotations

import types
from functools import cache

import comfy.ldm.hydit.attn_layers as attn_layers
import pytest
import torch
from hunyuan_formula import GRIDS, hand_masks, softmax_attention, text_tokens
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.rules import RCAC, Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_hunyuan import DEPTH, conditioning, run_ksampler, tiny_hunyuan

FAMILY = "HunyuanDiT"
# Rule, its layers, and the global prompt's share inside the regions.
RULES = {
    "rcac": (RCAC(), tuple(range(RCAC().default_last_layer(DEPTH) + 1)), 0.0),
    "couple": (Couple(0.3), (0, 2, 3, 5), 0.3),
    "couple without base": (Couple(0.0), (0, 2, 3, 5), 0.0),
}


def restated_forward(texts, masks, base_ratio):
    """A CrossAttention.forward for [uncond, cond] batches: row halves are told apart by place."""

    def forward(self, x, y, freqs_cis_img=None):
        heads, dim = self.num_heads, self.head_dim

        def split(t):
            return t.view(t.shape[0], -1, heads, dim)

        q = attn_layers.apply_rotary_emb(self.q_norm(split(self.q_proj(x))), None, freqs_cis_img)[0]
        q = q.transpose(1, 2)

        def kv(tokens):
            k, v = self.kv_proj(tokens).chunk(2, dim=-1)
            return self.k_norm(split(k)).transpose(1, 2), split(v).transpose(1, 2)

        k, v = kv(y)
        out = softmax_attention(q, k, v)
        cond = slice(x.shape[0] // 2, None)  # ComfyUI batches [uncond, cond]
        mixed = base_ratio * out[cond]
        for text, mask in zip(texts, masks, strict=True):
            k_r, v_r = kv(text)
            mixed += (1 - base_ratio) * mask[:, None] * softmax_attention(q[cond], k_r, v_r)
        out = torch.cat([out[: x.shape[0] // 2], mixed])
        return (self.out_proj(out.transpose(1, 2).flatten(2)),)

    return forward


@pytest.mark.invariant("formula")
@pytest.mark.parametrize("n", [2, 4, 9])
@pytest.mark.parametrize("size", [(18, 12), (15, 11), (13, 18)])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("rule", RULES)
def test_patch_equals_the_published_formula(n, size, batch, rule):
    rule, layers, base_ratio = RULES[rule]
    model = tiny_hunyuan(seed=n)
    net = model.model.diffusion_model
    height, width = size
    seeds = list(range(10, 10 + n))
    texts = tuple(text_from_conditioning(conditioning(s), str(s)) for s in seeds)
    regional = RegionalPrompts("u", split_canvas(*GRIDS[n]), texts, ("",) * n)
    patch = RegionalPatch(regional, rule, layers, PercentRange())
    positive = conditioning(1, **{MARKER: "u"})
    ours = run_ksampler(
        install(model, patch), positive, conditioning(2), batch=batch, height=height, width=width
    )

    masks = hand_masks(n, height, width, (height + 1) // 2, (width + 1) // 2)
    with torch.no_grad():
        tokens = [text_tokens(net, s) for s in seeds]
    for layer in layers:
        attn2 = net.blocks[layer].attn2
        attn2.forward = types.MethodType(restated_forward(tokens, masks, base_ratio), attn2)
    theirs = run_ksampler(model, positive, conditioning(2), batch=batch, height=height, width=width)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    effect = (ours - stock_run(n, batch, size)).abs().max()
    assert effect > 100 * (ours - theirs).abs().max()


@cache
def stock_run(n: int, batch: int, size: tuple[int, int]) -> torch.Tensor:
    """Without a patch, for all rules."""
    height, width = size
    return run_ksampler(
        tiny_hunyuan(seed=n), conditioning(1), conditioning(2),
        batch=batch, height=height, width=width,
    )  # fmt: skip

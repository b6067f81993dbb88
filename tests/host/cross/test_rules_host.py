"""Every rule for cross-attention through ComfyUI's own KSampler on a tiny random HunyuanDiT."""

from __future__ import annotations

import types
from typing import Any

import comfy.ldm.hydit.attn_layers as attn_layers
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from host_sampling import assert_only_positive_rows_differ, first_call
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.rules import (
    RCAC,
    RPG,
    Couple,
    Dense,
    Joint,
    LaRender,
    Omost,
    RCACLiteral,
)
from regional_models import BASE, LEFT, NEGATIVE, RIGHT, is_pristine, patched, positive
from tiny_hunyuan import conditioning, run_ksampler, tiny_hunyuan

RULES = [
    Couple(0.3),
    RCAC(),
    Joint(),
    Joint(0.0, False),
    Omost(),
    Dense(),
    RPG(),
    LaRender(),
    LaRender(0.5, "constant"),
    RCACLiteral(),
]
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.describe())

# Uncovered canvas on the right, two boxes that overlap, one of them soft and behind.
SCENE = RegionSet(
    (
        Region(Box(0.0, 0.0, 0.6, 0.7, feather=0.3), order=0),
        Region(Box(0.2, 0.3, 0.8, 1.0), weight=1.4, order=1),
    )
)


@EVERY_RULE
def test_rule_changes_the_picture_and_leaves_no_trace(model, stock, rule):
    patch = patched(model, regions=SCENE, rule=rule)
    out = run_ksampler(patch, positive(), conditioning(NEGATIVE))
    assert out.isfinite().all()
    assert (out - stock).abs().max() > 1e-2
    assert is_pristine(model)
    assert model.model_options == {"transformer_options": {}}
    assert torch.equal(run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE)), stock)


@EVERY_RULE
@pytest.mark.parametrize("noop", [{"layers": ()}, {"percent": (0.5, 0.5)}])
def test_empty_ranges_are_bit_exact(model, stock, rule, noop):
    out = run_ksampler(patched(model, rule=rule, **noop), positive(), conditioning(NEGATIVE))
    assert torch.equal(out, stock)


def test_dense_is_bit_exact_after_its_last_step(model):
    """A rule without a phase leaves the layer to the stock attention."""
    patch = patched(model, rule=Dense(end_percent=0.0))
    out = run_ksampler(patch, positive(), conditioning(NEGATIVE), steps=4)
    plain = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE), steps=4)
    assert torch.equal(out, plain)


@EVERY_RULE
def test_one_full_region_with_the_base_prompt_is_stock(model, stock, rule):
    out = run_ksampler(patched(model, [BASE], rule=rule), positive(), conditioning(NEGATIVE))
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


@EVERY_RULE
def test_negative_rows_are_bit_exact(model, rule):
    def run(spy):
        run_ksampler(spy, positive(), conditioning(NEGATIVE), batch=3)

    regional = patched(model, regions=SCENE, rule=rule)
    assert_only_positive_rows_differ(first_call(model, run), first_call(regional, run))


@EVERY_RULE
def test_batch_rows_equal_single_runs(model, rule):
    patch = patched(model, regions=SCENE, rule=rule)
    noise = torch.randn(2, 4, 16, 12, generator=torch.Generator().manual_seed(5))
    together = run_ksampler(patch, positive(), conditioning(NEGATIVE), noise=noise)
    for row in range(2):
        alone = run_ksampler(patch, positive(), conditioning(NEGATIVE), noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@EVERY_RULE
@pytest.mark.parametrize("size", [(15, 11), (9, 16), (1, 3)])
def test_odd_latents(model, rule, size):
    out = run_ksampler(
        patched(model, rule=rule), positive(), conditioning(NEGATIVE), height=size[0], width=size[1]
    )
    assert out.shape[-2:] == size and out.isfinite().all()


# The others change the scores, or add up more than one attention.
BLENDING = [rule for rule in RULES if not isinstance(rule, Omost | Dense | RCACLiteral)]


@pytest.mark.parametrize("rule", BLENDING, ids=lambda rule: rule.describe())
def test_soft_overlapping_regions_with_the_base_prompt_are_stock(model, stock, rule):
    out = run_ksampler(
        patched(model, [BASE, BASE], regions=SCENE, rule=rule), positive(), conditioning(NEGATIVE)
    )
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


def text_tokens(net: Any, seed: int) -> torch.Tensor:
    """[1, T, C] as HunYuanDiT.forward builds them, restated."""
    cross_attn, extra = conditioning(seed)[0]
    states = torch.cat([cross_attn, net.mlp_t5(extra["conditioning_mt5xl"])], dim=1)
    mask = torch.cat([extra["attention_mask"], extra["attention_mask_mt5xl"]], dim=1).bool()
    return torch.where(mask[0, :, None], states[0], net.text_embedding_padding)[None]


def dense_forward(texts: list[torch.Tensor], groups: Any) -> Any:
    """``CrossAttention.forward`` for [uncond, cond] batches, by the dense reference alone."""

    def forward(self, x, y, freqs_cis_img=None):
        def split(t):
            return t.view(t.shape[0], -1, self.num_heads, self.head_dim)

        def kv(tokens):
            k, v = self.kv_proj(tokens).chunk(2, dim=-1)
            return self.k_norm(split(k)).transpose(1, 2), split(v).transpose(1, 2)

        q = attn_layers.apply_rotary_emb(self.q_norm(split(self.q_proj(x))), None, freqs_cis_img)[0]
        q, (k, v), half = q.transpose(1, 2), kv(y), x.shape[0] // 2
        plain = (q[:half] @ k[:half].mT / self.head_dim**0.5).softmax(-1) @ v[:half]
        sources = [(k[half:], v[half:]), *(kv(text) for text in texts)]
        regional = attend_dense(q[half:], sources, groups()).to(x.dtype)
        out = torch.cat([plain.transpose(1, 2).flatten(2), regional])
        return (self.out_proj(out),)

    return forward


@EVERY_RULE
def test_whole_runs_equal_the_dense_reference(rule):
    """Keys, positions, steps and all: the phase is worked out here from ComfyUI's own timestep."""
    model = tiny_hunyuan(seed=4)
    net = model.model.diffusion_model
    height, width, steps, layers = 15, 12, 3, (0, 2, 5)
    patch = patched(model, [LEFT, RIGHT], regions=SCENE, rule=rule, layers=layers)
    ours = run_ksampler(
        patch, positive(), conditioning(NEGATIVE), height=height, width=width, steps=steps
    )

    grid = TokenGrid(8, 6, 2, height, width, 0, 0, height, width)
    now: dict[str, Any] = {"call": 0}

    def groups():
        return rule.groups(SCENE, grid, now["phase"])

    with torch.no_grad():
        texts = [text_tokens(net, seed) for seed in (LEFT, RIGHT)]
    counting = model.clone()

    def wrapper(executor, *args, **kw):
        time = float(model.model.model_sampling.timestep(args[5]["sigmas"][0])) / 999
        now["phase"] = "always"
        if isinstance(rule, LaRender):
            now["phase"] = steps / (now["call"] + 1) if rule.schedule == "falling" else 1.0
        if isinstance(rule, Dense):
            now["phase"] = round(time**5, 4)
        acts = not isinstance(rule, Dense) or time > 0.7
        for layer in layers if acts else ():
            attn2 = net.blocks[layer].attn2
            attn2.forward = types.MethodType(dense_forward(texts, groups), attn2)
        try:
            return executor(*args, **kw)
        finally:
            now["call"] += 1
            for layer in layers if acts else ():
                del net.blocks[layer].attn2.forward

    counting.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "dense", wrapper)
    theirs = run_ksampler(
        counting, positive(), conditioning(NEGATIVE), height=height, width=width, steps=steps
    )
    plain = run_ksampler(
        model, positive(), conditioning(NEGATIVE), height=height, width=width, steps=steps
    )
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    assert (ours - plain).abs().max() > 50 * (ours - theirs).abs().max()

"""High-level prompts in some layers, low-level prompts in others, at the same time."""

from __future__ import annotations

import types
from typing import Any

import comfy.ldm.hydit.attn_layers as attn_layers
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import PromptError, RegionalError
from regional_dit.attention.rules import Couple
from regional_dit.attention.sampling.depth import INVERTED, PAPER, UNIFORM
from regional_dit.nodes.patching.depth import ProgressiveDepth
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import RegionalConditioning
from regional_dit.planner.plan import Plan, RegionPlan
from regional_models import NEGATIVE, is_pristine, patched, positive, prompts
from tiny_hunyuan import DEPTH, conditioning, run_ksampler, tiny_hunyuan

HIGH, LOW = [3, 4], [7, 8]  # seeds of the two regions' prompts at each level
SHALLOW, DEEP = (0, 1, 2), (3, 4, 5)
RATIO = 0.3


def text_tokens(net: Any, seed: int) -> torch.Tensor:
    """[1, T, C] as HunYuanDiT.forward builds them, restated."""
    cross_attn, extra = conditioning(seed)[0]
    states = torch.cat([cross_attn, net.mlp_t5(extra["conditioning_mt5xl"])], dim=1)
    mask = torch.cat([extra["attention_mask"], extra["attention_mask_mt5xl"]], dim=1).bool()
    return torch.where(mask[0, :, None], states[0], net.text_embedding_padding)[None]


def halves(x: torch.Tensor) -> torch.Tensor:
    """[2, N] masks of the left and the right half of 8 x 6 tokens."""
    left = (torch.arange(6) < 3).float().repeat(8)
    return torch.stack([left, 1 - left]).to(x)


def restated(
    attn2: Any, x: torch.Tensor, y: torch.Tensor, rope: Any, texts: list[torch.Tensor]
) -> torch.Tensor:
    """Output of one layer for an [uncond, cond] batch: couple with these prompts, or stock."""

    def split(t: torch.Tensor) -> torch.Tensor:
        return t.view(t.shape[0], -1, attn2.num_heads, attn2.head_dim)

    def attention(q: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        k, v = attn2.kv_proj(tokens).chunk(2, dim=-1)
        k, v = attn2.k_norm(split(k)).transpose(1, 2), split(v).transpose(1, 2)
        return (q @ k.mT / attn2.head_dim**0.5).softmax(-1) @ v

    q = attn_layers.apply_rotary_emb(attn2.q_norm(split(attn2.q_proj(x))), None, rope)[0]
    q = q.transpose(1, 2)
    out = attention(q, y)
    if texts:
        cond = x.shape[0] // 2
        mixed = RATIO * out[cond:]
        for text, mask in zip(texts, halves(x), strict=True):
            mixed = mixed + (1 - RATIO) * mask[:, None] * attention(q[cond:], text)
        out = torch.cat([out[:cond], mixed])
    return attn2.out_proj(out.transpose(1, 2).flatten(2))


def restated_forward(texts: list[torch.Tensor]) -> Any:
    def forward(self, x, y, freqs_cis_img=None):
        return (restated(self, x, y, freqs_cis_img, texts),)

    return forward


def two_patches(model: Any, **second: Any) -> Any:
    low = patched(model, LOW, rule=Couple(RATIO), layers=SHALLOW)
    return patched(low, HIGH, rule=Couple(RATIO), layers=DEEP, **second)


def test_stacked_patches_equal_one_run_with_prompts_by_layer():
    model = tiny_hunyuan(seed=11)
    net = model.model.diffusion_model
    ours = run_ksampler(two_patches(model), positive(), conditioning(NEGATIVE), steps=3)
    with torch.no_grad():
        texts = {seed: text_tokens(net, seed) for seed in HIGH + LOW}
    for layer, block in enumerate(net.blocks):
        own = [texts[seed] for seed in (LOW if layer in SHALLOW else HIGH)]
        block.attn2.forward = types.MethodType(restated_forward(own), block.attn2)
    theirs = run_ksampler(model, positive(), conditioning(NEGATIVE), steps=3)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)
    fresh = tiny_hunyuan(seed=11)
    for alone in (HIGH, LOW):
        one = run_ksampler(
            patched(fresh, alone, rule=Couple(RATIO)), positive(), conditioning(NEGATIVE), steps=3
        )
        assert (ours - one).abs().max() > 1e-2


@pytest.mark.parametrize("high_percent", [(0.0, 1.0), (0.0, 0.5), (0.5, 1.0)])
def test_every_layer_uses_its_own_prompts_in_its_own_range(model, high_percent):
    """Hooks see what each attn2 was given and gave, at every step; each is worked out again."""
    net = model.model.diffusion_model
    seen: list[tuple[int, int, list[Any]]] = []
    step = {"now": -1}
    spy = two_patches(model, percent=high_percent)

    def count(executor, *args, **kw):
        step["now"] += 1
        return executor(*args, **kw)

    def record(layer):
        return lambda module, args, out: seen.append((step["now"], layer, [*args, out[0]]))

    spy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "count", count)
    hooks = [
        block.attn2.register_forward_hook(record(layer)) for layer, block in enumerate(net.blocks)
    ]
    try:
        run_ksampler(spy, positive(), conditioning(NEGATIVE), steps=4)
    finally:
        for hook in hooks:
            hook.remove()
    assert len(seen) == 4 * DEPTH
    assert is_pristine(model)
    with torch.inference_mode():
        texts = {seed: text_tokens(net, seed) for seed in HIGH + LOW}
        for now, layer, (x, y, rope, out) in seen:
            high_acts = high_percent[0] <= now / 4 < high_percent[1]
            wanted = LOW if layer in SHALLOW else HIGH if high_acts else []
            attn2 = net.blocks[layer].attn2
            expected = restated(attn2, x, y, rope, [texts[seed] for seed in wanted])
            torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
            for other in (LOW, HIGH, []):
                if other != wanted:
                    wrong = restated(attn2, x, y, rope, [texts[seed] for seed in other])
                    assert (out - wrong).abs().max() > 1e-3


def test_presets_are_pairs_of_patches(model):
    low, high, whole = prompts(LOW), prompts(HIGH), prompts([1, 2])
    run = lambda m: run_ksampler(m, positive(), conditioning(NEGATIVE))  # noqa: E731

    def preset(name: str, split: int) -> torch.Tensor:
        out = ProgressiveDepth.execute(model, name, split, RATIO, high, low, whole)
        return run(out[0])

    by_hand = patched(
        patched(model, HIGH, rule=Couple(RATIO), layers=SHALLOW),
        LOW,
        rule=Couple(RATIO),
        layers=DEEP,
    )
    assert torch.equal(preset(PAPER, 3), run(two_patches(model)))
    assert torch.equal(preset(INVERTED, 3), run(by_hand))
    assert torch.equal(preset(PAPER, -1), preset(PAPER, 3))  # 21 of 40 layers
    assert torch.equal(preset(UNIFORM, -1), run(patched(model, [1, 2], rule=Couple(RATIO))))


def test_preset_errors(model):
    high, other = prompts(HIGH), prompts(LOW, uid="another picture")
    with pytest.raises(RegionalError, match="needs regional_low"):
        ProgressiveDepth.execute(model, PAPER, 3, RATIO, high)
    with pytest.raises(RegionalError, match="needs regional_whole"):
        ProgressiveDepth.execute(model, UNIFORM, 3, RATIO, high, high)
    with pytest.raises(RegionalError, match="different pictures"):
        ProgressiveDepth.execute(model, PAPER, 3, RATIO, high, other)
    with pytest.raises(RegionalError, match="split_layer is 6, expected 1 to 5"):
        ProgressiveDepth.execute(model, PAPER, 6, RATIO, high, prompts(LOW))
    with pytest.raises(RegionalError, match="Preset is 'deep'"):
        ProgressiveDepth.execute(model, "deep", 3, RATIO, high, prompts(LOW))


PLAN = Plan(
    "a room with a chair and a tree",
    regions=(
        RegionPlan("a chair", "blue, wooden"),
        RegionPlan("a tree", "orange leaves, watercolor"),
    ),
)


def conditioned(clip: Any, **changes: Any) -> Any:
    inputs: dict[str, Any] = {
        "prompts": "",
        "global_prompt": "",
        "negative_prompt": "",
        "level": "both",
        "weights": "",
        "plan": PLAN,
        **changes,
    }
    return RegionalConditioning.execute(clip, split_canvas(1, 2), **inputs)


def test_two_regional_conditionings_share_one_picture(clip):
    high, positive_high, negative = conditioned(clip, level="high").args
    low, positive_low, _ = conditioned(clip, level="low", positive=positive_high).args
    assert high.prompts == ("a chair", "a tree")
    assert low.prompts == ("blue, wooden", "orange leaves, watercolor")
    assert high.uid == low.uid and positive_low is positive_high
    alone = conditioned(clip, level="low").args[0]
    assert alone.uid != low.uid
    for joined, single in zip(low.texts, alone.texts, strict=True):
        torch.testing.assert_close(joined["cross_attn"], single["cross_attn"], atol=1e-5, rtol=1e-5)
    model = tiny_hunyuan(clip_len=77, t5_len=256)
    once = PatchCrossAttention.execute(model, low, 0, 2, 0.0, 1.0, RATIO)[0]
    twice = PatchCrossAttention.execute(once, high, 3, 5, 0.0, 0.8, RATIO)[0]
    out = run_ksampler(twice, positive_high, negative)
    assert out.isfinite().all()
    assert (out - run_ksampler(once, positive_high, negative)).abs().max() > 1e-3


def test_shared_picture_errors(clip):
    plain = [[torch.zeros(1, 77, 32), {}]]
    with pytest.raises(PromptError, match="belongs to 0 sets"):
        conditioned(clip, positive=plain)
    with pytest.raises(PromptError, match="Clear global_prompt"):
        conditioned(clip, positive=positive(), global_prompt="a room")
    with pytest.raises(PromptError, match="level is 'high', but the prompts box"):
        conditioned(clip, level="high", plan=None, prompts="a\nb")
    with pytest.raises(RegionalError, match="level is 'deep'"):
        conditioned(clip, level="deep")

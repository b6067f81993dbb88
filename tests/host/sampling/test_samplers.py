"""Other samplers, guiders, inputs and precisions than plain euler on an empty float32 latent."""

from __future__ import annotations

import comfy.model_management
import comfy.sample
import comfy.samplers
import pytest
import torch
from regional_dit.attention.canvas import regions as regions_module
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.rules import Couple
from regional_dit.attention.sampling.host import patches_of
from regional_models import (
    BASE,
    LEFT,
    NEGATIVE,
    is_pristine,
    patched,
    positive,
)
from tiny_hunyuan import conditioning, run_ksampler, tiny_hunyuan


def sample(model, pos, *, sampler="euler", denoise=1.0, latent=None, mask=None, steps=3):
    latent = torch.zeros(1, 4, 16, 12) if latent is None else latent
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            comfy.sample.prepare_noise(latent, 1),
            steps,
            6.0,
            sampler,
            "sgm_uniform",
            pos,
            conditioning(NEGATIVE),
            latent,
            denoise=denoise,
            noise_mask=mask,
            disable_pbar=True,
            seed=1,
        )


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m_sde", "dpm_2", "uni_pc", "lcm", "ddim"])
def test_samplers(model, sampler):
    out = sample(patched(model), positive(), sampler=sampler)
    assert out.isfinite().all()
    noop = sample(patched(model, layers=()), positive(), sampler=sampler)
    stock = sample(model, conditioning(BASE), sampler=sampler)
    assert torch.equal(noop, stock)
    assert (out - stock).abs().max() > 1e-3


def test_image_to_image_and_inpainting(model):
    latent = torch.randn(1, 4, 16, 12, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(1, 1, 16, 12)
    mask[..., 6:] = 1
    out = sample(patched(model), positive(), denoise=0.5, latent=latent, mask=mask)
    stock = sample(model, conditioning(BASE), denoise=0.5, latent=latent, mask=mask)
    torch.testing.assert_close(out[..., :5], latent[..., :5], atol=1e-4, rtol=1e-4)
    assert (out - stock)[..., 6:].abs().max() > 1e-3


def test_sampler_custom_advanced(model):
    from comfy_extras.nodes_custom_sampler import BasicGuider, RandomNoise, SamplerCustomAdvanced

    def run(patch, pos):
        sampling = patch.get_model_object("model_sampling")
        sigmas = comfy.samplers.calculate_sigmas(sampling, "sgm_uniform", 3)
        guider = BasicGuider.execute(patch, pos)[0]
        latent = {"samples": torch.zeros(1, 4, 16, 12)}
        with torch.inference_mode():
            out = SamplerCustomAdvanced.execute(
                RandomNoise.execute(3)[0],
                guider,
                comfy.samplers.sampler_object("euler"),
                sigmas,
                latent,
            )
        return out[0]["samples"]

    regional = run(patched(model), positive())
    stock = run(model, conditioning(BASE))
    assert regional.isfinite().all() and (regional - stock).abs().max() > 1e-3
    same = run(patched(model, [BASE], rule=Couple(0.0)), positive())
    torch.testing.assert_close(same, stock, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_models(dtype):
    low = tiny_hunyuan(dtype=dtype)
    out = run_ksampler(patched(low), positive(), conditioning(NEGATIVE))
    exact = run_ksampler(patched(tiny_hunyuan()), positive(), conditioning(NEGATIVE))
    stock_low = run_ksampler(low, conditioning(BASE), conditioning(NEGATIVE))
    stock = run_ksampler(tiny_hunyuan(), conditioning(BASE), conditioning(NEGATIVE))
    assert out.isfinite().all()
    # The patch adds no more rounding than the precision costs the unpatched model.
    assert (out - exact).abs().max() < 3 * (stock_low - stock).abs().max() + 1e-3


def test_weights_held_in_fp8_with_manual_cast():
    """fp8 storage, float32 compute, as ComfyUI loads with --fp8_e4m3fn-unet."""
    import comfy.model_base
    import comfy.ops

    base = tiny_hunyuan()
    config = base.model.model_config
    config.set_inference_dtype(torch.float8_e4m3fn, torch.float32)
    config.unet_config["dtype"] = torch.float8_e4m3fn
    model = comfy.model_base.HunyuanDiT(config, device="cpu")
    model.load_state_dict(
        {k: v.to(torch.float8_e4m3fn) for k, v in base.model.state_dict().items()}, strict=False
    )
    low = base.clone()
    low.model = model
    assert model.diffusion_model.blocks[0].attn2.q_proj.weight.dtype == torch.float8_e4m3fn
    out = run_ksampler(patched(low), positive(), conditioning(NEGATIVE))
    assert out.isfinite().all()
    stock = run_ksampler(low, conditioning(BASE), conditioning(NEGATIVE))
    one = run_ksampler(patched(low, [BASE], rule=Couple(0.0)), positive(), conditioning(NEGATIVE))
    torch.testing.assert_close(one, stock, atol=1e-3, rtol=1e-3)


def test_cache_budget_changes_no_pixel(model, monkeypatch):
    import regional_dit.attention.sampling.host as host

    kept = run_ksampler(patched(model), positive(), conditioning(NEGATIVE), steps=3)
    monkeypatch.setattr(host, "CACHE_LIMIT_BYTES", 0)
    anew = run_ksampler(patched(model), positive(), conditioning(NEGATIVE), steps=3)
    assert torch.equal(kept, anew)


def test_regional_keys_are_projected_once_per_sampling(model):
    attn2 = model.model.diffusion_model.blocks[0].attn2
    sizes = []
    hook = attn2.kv_proj.register_forward_hook(lambda m, args, out: sizes.append(args[0].shape[0]))
    try:
        run_ksampler(patched(model), positive(), conditioning(NEGATIVE), steps=4)
    finally:
        hook.remove()
    assert sizes.count(1) == 2  # the two regions, once each
    assert sizes.count(2) == 4  # uncond and cond, each step


def test_weight_hooks_reach_text_states_and_keys_at_every_step(model):
    """A hook that changes the text projection in mid-run must not meet what was kept before it."""
    import comfy.hooks

    key = "diffusion_model.mlp_t5.2.weight"
    weight = model.model.diffusion_model.mlp_t5[2].weight
    delta = torch.randn(weight.shape, generator=torch.Generator().manual_seed(4)) * 0.5
    frames = comfy.hooks.HookKeyframeGroup()
    frames.add(comfy.hooks.HookKeyframe(strength=0.0, start_percent=0.0))
    frames.add(comfy.hooks.HookKeyframe(strength=1.0, start_percent=0.5))

    def run(scheduled: bool) -> torch.Tensor:
        hook = comfy.hooks.WeightHook(strength_model=1.0)
        hook.weights = {key: ("diff", (delta,))}
        hook.need_weight_init = False
        group = comfy.hooks.HookGroup()
        group.add(hook)
        if scheduled:
            group.set_keyframes_on_hooks(frames)
        # One region with the global prompt: with fresh text states it is the stock run.
        one = patched(model, [BASE], rule=Couple(0.0))
        stock = run_ksampler(
            model, conditioning(BASE, hooks=group.clone()), conditioning(NEGATIVE), steps=4
        )
        ours = run_ksampler(one, positive(hooks=group.clone()), conditioning(NEGATIVE), steps=4)
        torch.testing.assert_close(ours, stock, atol=1e-3, rtol=1e-3)
        return stock

    plain = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE), steps=4)
    constant, scheduled = run(False), run(True)
    assert (scheduled - constant).abs().max() > 1e-2 and (scheduled - plain).abs().max() > 1e-2


def test_bypassing_the_node_removes_the_patch(model):
    """A model that skips the patch node has nothing of it, though both share the network."""
    run_ksampler(patched(model), positive(), conditioning(NEGATIVE))
    assert patches_of(model) == () and is_pristine(model)
    with_lora = patched(model, [LEFT]).clone()
    assert len(patches_of(with_lora)) == 1


def test_weight_hooks_cost_no_more_groups_nor_mask_averages(model, monkeypatch):
    """They do not depend on weights."""
    import comfy.hooks

    generator = torch.Generator().manual_seed(5)
    real = regions_module.mask_coverage
    averages, groups = [], []

    class Counted(Couple):
        def groups(self, regions, grid, phase):
            groups.append(grid)
            return Couple.groups(self, regions, grid, phase)

    def counted(mask, *edges):
        averages.append(mask.shape)
        return real(mask, *edges)

    def run(**extra) -> tuple[int, int]:
        averages.clear()
        groups.clear()
        masks = RegionSet.from_masks([torch.rand(64, 48, generator=generator) for _ in range(2)])
        ours = patched(model, rule=Counted(0.0), regions=masks)
        run_ksampler(ours, positive(**extra), conditioning(NEGATIVE), steps=6)
        return len(averages), len(groups)

    monkeypatch.setattr(regions_module, "mask_coverage", counted)
    weight = model.model.diffusion_model.mlp_t5[2].weight
    hook = comfy.hooks.WeightHook(strength_model=1.0)
    hook.weights = {"diffusion_model.mlp_t5.2.weight": ("diff", (torch.zeros_like(weight),))}
    hook.need_weight_init = False
    hooks = comfy.hooks.HookGroup()
    hooks.add(hook)
    plain = run()
    assert plain[0] == 2 and plain[1] >= 1
    assert run(hooks=hooks) == plain

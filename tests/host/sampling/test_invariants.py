"""What must hold for any patch, through ComfyUI's own KSampler on a tiny random HunyuanDiT."""

from __future__ import annotations

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from host_sampling import assert_only_positive_rows_differ, first_call
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.errors import PromptError
from regional_dit.attention.rules import RCAC, Couple
from regional_models import BASE, LEFT, NEGATIVE, is_pristine, patched, positive
from tiny_hunyuan import DEPTH, conditioning, run_ksampler

FAMILY = "HunyuanDiT"


@pytest.mark.invariant("acts, no trace")
def test_regions_change_the_picture(stock, regional):
    assert regional.isfinite().all()
    assert (regional - stock).abs().max() > 0.1


@pytest.mark.invariant("inert when empty")
@pytest.mark.parametrize(
    "noop",
    [
        {"layers": ()},
        {"percent": (0.5, 0.5)},
        {"percent": (1.0, 1.0)},
        {"layers": (), "percent": (0.2, 0.2)},
    ],
)
def test_empty_ranges_are_bit_exact(model, stock, noop):
    out = run_ksampler(patched(model, **noop), positive(), conditioning(NEGATIVE))
    assert torch.equal(out, stock)


@pytest.mark.invariant("inert when empty")
def test_marker_is_inert_without_the_patch(model, stock):
    assert torch.equal(run_ksampler(model, positive(), conditioning(NEGATIVE)), stock)


@pytest.mark.invariant("acts, no trace")
def test_original_model_is_untouched(model, stock, regional):
    assert is_pristine(model)
    assert model.model_options == {"transformer_options": {}}
    assert torch.equal(run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE)), stock)


@pytest.mark.invariant("same prompt")
@pytest.mark.parametrize("base_ratio", [0.0, 0.3, 1.0])
def test_one_full_region_with_the_base_prompt_is_stock(model, stock, base_ratio):
    one = patched(model, [BASE], rule=Couple(base_ratio))
    out = run_ksampler(one, positive(), conditioning(NEGATIVE))
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("same prompt")
def test_soft_and_overlapping_masks_with_the_base_prompt_are_stock(model, stock):
    ramp = torch.linspace(0, 1, 96)[None].repeat(128, 1)
    masks = RegionSet.from_masks([ramp, 1 - ramp, torch.full((128, 96), 0.5)])
    out = run_ksampler(
        patched(model, [BASE] * 3, regions=masks), positive(), conditioning(NEGATIVE)
    )
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("own prompt")
def test_one_full_region_is_the_run_with_its_prompt_but_for_the_global_vector(model):
    """Text states of the region everywhere; only the pooled mT5 vector stays the global one."""
    one = run_ksampler(patched(model, [LEFT], rule=Couple(0.0)), positive(), conditioning(NEGATIVE))
    mixed = conditioning(LEFT)
    net = model.model.diffusion_model
    pooler = net.pooler.forward
    wanted = conditioning(BASE)[0][1]["conditioning_mt5xl"]
    other = conditioning(LEFT)[0][1]["conditioning_mt5xl"]

    def keep_global(x):
        rows = [wanted[0] if torch.equal(row, other[0]) else row for row in x]
        return pooler(torch.stack(rows))

    net.pooler.forward = keep_global
    try:
        out = run_ksampler(model, mixed, conditioning(NEGATIVE))
    finally:
        del net.pooler.forward
    torch.testing.assert_close(one, out, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("negative exact")
@pytest.mark.parametrize("batch", [1, 3])
def test_negative_rows_are_bit_exact(model, batch):
    def run(spy):
        run_ksampler(spy, positive(), conditioning(NEGATIVE), batch=batch)

    assert_only_positive_rows_differ(first_call(model, run), first_call(patched(model), run))


@pytest.mark.invariant("batches")
def test_batch_rows_equal_single_runs(model):
    patch = patched(model)
    noise = torch.randn(3, 4, 16, 12, generator=torch.Generator().manual_seed(5))
    together = run_ksampler(patch, positive(), conditioning(NEGATIVE), noise=noise)
    for row in range(3):
        alone = run_ksampler(patch, positive(), conditioning(NEGATIVE), noise=noise[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("lengths and sizes")
@pytest.mark.parametrize("size", [(15, 11), (16, 11), (9, 16), (2, 2), (1, 3)])
def test_odd_latents(model, size):
    out = run_ksampler(
        patched(model), positive(), conditioning(NEGATIVE), height=size[0], width=size[1]
    )
    assert out.shape[-2:] == size and out.isfinite().all()


@pytest.mark.invariant("lengths and sizes")
def test_cfg_one_runs_the_regional_rows_alone(model, stock):
    stock_cfg1 = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE), cfg=1.0)
    out = run_ksampler(patched(model), positive(), conditioning(NEGATIVE), cfg=1.0)
    assert (out - stock_cfg1).abs().max() > 1e-3
    noop = run_ksampler(patched(model, layers=()), positive(), conditioning(NEGATIVE), cfg=1.0)
    assert torch.equal(noop, stock_cfg1)


@pytest.mark.invariant("lengths and sizes")
def test_cond_and_uncond_in_separate_calls(model, regional):
    """A longer negative keeps ComfyUI from batching the two."""
    long_negative = conditioning(NEGATIVE)
    long_negative[0][0] = torch.cat([torch.zeros(1, 7, 32), long_negative[0][0]], dim=1)
    extra = long_negative[0][1]
    extra["attention_mask"] = torch.cat([torch.ones(1, 7), extra["attention_mask"]], dim=1)
    outs = []
    rows = first_call(
        patched(model), lambda spy: outs.append(run_ksampler(spy, positive(), long_negative))
    )
    assert len(rows) == 1
    assert outs[0].isfinite().all()


@pytest.mark.invariant("acts, no trace")
def test_interrupt_leaves_nothing_behind(model, stock):
    patch = patched(model)
    calls = []

    def stop(executor, *args, **kw):
        calls.append(1)
        out = executor(*args, **kw)
        if len(calls) == 2:
            raise comfy.model_management.InterruptProcessingException
        return out

    patch.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "stop", stop)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        run_ksampler(patch, positive(), conditioning(NEGATIVE), steps=4)

    def fail(*args, **kw):
        raise RuntimeError("out of memory, say")

    broken = patched(model)
    block = model.model.diffusion_model.blocks[4]
    block.forward = fail
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            run_ksampler(broken, positive(), conditioning(NEGATIVE))
    finally:
        del block.forward
    assert is_pristine(model)
    assert torch.equal(run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE)), stock)


@pytest.mark.invariant("refuses others")
def test_a_positive_without_regions_is_an_error(model):
    with pytest.raises(PromptError, match="positive"):
        run_ksampler(patched(model), conditioning(BASE), conditioning(NEGATIVE))


def test_percent_range_patches_its_steps_only(model):
    """sgm_uniform with four steps starts them at 0, 25, 50 and 75 percent."""
    acted = []
    spy = patched(model, percent=(0.25, 0.75))

    def wrapper(executor, *args, **kw):
        acted.append(not is_pristine(model))
        return executor(*args, **kw)

    spy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", wrapper)
    run_ksampler(spy, positive(), conditioning(NEGATIVE), steps=4)
    assert acted == [False, True, True, False]


def test_rcac_is_couple_without_base_in_the_first_layers(model):
    rule = RCAC()
    assert rule.default_last_layer(40) == 20
    layers = tuple(range(rule.default_last_layer(DEPTH) + 1))
    rcac = run_ksampler(
        patched(model, rule=rule, layers=layers), positive(), conditioning(NEGATIVE)
    )
    couple = run_ksampler(
        patched(model, rule=Couple(0.0), layers=layers), positive(), conditioning(NEGATIVE)
    )
    assert torch.equal(rcac, couple)

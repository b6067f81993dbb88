"""What must hold for any patch, through ComfyUI's own KSampler on a tiny random HunyuanDiT."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from regional_dit.attention.errors import PromptError
from regional_dit.attention.regions import RegionSet
from regional_dit.attention.rules import RCAC, Couple
from regional_models import BASE, LEFT, NEGATIVE, RIGHT, UID, is_pristine, patched, positive
from tiny_hunyuan import DEPTH, conditioning, run_ksampler


@pytest.fixture(scope="module")
def stock(model):
    return run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE))


@pytest.fixture(scope="module")
def regional(model):
    return run_ksampler(patched(model), positive(), conditioning(NEGATIVE))


def test_regions_change_the_picture(stock, regional):
    assert regional.isfinite().all()
    assert (regional - stock).abs().max() > 0.1


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


def test_marker_is_inert_without_the_patch(model, stock):
    assert torch.equal(run_ksampler(model, positive(), conditioning(NEGATIVE)), stock)


def test_original_model_is_untouched(model, stock, regional):
    assert is_pristine(model)
    assert model.model_options == {"transformer_options": {}}
    assert torch.equal(run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE)), stock)


@pytest.mark.parametrize("base_ratio", [0.0, 0.3, 1.0])
def test_one_full_region_with_the_base_prompt_is_stock(model, stock, base_ratio):
    one = patched(model, [BASE], rule=Couple(base_ratio))
    out = run_ksampler(one, positive(), conditioning(NEGATIVE))
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


def test_soft_and_overlapping_masks_with_the_base_prompt_are_stock(model, stock):
    ramp = torch.linspace(0, 1, 96)[None].repeat(128, 1)
    masks = RegionSet.from_masks([ramp, 1 - ramp, torch.full((128, 96), 0.5)])
    out = run_ksampler(
        patched(model, [BASE] * 3, regions=masks), positive(), conditioning(NEGATIVE)
    )
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


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


def first_call(model: Any, pos: list[Any], neg: list[Any], **kwargs: Any):
    """(cond_or_uncond, output) of the first model call of a run."""
    seen: list[tuple[list[int], torch.Tensor]] = []
    spy = model.clone()

    def wrapper(executor, *args, **kw):
        out = executor(*args, **kw)
        seen.append((list(args[5]["cond_or_uncond"]), out.clone()))
        return out

    spy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", wrapper)
    run_ksampler(spy, pos, neg, **kwargs)
    return seen[0]


@pytest.mark.parametrize("batch", [1, 3])
def test_negative_rows_are_bit_exact(model, batch):
    order, before = first_call(model, conditioning(BASE), conditioning(NEGATIVE), batch=batch)
    order_after, after = first_call(patched(model), positive(), conditioning(NEGATIVE), batch=batch)
    assert order == order_after and sorted(order) == [0, 1]
    before, after = before.chunk(2), after.chunk(2)
    assert torch.equal(before[order.index(1)], after[order.index(1)])
    assert not torch.allclose(before[order.index(0)], after[order.index(0)])


def test_batch_rows_equal_single_runs(model):
    patch = patched(model)
    latent = torch.zeros(3, 4, 16, 12)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))

    def run(rows):
        with torch.inference_mode():
            return comfy.sample.sample(
                patch,
                noise[rows],
                2,
                6.0,
                "euler",
                "sgm_uniform",
                positive(),
                conditioning(NEGATIVE),
                latent[rows],
                disable_pbar=True,
                seed=1,
            )

    together = run(slice(0, 3))
    for row in range(3):
        torch.testing.assert_close(
            together[row : row + 1], run(slice(row, row + 1)), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("size", [(15, 11), (16, 11), (9, 16), (2, 2), (1, 3)])
def test_odd_latents(model, size):
    out = run_ksampler(
        patched(model), positive(), conditioning(NEGATIVE), height=size[0], width=size[1]
    )
    assert out.shape[-2:] == size and out.isfinite().all()


def test_cfg_one_runs_the_regional_rows_alone(model, stock):
    stock_cfg1 = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE), cfg=1.0)
    out = run_ksampler(patched(model), positive(), conditioning(NEGATIVE), cfg=1.0)
    assert (out - stock_cfg1).abs().max() > 1e-3
    noop = run_ksampler(patched(model, layers=()), positive(), conditioning(NEGATIVE), cfg=1.0)
    assert torch.equal(noop, stock_cfg1)


def test_cond_and_uncond_in_separate_calls(model, regional):
    """A longer negative keeps ComfyUI from batching the two."""
    long_negative = conditioning(NEGATIVE)
    long_negative[0][0] = torch.cat([torch.zeros(1, 7, 32), long_negative[0][0]], dim=1)
    extra = long_negative[0][1]
    extra["attention_mask"] = torch.cat([torch.ones(1, 7), extra["attention_mask"]], dim=1)
    order, _ = first_call(patched(model), positive(), long_negative)
    assert len(order) == 1
    out = run_ksampler(patched(model), positive(), long_negative)
    assert out.isfinite().all()


def test_several_positives_only_the_tagged_one_is_regional(model):
    both = positive() + conditioning(5)
    out = run_ksampler(patched(model), both, conditioning(NEGATIVE))
    stock_both = run_ksampler(model, conditioning(BASE) + conditioning(5), conditioning(NEGATIVE))
    noop = run_ksampler(patched(model, layers=()), both, conditioning(NEGATIVE))
    assert torch.equal(noop, stock_both)
    assert (out - stock_both).abs().max() > 1e-3


def test_area_conditioning_keeps_regions_on_the_canvas(model):
    """A region outside the area has no say; one that fills it is alone."""
    # The left half of the latent: height, width, top, left.
    area: dict[str, Any] = {"area": (16, 6, 0, 0)}
    halves = run_ksampler(patched(model), positive(**area), conditioning(NEGATIVE))
    left_only = run_ksampler(patched(model, [LEFT, 5]), positive(**area), conditioning(NEGATIVE))
    torch.testing.assert_close(halves, left_only, atol=1e-5, rtol=1e-5)
    changed = run_ksampler(patched(model, [5, RIGHT]), positive(**area), conditioning(NEGATIVE))
    assert (halves - changed).abs().max() > 1e-3


def test_area_copies_do_not_make_the_negative_regional(model):
    """Beside an area, ComfyUI copies our marked entry into the negative list."""
    area: dict[str, Any] = {"area": (8, 12, 4, 0)}
    noop = run_ksampler(patched(model, layers=()), positive(**area), conditioning(NEGATIVE))
    assert torch.equal(
        noop, run_ksampler(model, conditioning(BASE, **area), conditioning(NEGATIVE))
    )
    seen = []
    spy = patched(model)

    def wrapper(executor, x, t, *args, **kw):
        run = args[3]["regional_dit"]
        for uuid, chosen in zip(args[3]["uuids"], args[3]["cond_or_uncond"], strict=True):
            seen.append((chosen, run.entries[uuid].regional_uid))
        return executor(x, t, *args, **kw)

    spy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", wrapper)
    run_ksampler(spy, positive(**area), conditioning(NEGATIVE))
    assert {uid for chosen, uid in seen if chosen == 1} == {None}
    assert {uid for chosen, uid in seen if chosen == 0} == {UID}


def dual_cfg(model: Any, first: list[Any]) -> torch.Tensor:
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    guider = Guider_DualCFG(model)
    guider.set_cfg(5.0, 3.0)
    guider.set_conds(first, conditioning(6), conditioning(NEGATIVE))
    latent = torch.zeros(1, 4, 16, 12)
    sigmas = comfy.samplers.calculate_sigmas(
        model.get_model_object("model_sampling"), "sgm_uniform", 2
    )
    with torch.inference_mode():
        return guider.sample(
            comfy.sample.prepare_noise(latent, 1),
            latent,
            comfy.samplers.sampler_object("euler"),
            sigmas,
            disable_pbar=True,
            seed=1,
        )


def test_dual_cfg_where_index_zero_is_the_negative(model):
    stock_dual = dual_cfg(model, conditioning(BASE))
    assert torch.equal(dual_cfg(patched(model, layers=()), positive()), stock_dual)
    assert (dual_cfg(patched(model), positive()) - stock_dual).abs().max() > 1e-3
    same = dual_cfg(patched(model, [BASE], rule=Couple(0.0)), positive())
    torch.testing.assert_close(same, stock_dual, atol=1e-4, rtol=1e-4)


def test_clone_chain_keeps_the_patch(model, regional):
    chained = patched(model).clone().clone()
    assert torch.equal(run_ksampler(chained, positive(), conditioning(NEGATIVE)), regional)


def test_weight_patch_reaches_regional_keys(model, stock, regional):
    key = "diffusion_model.blocks.2.attn2.kv_proj.weight"
    weight = model.model.diffusion_model.blocks[2].attn2.kv_proj.weight
    before = weight.clone()
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)) * 0.2
    lora = patched(model)
    lora.add_patches({key: ("diff", (noise,))}, 1.0)
    out = run_ksampler(lora, positive(), conditioning(NEGATIVE))
    assert (out - regional).abs().max() > 1e-3
    again = run_ksampler(model, conditioning(BASE), conditioning(NEGATIVE))
    assert torch.equal(again, stock) and torch.equal(weight, before)


def test_two_nodes_in_a_row_compose(model, regional):
    halves = patched(patched(model, layers=(0, 1, 2)), layers=(3, 4, 5))
    torch.testing.assert_close(
        run_ksampler(halves, positive(), conditioning(NEGATIVE)), regional, atol=1e-5, rtol=1e-5
    )
    in_time = patched(patched(model, percent=(0.0, 0.5)), percent=(0.5, 1.0))
    torch.testing.assert_close(
        run_ksampler(in_time, positive(), conditioning(NEGATIVE), steps=4),
        run_ksampler(patched(model), positive(), conditioning(NEGATIVE), steps=4),
        atol=1e-5,
        rtol=1e-5,
    )


def test_in_a_shared_layer_the_later_node_acts(model, regional):
    both = patched(patched(model, [5, 6]), [LEFT, RIGHT])
    assert torch.equal(run_ksampler(both, positive(), conditioning(NEGATIVE)), regional)


def test_two_plans_on_one_model(model, regional):
    two = patched(patched(model), [5, 6], uid="regions-b")
    out = run_ksampler(two, positive(), conditioning(NEGATIVE))
    torch.testing.assert_close(out, regional, atol=1e-6, rtol=1e-6)
    other = run_ksampler(two, positive(uid="regions-b"), conditioning(NEGATIVE))
    alone = run_ksampler(
        patched(model, [5, 6], uid="regions-b"), positive(uid="regions-b"), conditioning(NEGATIVE)
    )
    torch.testing.assert_close(other, alone, atol=1e-6, rtol=1e-6)
    mixed = run_ksampler(two, positive() + positive(uid="regions-b"), conditioning(NEGATIVE))
    assert mixed.isfinite().all()


def test_another_packs_block_replacement_still_runs(model, regional):
    seen = []
    other = patched(model)

    def replace(args, extra):
        seen.append(1)
        return extra["original_block"](args)

    other.set_model_patch_replace(replace, "dit", "double_block", 3)
    assert torch.equal(run_ksampler(other, positive(), conditioning(NEGATIVE)), regional)
    assert seen


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


def test_torch_compile_gives_the_same_picture(model, regional):
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    compiled = patched(model)
    set_torch_compile_wrapper(compiled, backend="eager")
    # Without inference mode: under it dynamo's own guards fail on the host's NumPy-made rotary
    # table, with and without our patch.
    with torch.no_grad():
        out = run_ksampler(compiled, positive(), conditioning(NEGATIVE), inference=False)
    torch.testing.assert_close(out, regional, atol=1e-3, rtol=1e-3)

"""A patch together with what else a graph holds: other conditionings, guiders, patches, nodes."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP
from regional_dit.attention.rules import Couple
from regional_models import BASE, LEFT, NEGATIVE, RIGHT, UID, patched, positive
from tiny_hunyuan import conditioning, run_ksampler, tiny_hunyuan
from torch._dynamo.utils import counters


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


def test_torch_compile_gives_the_same_picture():
    """Of two layers: each is traced by itself."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    model = tiny_hunyuan(depth=2)
    regional = run_ksampler(patched(model, layers=(0, 1)), positive(), conditioning(NEGATIVE))
    compiled = patched(model, layers=(0, 1))
    set_torch_compile_wrapper(compiled, backend="eager")
    # Without inference mode: under it dynamo's own guards fail on the host's NumPy-made rotary
    # table, with and without our patch.
    counters.clear()
    with torch.no_grad():
        out = run_ksampler(compiled, positive(), conditioning(NEGATIVE), inference=False)
    torch.testing.assert_close(out, regional, atol=1e-3, rtol=1e-3)
    # The host's rotary table breaks the graph; regions do not.
    assert not [why for why in counters["graph_break"] if "disable" in why]
    graphs = counters["stats"]["unique_graphs"]
    with torch.no_grad():
        run_ksampler(compiled, positive(), conditioning(NEGATIVE), inference=False)
    assert counters["stats"]["unique_graphs"] == graphs > 0

"""Regional prompts in video models: frames, references, masks of prompts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import HostError, PromptError, RegionError
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning
from tiny_cross import TINY
from tiny_cross_runs import BASE, LEFT, NEGATIVE, RIGHT, UID, assert_close, patched, run

WAN, LTX = TINY["wan_t2v"], TINY["ltxv"]


@pytest.fixture(scope="module")
def wan():
    return WAN.model()


@pytest.mark.parametrize("name", ["wan_t2v", "cosmos_predict2", "cosmos1", "ltxv"])
def test_a_picture_is_a_video_of_one_frame(name):
    """ComfyUI gives an empty picture's latent the missing axis when it samples."""
    model = TINY[name].model().model
    family = find_family(model)
    assert family.token_shape(model, (8, 6), 0) == family.token_shape(model, (1, 8, 6), 0)


def test_frames_concatenated_by_the_host_follow_the_global_prompt(wan):
    more = {"time_dim_concat": torch.randn(1, 16, 2, 8, 6)}
    stock = run(WAN, wan, extra=more)
    assert (stock - run(WAN, wan)).abs().max() > 1e-3
    assert_close(run(WAN, patched(WAN, wan, [BASE, BASE]), extra=more), stock)
    assert (run(WAN, patched(WAN, wan, [LEFT, RIGHT]), extra=more) - stock).abs().max() > 1e-3


def test_tokens_of_a_reference_image_lie_before_the_video():
    import comfy.model_base
    import comfy.supported_models
    from tiny_cross import TinyCross as Tiny
    from tiny_cross_models import WAN as CONFIG

    def build():
        settings = {**CONFIG, "model_type": "t2v", "in_dim_ref_conv": 16}
        return comfy.supported_models.WAN21_T2V(settings), comfy.model_base.WAN21, {}

    tiny = Tiny(build, "Wan", 40, (16, 3, 8, 6), (2,) * 3, "", "")
    model = tiny.model()
    reference: dict[str, Any] = {"reference_latents": [torch.randn(1, 16, 1, 8, 6)]}
    both = {"extra": reference, "negative": tiny.conditioning(NEGATIVE, **reference)}
    stock = run(tiny, model, **both)
    assert_close(run(tiny, patched(tiny, model, [BASE, BASE]), **both), stock)
    modules = [block.cross_attn for block in model.model.diffusion_model.blocks]
    texts = {}
    for module in modules:
        module.forward = lambda x, context, m=module, **kw: (
            texts.__setitem__(m, context) or type(m).forward(m, x, context, **kw)
        )
    run(tiny, model, seed=LEFT, **both)

    def left_behind_the_reference(module):
        def forward(x, context, **kw):
            stock = type(module).forward(module, x, context, **kw)
            left = type(module).forward(module, x, texts[module], **kw)
            stock[1:, 12:] = left[1:, 12:]  # row 1 is the positive, 4 x 3 tokens the reference
            return stock

        return forward

    for module in modules:
        module.forward = left_behind_the_reference(module)
    wanted = run(tiny, model, **both)
    for module in modules:
        del module.forward
    one = patched(tiny, model, [LEFT], split_canvas(1, 1))
    assert_close(run(tiny, one, **both), wanted)
    assert (wanted - stock).abs().max() > 1e-3


def test_ranges_that_cover_the_video_equal_none(wan):
    halves = [Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)]
    ranged = RegionSet(
        tuple(Region(box, frames=span) for box in halves for span in ((0, 0.5), (0.5, 1)))
    )
    out = run(WAN, patched(WAN, wan, [LEFT, LEFT, RIGHT, RIGHT], ranged))
    assert_close(out, run(WAN, patched(WAN, wan, [LEFT, RIGHT])))


def test_an_area_in_time_sees_the_regions_of_its_frames(wan):
    area = {"area": (2, 8, 6, 1, 0, 0)}  # the last two of three frames
    box = Box(0, 0, 1, 1)
    ranged = RegionSet((Region(box, frames=(0, 1 / 3)), Region(box, frames=(1 / 3, 1))))
    late = run(WAN, patched(WAN, wan, [LEFT, RIGHT], ranged), extra=area)
    assert_close(run(WAN, patched(WAN, wan, [5, RIGHT], ranged), extra=area), late)
    changed = run(WAN, patched(WAN, wan, [LEFT, 5], ranged), extra=area)
    assert (changed - late).abs().max() > 1e-3


def test_frame_ranges_with_context_windows_are_an_error(wan):
    from comfy.context_windows import (
        ContextFuseMethods,
        ContextSchedules,
        IndexListContextHandler,
        get_matching_context_schedule,
        get_matching_fuse_method,
    )

    def windowed(model):
        model = model.clone()
        model.model_options["context_handler"] = IndexListContextHandler(
            context_schedule=get_matching_context_schedule(ContextSchedules.STATIC_STANDARD),
            fuse_method=get_matching_fuse_method(ContextFuseMethods.PYRAMID),
            context_length=2,
            context_overlap=1,
            dim=2,
        )
        return model

    always = windowed(patched(WAN, wan, [LEFT, RIGHT]))
    assert run(WAN, always).isfinite().all()
    box = Box(0, 0, 1, 1)
    ranged = RegionSet((Region(box, frames=(0, 0.5)), Region(box, frames=(0.5, 1))))
    with pytest.raises(HostError, match="context windows"):
        run(WAN, windowed(patched(WAN, wan, [LEFT, RIGHT], ranged)))


def test_a_prompt_without_tokens_is_an_error():
    model = LTX.model()
    empty = text_from_conditioning(
        LTX.conditioning(LEFT, attention_mask=torch.zeros(1, LTX.length, dtype=torch.long)), ""
    )
    prompts = RegionalPrompts(UID, split_canvas(1, 1), (empty,), ("",))
    patch = install(model, RegionalPatch(prompts, Couple(0.0), (0,), PercentRange()))
    with pytest.raises(PromptError, match="leaves no token"):
        run(LTX, patch)


def test_frame_ranges_are_checked():
    for frames in ((0.5, 0.5), (0.7, 0.2), (-0.1, 0.5), (0.5, 1.1)):
        with pytest.raises(RegionError, match="Frame range"):
            Region(Box(0, 0, 1, 1), frames=frames)

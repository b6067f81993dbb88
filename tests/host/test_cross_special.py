"""What only some cross-attention families have: other packs' patches, references, masks, frames."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.errors import HostError, PromptError, RegionError
from regional_dit.attention.families import find_family
from regional_dit.attention.host import install
from regional_dit.attention.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_dit.attention.regions import Box, Region, RegionSet
from regional_dit.attention.rules import Couple, Joint
from regional_dit.attention.sampling import RegionalPatch
from regional_dit.attention.schedule import PercentRange
from regional_dit.attention.split import split_canvas
from tiny_cross import TINY, UNET, TinyCross

UID = "regions-a"
BASE, NEGATIVE, LEFT, RIGHT = 1, 2, 3, 4
HALVES = split_canvas(1, 2)


def patched(
    tiny: TinyCross,
    model: Any,
    seeds: list[int],
    regions: RegionSet = HALVES,
    rule: Any = None,
    layers: tuple[int, ...] | None = None,
) -> Any:
    texts = tuple(text_from_conditioning(tiny.conditioning(s), str(s)) for s in seeds)
    prompts = RegionalPrompts(UID, regions, texts, ("",) * len(seeds))
    used = layers or tuple(range(len(tiny.sides)))
    return install(model, RegionalPatch(prompts, rule or Couple(0.0), used, PercentRange()))


def run(tiny: TinyCross, model: Any, *, seed: int = BASE, **kwargs: Any) -> torch.Tensor:
    negative = kwargs.pop("negative", None) or tiny.conditioning(NEGATIVE)
    extra = {MARKER: UID, **kwargs.pop("extra", {})}
    return tiny.sample(model, tiny.conditioning(seed, **extra), negative, **kwargs)


def assert_close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


# -- UNet ------------------------------------------------------------------------------------------

SD = TINY["sd15"]


@pytest.fixture(scope="module")
def sd():
    return SD.model()


@pytest.fixture(scope="module")
def regional(sd):
    return run(SD, patched(SD, sd, [LEFT, RIGHT]))


@pytest.mark.parametrize(
    ("config", "base", "settings", "sides"),
    [
        (
            "SD15",
            "BaseModel",
            {
                "context_dim": 768,
                "num_heads": 8,
                "num_head_channels": -1,
                "num_res_blocks": [2] * 4,
                "channel_mult": [1, 2, 4, 4],
                "transformer_depth": [1] * 6 + [0] * 2,
                "transformer_depth_output": [1] * 9 + [0] * 3,
                "transformer_depth_middle": 1,
            },
            [1] * 2 + [2] * 2 + [4] * 2 + [8] + [4] * 3 + [2] * 3 + [1] * 3,
        ),
        (
            "SDXL",
            "SDXL",
            {
                "context_dim": 2048,
                "num_head_channels": 64,
                "num_classes": "sequential",
                "adm_in_channels": 2816,
                "num_res_blocks": [2] * 3,
                "channel_mult": [1, 2, 4],
                "transformer_depth": [0, 0, 2, 2, 10, 10],
                "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
                "transformer_depth_middle": 10,
                "use_linear_in_transformer": True,
            },
            [2] * 4 + [4] * 20 + [4] * 10 + [4] * 30 + [2] * 6,
        ),
    ],
    ids=["SD1.5", "SDXL"],
)
def test_layers_of_the_real_unets(config, base, settings, sides):
    import comfy.model_base
    import comfy.supported_models

    shared = {**UNET, "model_channels": 320, "dtype": torch.float32}
    made = getattr(comfy.supported_models, config)({**shared, **settings})
    with torch.device("meta"):  # no weights
        model = getattr(comfy.model_base, base)(made, device=torch.device("meta"))
    family = find_family(model)
    shapes = [family.token_shape(model, (128, 96), i) for i in range(family.n_layers(model))]
    assert [shape.patch for shape in shapes] == sides
    assert all((s.rows * s.patch, s.cols * s.patch) == (128, 96) for s in shapes)
    assert family.text_width(model) == settings["context_dim"]


def test_attention_patches_that_leave_the_text_alone_still_run(sd, regional):
    seen = []
    other = patched(SD, sd, [LEFT, RIGHT])

    def before(n, context, value, extra):
        seen.append(extra["block"])
        return n, context, value

    def after(n, extra):
        seen.append(extra["block"])
        return n

    other.set_model_attn2_patch(before)
    other.set_model_attn2_output_patch(after)
    assert torch.equal(run(SD, other), regional)
    assert len(seen) == 2 * len(SD.sides)


def double_value(n, context, value, extra):
    return n, context, 2 * value


def other_context(n, context, value, extra):
    return n, 2 * context, 2 * context


@pytest.mark.parametrize("change", [double_value, other_context])
def test_attention_patches_that_change_the_text_are_an_error(sd, change):
    other = patched(SD, sd, [LEFT, RIGHT])
    other.set_model_attn2_patch(change)
    with pytest.raises(HostError, match="attn2_patch"):
        run(SD, other)


@pytest.mark.parametrize("place", [("input", 1, 0), ("input", 1)])
def test_replaced_attention_is_an_error_only_in_patched_layers(sd, place):
    def replaced(model):
        model.set_model_attn2_replace(lambda q, k, v, extra: torch.zeros_like(q), *place)
        return model

    with pytest.raises(HostError, match="layer 0"):
        run(SD, replaced(patched(SD, sd, [LEFT, RIGHT])))
    out = run(SD, replaced(patched(SD, sd, [LEFT], split_canvas(1, 1), layers=tuple(range(1, 9)))))
    assert_close(out, out.nan_to_num())


def test_a_picture_resized_inside_the_model_is_an_error(sd):
    other = patched(SD, sd, [LEFT, RIGHT])

    def shrink(h, options):
        if options["block"] == ("input", 0):
            return torch.nn.functional.interpolate(h, scale_factor=0.5)
        return h

    other.set_model_input_block_patch(shrink)
    with pytest.raises(HostError, match="8 x 6 tokens, expected 16 x 12"):
        run(SD, other)


def test_a_batch_expanded_inside_the_model_is_an_error(sd):
    other = patched(SD, sd, [LEFT, RIGHT])

    def double(n, context, value, extra):
        return n.repeat(2, 1, 1), context, value

    other.set_model_attn2_patch(double)
    with pytest.raises(HostError, match="4 rows, expected 2"):
        run(SD, other)


@pytest.mark.parametrize("rule", [Couple(0.3), Joint(0.3, length_compensation=False)])
def test_the_host_repeating_the_prompt_changes_nothing(sd, rule):
    """A negative of two equal chunks makes ComfyUI repeat the positive: also in a merge, once."""
    patch = patched(SD, sd, [LEFT, RIGHT], rule=rule)
    short = SD.conditioning(NEGATIVE)
    states, extra = short[0]
    assert_close(run(SD, patch, negative=[[states.repeat(1, 2, 1), extra]]), run(SD, patch))


def test_area_conditioning_crops_every_level(sd):
    area = {"area": (16, 6, 0, 0)}  # the left half of the latent
    halves = run(SD, patched(SD, sd, [LEFT, RIGHT]), extra=area)
    assert_close(run(SD, patched(SD, sd, [LEFT, 5]), extra=area), halves)
    changed = run(SD, patched(SD, sd, [5, RIGHT]), extra=area)
    assert (changed - halves).abs().max() > 1e-3


# -- Video -----------------------------------------------------------------------------------------

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
    from tiny_cross import WAN as CONFIG
    from tiny_cross import TinyCross as Tiny

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

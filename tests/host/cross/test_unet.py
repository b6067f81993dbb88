"""Regional prompts in UNets: other packs' attention patches, levels, areas."""

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import HostError
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Couple, Joint
from tiny_cross import TINY
from tiny_cross_models import UNET
from tiny_cross_runs import LEFT, NEGATIVE, RIGHT, assert_close, patched, run

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

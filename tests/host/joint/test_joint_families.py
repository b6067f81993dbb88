"""What is particular to one joint-attention family, on tiny models of the host's classes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from regional_dit.attention.engine.groups import BASE as BASE_TEXT
from regional_dit.attention.engine.groups import IMAGE, Group, KeyBlock
from regional_dit.attention.errors import HostError, PromptError
from regional_dit.attention.families import find_family
from regional_dit.attention.joint.registers import REGISTERS, register_group
from tiny_joint import TINY, TinyJoint
from tiny_joint_case import BASE, LEFT, N_IMAGE, NEGATIVE, RIGHT, shared_case
from tiny_joint_models import chroma_radiance, sd3, z_image
from tiny_joint_runs import marked, patch, require_full_region_is_stock, run

# --- what a family says of its model


@pytest.mark.parametrize(
    ("name", "n_double"),
    [
        ("Flux", 2),
        ("SD3", 4),
        ("AuraFlow", 2),
        ("Chroma", 2),
        ("Qwen-Image", 4),
        ("Flux.2", 2),
        ("Flux.2 Klein", 2),
        ("LongCat-Image", 2),
        ("Krea 2", 0),
        ("OmniGen 2", 0),
        ("HunyuanVideo 1.5", 2),
        ("HunyuanImage 2.1", 2),
        ("HiDream", 2),
        ("Lumina 2", 0),
        ("Z-Image", 0),
    ],
)
def test_double_blocks_come_first(name, n_double):
    model = shared_case(name).model.model
    assert find_family(model).block_kinds(model).n_double == n_double


def test_chroma_radiance_works_on_pixels():
    tiny = TinyJoint(chroma_radiance, 48, 32, 3, 4)
    assert find_family(tiny.model().model).name == "Chroma"
    require_full_region_is_stock(tiny, tiny.conditioning(LEFT), height=50, width=64)


# --- SD3


def test_the_second_attention_of_sd3_medium_stays_open():
    """Its two calls are over the image alone, and in one piece."""
    case = shared_case("SD3")
    lengths: list[tuple[int, int]] = []

    def spy(func: Any, q: torch.Tensor, k: torch.Tensor, *args: Any, **kw: Any) -> torch.Tensor:
        dim = 2 if kw.get("skip_reshape") else 1
        lengths.append((q.shape[dim], k.shape[dim]))
        return func(q, k, *args, **kw)

    model = case.model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = spy
    model = patch(case.tiny, model, [case.tiny.conditioning(s) for s in (LEFT, RIGHT)])
    run(case.tiny, model, marked(case.tiny), steps=1)
    assert lengths.count((N_IMAGE, N_IMAGE)) == 2
    assert (N_IMAGE // 2, case.tiny.text_length + N_IMAGE) in lengths


def test_sd3_context_processor_runs_on_each_prompt_alone():
    tiny = TinyJoint(
        lambda: sd3(context_processor_layers=1, context_size=48), 48, 32, 16, 4, text_length=9
    )
    require_full_region_is_stock(tiny, tiny.conditioning(LEFT, 5))


# --- text positions


def position_tables(name: str, model: Any, positive: Any) -> torch.Tensor:
    """Rotary table [S, ...] of the first positive row of a run."""
    tiny = TINY[name]
    net = model.model.diffusion_model
    embedder = net.rope_embedder if hasattr(net, "rope_embedder") else net.pe_embedder
    seen: list[torch.Tensor] = []
    handle = embedder.register_forward_hook(lambda _, args, out: seen.append(out))
    try:
        tiny.sample(model, positive, tiny.conditioning(NEGATIVE), cfg=1.0, steps=1)
    finally:
        handle.remove()
    return seen[0][0, 0]


@pytest.mark.parametrize("name", ["Qwen-Image", "Flux.2"])
def test_text_positions_begin_anew_in_every_prompt(name):
    case = shared_case(name)
    tiny, model = case.tiny, case.model
    regional = patch(tiny, model, [tiny.conditioning(LEFT, 5), tiny.conditioning(RIGHT, 13)])
    tables = position_tables(name, regional, marked(tiny))
    stock = position_tables(name, model, tiny.conditioning(BASE))
    n_regions = [512, 512] if name == "Flux.2" else [5, 13]
    n_extra = sum(n_regions)
    assert torch.equal(tables[n_extra:], stock)
    assert torch.equal(tables[n_extra - n_regions[0] : n_extra], stock[: n_regions[0]])
    alone = position_tables(name, model, tiny.conditioning(RIGHT, 13))
    assert torch.equal(tables[: n_regions[1]], alone[: n_regions[1]])


@pytest.mark.parametrize("name", ["Lumina 2", "Z-Image"])
def test_lumina_prompts_end_right_before_the_image(name):
    """Prompts of any length stand where they stand alone, as seen from the image."""
    case = shared_case(name)
    tiny, model = case.tiny, case.model
    lengths = 5, 40
    regional = patch(tiny, model, [tiny.conditioning(LEFT + i, n) for i, n in enumerate(lengths)])
    tables = position_tables(name, regional, marked(tiny))
    stock = position_tables(name, model, tiny.conditioning(BASE))
    taken = [n if name == "Lumina 2" else 32 * math.ceil(n / 32) for n in lengths]
    n_extra = sum(taken)
    assert torch.equal(tables[n_extra:], stock)
    n_base = 11 if name == "Lumina 2" else 32
    short, long = tables[taken[1] : n_extra], tables[: taken[1]]
    assert torch.equal(short, stock[n_base - taken[0] : n_base])
    assert torch.equal(long[-n_base:], stock[:n_base])


@pytest.mark.parametrize("name", ["Flux", "SD3", "Qwen-Image", "Lumina 2"])
def test_equal_prompts_have_equal_keys(name):
    """In the first block, a region with the global prompt's text has the same keys as that."""
    case = shared_case(name)
    tiny, n_text = case.tiny, case.tiny.text_length
    keys: list[torch.Tensor] = []

    def spy(func: Any, q: torch.Tensor, k: torch.Tensor, *args: Any, **kw: Any) -> torch.Tensor:
        if q.shape[2] == n_text and k.shape[2] > n_text:  # text asks itself, then image
            keys.append(k[:, :, :n_text].clone())
        return func(q, k, *args, **kw)

    model = case.model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = spy
    model = patch(tiny, model, [tiny.conditioning(BASE)] * 2)
    run(tiny, model, marked(tiny), cfg=1.0, steps=1)
    found = torch.cat(keys)[:3]  # texts of equal lengths may come as rows of one call
    assert len(found) == 3
    torch.testing.assert_close(found, found[:1].expand_as(found), atol=1e-5, rtol=1e-5)


# --- HiDream


def test_hidream_prompts_need_llama_states():
    case = shared_case("HiDream")
    states, extra = case.tiny.conditioning(LEFT)[0]
    without = {key: value for key, value in extra.items() if key != "conditioning_llama3"}
    with pytest.raises(PromptError, match=r"lacks conditioning_llama3.*connect the CLIP"):
        patch(case.tiny, case.model, [[[states, without]]])


def test_hidream_regions_follow_their_llama_states():
    case = shared_case("HiDream")
    tiny = case.tiny
    (t5, _), (_, llama) = tiny.conditioning(BASE)[0], tiny.conditioning(LEFT)[0]
    require_full_region_is_stock(tiny, [[t5, llama]])


# --- Lumina 2 and Z-Image


@pytest.mark.parametrize("masked", ["region", "base", "both"])
def test_masks_of_lumina_prompts_do_what_they_do_in_the_host(masked):
    """Newer hosts ignore them, others hand them to the refiner of the text; the oldest leave masked
    tokens out, which regional prompts cannot follow and say so."""
    case = shared_case("Lumina 2")
    tiny, model = case.tiny, case.model
    mask = torch.ones(1, 11)  # float: PyTorch's attention takes no whole numbers, stock or patched
    mask[:, 7:] = 0
    of_region: dict[str, Any] = {"attention_mask": mask} if masked != "base" else {}
    of_base: dict[str, Any] = {"attention_mask": mask} if masked != "region" else {}
    region, base = tiny.conditioning(LEFT, **of_region), marked(tiny, **of_base)
    hiding = tiny.conditioning(LEFT, attention_mask=mask)
    tables = [
        position_tables("Lumina 2", model, cond) for cond in (hiding, tiny.conditioning(LEFT))
    ]
    if len(tables[0]) < len(tables[1]):
        with pytest.raises(HostError, match="mask"):
            run(tiny, patch(tiny, model, [region]), base)
        return
    out = run(tiny, patch(tiny, model, [region]), base)
    torch.testing.assert_close(out, run(tiny, model, region), atol=1e-4, rtol=1e-4)


def test_z_image_without_padding_tokens():
    tiny = TinyJoint(lambda: z_image(padded=False), 48, None, 16, 4)
    assert find_family(tiny.model().model).name == "Z-Image"
    require_full_region_is_stock(tiny, tiny.conditioning(LEFT, 7))


# --- registers


def test_registers_see_prompts_by_their_share_of_the_image():
    image = KeyBlock(IMAGE)
    left, right = torch.arange(0, 36), torch.arange(36, 48)
    soft = torch.full((12,), 0.5).log()
    groups = (
        Group((KeyBlock(BASE_TEXT), image), source=BASE_TEXT),
        Group((KeyBlock(1), image), left),
        Group((KeyBlock(1, log_weight=soft), KeyBlock(2, log_weight=soft), image), right),
    )
    ((group),) = register_group(groups, N_IMAGE, 8, torch.device("cpu"))
    assert group.source == REGISTERS and group.blocks[0].source == IMAGE
    shares = {b.source: b.log_weight.exp() for b in group.blocks[1:] if b.log_weight is not None}
    torch.testing.assert_close(shares, {1: torch.full((8,), 42 / 48), 2: torch.full((8,), 6 / 48)})


def test_registers_of_one_prompt_need_no_weights():
    groups = (Group((KeyBlock(1), KeyBlock(IMAGE))),)
    ((group),) = register_group(groups, N_IMAGE, 8, torch.device("cpu"))
    assert [block.log_weight for block in group.blocks] == [None, None]

"""A ControlNet that acts in its regions only: its residuals times what they own of each token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host_features import control_net, controlled, controlled_by, host, unet_control_net
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.residuals import residual_grid, residual_weights
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import HostError, PromptError, RegionError
from regional_dit.nodes.regional.controlnet import RegionalControl, RegionControlNet
from tiny_cross import TINY as CROSS
from tiny_joint_case import BASE, HEIGHT, LEFT, NEGATIVE, RIGHT, WIDTH, Case, shared_case

FAMILIES = pytest.mark.parametrize("name", ["Flux", "SD3"])
HALVES = split_canvas(1, 2)
SOFT = RegionSet.from_masks([torch.linspace(1, 0, 96)[None].repeat(128, 1)] * 2)


def conds(case: Case) -> tuple[Any, Any]:
    return case.tiny.conditioning(BASE), case.tiny.conditioning(NEGATIVE)


def kept(positive: Any, negative: Any, regions: RegionSet, which: str) -> tuple[Any, Any]:
    return RegionControlNet.execute(positive, negative, regions, which).args


def by_hand(conditionings: tuple[Any, Any], mask: torch.Tensor) -> tuple[Any, Any]:
    """The ControlNet on both sides multiplies its own residuals by a mask [N], before the host
    merges them with those of earlier ones."""
    control = conditionings[0][0][1]["control"]
    merge = control.control_merge

    def masked(own: Any, before: Any, dtype: Any = None, **kwargs: Any) -> Any:
        own = {
            name: [None if x is None else x.clone() * mask[None, :, None] for x in own[name]]
            for name in own
        }
        return merge(own, before, kwargs.get("output_dtype", dtype))

    control.control_merge = masked
    return conditionings


def columns(values: list[float]) -> torch.Tensor:
    """[N] of 8 x 6 tokens, one value for each column."""
    return torch.tensor(values).repeat(HEIGHT // 2)


@FAMILIES
@pytest.mark.parametrize(
    ("regions", "which", "mask"),
    [
        (HALVES, "1", [1.0, 1, 1, 0, 0, 0]),
        (HALVES, "2", [0.0, 0, 0, 1, 1, 1]),
        (HALVES.with_weights([0.5, 1.0]), "1", [0.5, 0.5, 0.5, 0, 0, 0]),
    ],
)
def test_whole_samplings_equal_masks_by_hand(name, regions, which, mask):
    case = shared_case(name)
    ours = case.sample(case.model, *kept(*controlled(case, *conds(case)), regions, which))
    theirs = case.sample(case.model, *by_hand(controlled(case, *conds(case)), columns(mask)))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for other in (conds(case), controlled(case, *conds(case))):
        assert (ours - case.sample(case.model, *other)).abs().max() > 1e-2


@FAMILIES
def test_two_controlnets_one_per_region(name):
    case = shared_case(name)
    left = kept(*controlled(case, *conds(case)), HALVES, "1")
    both = kept(*controlled(case, *left), HALVES, "2")
    out = case.sample(case.model, *both)
    whole = case.sample(case.model, *controlled(case, *conds(case)))
    torch.testing.assert_close(out, whole, atol=1e-4, rtol=1e-4)
    first = by_hand(controlled(case, *conds(case)), columns([1, 1, 1, 0, 0, 0]))
    again = by_hand(controlled(case, *first), columns([1, 0, 0, 0, 0, 0]))
    narrow = RegionSet.from_masks([torch.cat([torch.ones(4, 1), torch.zeros(4, 5)], 1)])
    twice = kept(*controlled(case, *left), narrow, "")
    torch.testing.assert_close(
        case.sample(case.model, *twice), case.sample(case.model, *again), atol=1e-5, rtol=1e-5
    )


@FAMILIES
def test_a_region_for_the_whole_canvas_is_the_hosts_controlnet(name):
    case = shared_case(name)
    wanted = case.sample(case.model, *controlled(case, *conds(case)))
    ours = kept(*controlled(case, *conds(case)), HALVES, "")
    torch.testing.assert_close(case.sample(case.model, *ours), wanted, atol=1e-5, rtol=1e-5)
    off = kept(*controlled(case, *conds(case)), HALVES.with_weights([0.0, 1.0]), "1")
    stock = case.sample(case.model, *conds(case))
    torch.testing.assert_close(case.sample(case.model, *off), stock, atol=1e-6, rtol=1e-6)


@FAMILIES
def test_outside_of_its_region_the_next_block_sees_nothing_of_it(name):
    case = shared_case(name)
    network = case.model.model.diffusion_model
    blocks = network.double_blocks if name == "Flux" else network.joint_blocks
    seen: list[torch.Tensor] = []

    def spy(module: Any, args: Any, kwargs: Any) -> None:
        image = kwargs.get("img", args[1] if len(args) > 1 else None)
        assert image is not None
        seen.append(image.clone())

    handle = blocks[1].register_forward_pre_hook(spy, with_kwargs=True)
    try:
        for sides in (conds(case), kept(*controlled(case, *conds(case)), HALVES, "1")):
            case.sample(case.model, *sides, steps=1)
    finally:
        handle.remove()
    stock, ours = seen[0], seen[-1]
    is_left = columns([1, 1, 1, 0, 0, 0]).bool()
    assert torch.equal(stock[:, ~is_left], ours[:, ~is_left])
    assert (stock[:, is_left] - ours[:, is_left]).abs().max() > 1e-3


@FAMILIES
def test_with_regional_prompts_and_areas(name):
    """The right half alone, by an area: a ControlNet of the left region has no token there."""
    case = shared_case(name)
    patched = case.patch(case.model, [LEFT, RIGHT])
    marked, negative = case.conds()
    area = host.ConditioningSetArea().append(marked, WIDTH * 4, HEIGHT * 8, WIDTH * 4, 0, 1.0)[0]
    stock = case.sample(patched, area, negative)
    left, right = (
        case.sample(patched, *kept(*controlled(case, area, negative), HALVES, which))
        for which in ("1", "2")
    )
    plain_area = [[states, {**extra}] for states, extra in area]
    everywhere = case.sample(patched, *controlled(case, plain_area, negative))
    # The negative has no area: there the ControlNet acts in its half of the canvas.
    only_negative = kept(area, controlled(case, negative, negative)[1], HALVES, "1")
    assert (left - stock).abs().max() > 1e-4
    torch.testing.assert_close(left, case.sample(patched, *only_negative), atol=1e-5, rtol=1e-5)
    assert (right - left).abs().max() > 1e-3 and (everywhere - left).abs().max() > 1e-3


def test_both_sides_share_one_object_and_the_hosts_is_untouched():
    case = shared_case("Flux")
    positive, negative = controlled(case, *conds(case))
    before = positive[0][1]["control"]
    ours = kept(positive, negative, HALVES, "2")
    first, second = (side[0][1]["control"] for side in ours)
    assert first is second and first is not before and isinstance(first, RegionalControl)
    assert positive[0][1]["control"] is before and first.inner is not before
    assert [m.model for m in first.get_models()] == [m.model for m in before.get_models()]
    copied = first.copy()
    assert copied.chosen == {1} and copied.inner is not first.inner


def test_percents_of_the_controlnet_still_count():
    case = shared_case("Flux")
    image = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(5))
    positive, negative = host.ControlNetApplyAdvanced().apply_controlnet(
        *conds(case), control_net(case), image, 1.0, 0.99, 1.0
    )
    out = case.sample(case.model, *kept(positive, negative, HALVES, "1"))
    assert torch.equal(out, case.sample(case.model, *conds(case)))


def test_errors_are_named():
    case = shared_case("Flux")
    with pytest.raises(PromptError, match="behind Apply ControlNet"):
        kept(*conds(case), HALVES, "1")
    with pytest.raises(RegionError, match="ControlNet is meant for region '3', but there are 2"):
        kept(*controlled(case, *conds(case)), HALVES, "3")
    with pytest.raises(HostError, match=r"residual of shape \(1, 7, 4\) for a latent of 16 x 12"):
        residual_grid(torch.Size((1, 7, 4)), (16, 12), (0, 0), (16, 12))


@pytest.mark.parametrize("shape", [(2, 8, 15, 11), (2, 8, 8, 6), (2, 8, 4, 3), (2, 48, 8)])
def test_grids_of_a_unet_and_of_tokens(shape):
    """Every level of a UNet, odd sides included, against an average of fine pixels."""
    grid = residual_grid(torch.Size(shape), (15, 11), (0, 0), (15, 11))
    rows, cols, patch = {48: (8, 6, 2)}.get(shape[1], (shape[2], shape[-1], -(-15 // shape[2])))
    assert (grid.rows, grid.cols, grid.patch) == (rows, cols, patch)
    weights = residual_weights(HALVES, [0], grid).view(rows, cols)
    fine = ((torch.arange(11 * 30) + 0.5) < 5.5 * 30).float()
    wanted = torch.stack([part.mean() for part in fine.split(patch * 30)])
    torch.testing.assert_close(weights, wanted.expand(rows, cols), atol=2e-3, rtol=0)


def test_soft_regions_fade_a_controlnet():
    grid = residual_grid(torch.Size((1, 48, 8)), (16, 12), (0, 0), (16, 12))
    both = residual_weights(SOFT, [0, 1], grid).view(8, 6)[0]
    alone = residual_weights(SOFT, [1], grid).view(8, 6)[0]
    assert both[0] == 1.0 and (both.diff() <= 0).all() and both[-1] < 0.4
    assert (alone[3:] - both[3:] / 2).abs().max() < 1e-3


def test_a_unets_residuals_equal_masks_by_hand_on_every_level():
    tiny = CROSS["sd15"]
    model = tiny.model()

    def controlled_sides() -> tuple[Any, Any]:
        sides = tiny.conditioning(BASE), tiny.conditioning(NEGATIVE)
        return controlled_by(unet_control_net(model), *sides)

    ours = tiny.sample(model, *kept(*controlled_sides(), HALVES, "2"), steps=2)
    theirs_sides = controlled_sides()
    control = theirs_sides[0][0][1]["control"]
    merge, levels = control.control_merge, set()

    def masked(own: Any, before: Any, output_dtype: Any = None) -> Any:
        for residual in (x for name in own for x in own[name]):
            columns_of_level = residual.shape[-1]
            edges = torch.arange(columns_of_level + 1) * (12 / columns_of_level)
            inside = (edges[1:].clamp_min(6) - edges[:-1].clamp_min(6)) / edges.diff()
            levels.add(columns_of_level)
            residual *= inside
        return merge(own, before, output_dtype)

    control.control_merge = masked
    theirs = tiny.sample(model, *theirs_sides, steps=2)
    assert levels == {12, 6, 3}
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    plain = tiny.sample(model, *controlled_sides(), steps=2)
    assert (ours - plain).abs().max() > 100 * (ours - theirs).abs().max()

"""Boxes, masks, splits and their weights on the token grid."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.calls.schedule import PercentRange, layer_range
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import axis_borders, split_canvas
from regional_dit.attention.canvas.tokens import TokenGrid, require_visible, token_ownership
from regional_dit.attention.errors import RegionalError, RegionError


def grid(height: int, width: int, patch: int = 2) -> TokenGrid:
    rows, cols = -(-height // patch), -(-width // patch)
    return TokenGrid(rows, cols, patch, height, width, 0, 0, height, width)


def test_two_columns_on_a_four_token_row():
    weights = token_ownership(split_canvas(1, 2), grid(2, 8))
    assert weights.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]


def test_grid_regions_are_in_reading_order():
    weights = token_ownership(split_canvas(2, 2), grid(4, 4))
    assert weights[1:].argmax(0).tolist() == [0, 1, 2, 3]


def test_thirds_of_a_grid_that_three_divides_are_hard():
    weights = token_ownership(split_canvas(3, 3), grid(48, 48))
    assert set(weights.unique().tolist()) == {0.0, 1.0}


def test_a_border_inside_a_token_is_shared_by_area():
    weights = token_ownership(split_canvas(1, 2, column_sizes="1:3"), grid(2, 6))
    torch.testing.assert_close(weights[1], torch.tensor([0.75, 0.0, 0.0]))


def test_odd_latent_counts_real_pixels_only():
    weights = token_ownership(split_canvas(1, 3), grid(2, 3))
    torch.testing.assert_close(weights[1:], torch.tensor([[0.5, 0], [0.5, 0], [0.0, 1.0]]))


def test_gap_belongs_to_the_global_prompt():
    weights = token_ownership(split_canvas(1, 2, overlap=-0.5), grid(2, 16))
    assert weights[0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_overlap_is_shared():
    weights = token_ownership(split_canvas(1, 2, overlap=0.5), grid(2, 16))
    assert weights[1].tolist() == [1, 1, 1, 0.5, 0.5, 0, 0, 0]
    assert weights[0].max() == 0


def test_feathered_neighbours_add_up_to_one():
    regions = split_canvas(2, 3, feather=0.4)
    total = regions.masks(60, 90).sum(0)
    torch.testing.assert_close(total, torch.ones(60, 90), atol=1e-5, rtol=0)
    assert 0.1 < float(regions.masks(60, 90)[0, 10, 28]) < 0.9


def test_base_ratio_and_weights():
    regions = RegionSet((Region(Box(0, 0, 0.5, 1)), Region(Box(0.5, 0, 1, 1), weight=0.5)))
    weights = token_ownership(regions, grid(2, 4), base_ratio=0.2)
    torch.testing.assert_close(weights, torch.tensor([[0.2, 0.6], [0.8, 0.0], [0.0, 0.4]]))


def test_front_mode_gives_a_pixel_to_the_nearest():
    regions = RegionSet(
        (Region(Box(0, 0, 1, 1), order=0), Region(Box(0, 0, 0.5, 1), order=1)), "front"
    )
    weights = token_ownership(regions, grid(2, 4))
    assert weights[1:].tolist() == [[0, 1], [1, 0]]


def test_area_crop_sees_its_part_of_the_canvas():
    crop = TokenGrid(1, 2, 2, 2, 4, top=0, left=4, full_height=2, full_width=8)
    weights = token_ownership(split_canvas(1, 2), crop)
    assert weights.tolist() == [[0, 0], [0, 0], [1, 1]]


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    feather=st.floats(0, 1),
    overlap=st.floats(-0.8, 0.9),
    base=st.floats(0, 1),
    height=st.integers(1, 33),
    width=st.integers(1, 33),
    weight=st.floats(0, 10),
)
def test_ownership_is_finite_and_sums_to_one(
    rows, columns, feather, overlap, base, height, width, weight
):
    regions = split_canvas(rows, columns, feather=feather, overlap=overlap)
    regions = regions.with_weights([weight] + [1.0] * (rows * columns - 1))
    weights = token_ownership(regions, grid(height, width), base)
    assert weights.shape == (rows * columns + 1, -(-height // 2) * -(-width // 2))
    assert weights.isfinite().all() and (weights >= 0).all()
    torch.testing.assert_close(weights.sum(0), torch.ones(weights.shape[1]))


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    latent=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    seed=st.integers(0, 999),
)
def test_painted_masks_of_any_size(size, latent, seed):
    masks = torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))
    weights = token_ownership(RegionSet.from_masks(list(masks)), grid(*latent))
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.sum(0), torch.ones(weights.shape[1]))


def test_a_mask_equals_the_box_it_paints():
    mask = torch.zeros(32, 32)
    mask[8:20, 4:28] = 1
    painted = RegionSet.from_masks([mask])
    box = RegionSet((Region(Box(4 / 32, 8 / 32, 28 / 32, 20 / 32)),))
    for latent in ((16, 16), (15, 11), (40, 24)):
        torch.testing.assert_close(
            token_ownership(painted, grid(*latent)), token_ownership(box, grid(*latent))
        )


def test_blur_softens_a_mask():
    mask = torch.zeros(64, 64)
    mask[:, :32] = 1
    soft = RegionSet.from_masks([mask], feather_px=4.0).regions[0].shape
    assert isinstance(soft, torch.Tensor)
    assert 0.3 < float(soft[32, 32]) < 0.6 and float(soft[32, 8]) > 0.99


def test_a_blur_below_a_pixel_leaves_a_mask_as_it_is():
    mask = torch.rand(8, 8)
    painted = RegionSet.from_masks([mask], feather_px=1e-200).regions[0].shape
    assert isinstance(painted, torch.Tensor) and torch.equal(painted, mask)


@pytest.mark.parametrize("feather_px", [float("nan"), float("inf"), -1.0, 1e308])
def test_feathers_out_of_range_are_refused(feather_px):
    with pytest.raises(RegionError, match=r"Feather is .* expected 0 to 100000"):
        RegionSet.from_masks([torch.ones(4, 4)], feather_px=feather_px)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(8, 8), "empty"),
        (torch.full((8, 8), float("nan")), "NaN"),
        (torch.full((8, 8), 2.0), "0..1"),
        (torch.rand(2, 8, 8), "shape"),
        (torch.rand(0, 8), "8 x 0 pixels"),
    ],
)
def test_bad_masks_are_refused_in_words(mask, words):
    with pytest.raises(RegionError, match=words):
        RegionSet.from_masks([mask])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("", [0, 1 / 3, 2 / 3, 1]),
        ("1:2:1", [0, 0.25, 0.75, 1]),
        ("0.2, 0.9", [0, 0.2, 0.9, 1]),
        (" 0.2 0.9 ", [0, 0.2, 0.9, 1]),
    ],
)
def test_axis_borders(sizes, expected):
    assert axis_borders(3, sizes, "columns") == pytest.approx(expected)


@pytest.mark.parametrize(
    "sizes", ["1:2", "a:b:c", "0.5", "0.9, 0.2", "0, 1", "1:0:1", "1:-1:1", "nan:1:1", "inf:1:1"]
)
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(RegionError):
        axis_borders(3, sizes, "columns")


@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (9, 9), (65, 1), (1, -1)])
def test_too_many_or_no_regions(rows, columns):
    with pytest.raises(RegionError, match="1 to 64"):
        split_canvas(rows, columns)


def test_sixty_four_regions():
    assert len(split_canvas(8, 8)) == 64 and len(split_canvas(1, 64)) == 64


def test_layer_ranges():
    assert layer_range(0, -1, 40, 20) == tuple(range(21))
    assert layer_range(5, 4, 40, 39) == ()
    assert layer_range(3, 3, 40, 39) == (3,)
    with pytest.raises(RegionalError, match=r"0\.\.39"):
        layer_range(0, 40, 40, 39)


def test_percent_ranges():
    assert PercentRange(0.5, 0.5).is_empty and PercentRange().is_full
    with pytest.raises(RegionalError):
        PercentRange(-0.1, 1.0)


def test_a_region_that_the_token_grid_swallows_is_an_error():
    mask = torch.zeros(512, 512)
    mask[100, 100] = 1
    dot = RegionSet.from_masks([torch.ones(512, 512), mask])
    with pytest.raises(RegionError, match=r"Region 2 .* 8 x 8 tokens"):
        require_visible(dot, grid(16, 16))
    require_visible(dot, grid(256, 256))
    require_visible(dot.with_weights([1.0, 0.0]), grid(16, 16))


def test_a_region_hidden_behind_another_is_an_error():
    behind = Region(Box(0.2, 0.2, 0.4, 0.4), order=0)
    regions = RegionSet((behind, Region(Box(0, 0, 1, 1), order=1)), "front")
    with pytest.raises(RegionError, match="Region 1"):
        require_visible(regions, grid(16, 16))


def test_later_masks_lie_in_front():
    full = torch.ones(4, 4)
    weights = token_ownership(RegionSet.from_masks([full, full], overlap="front"), grid(2, 2))
    assert weights.flatten().tolist() == [0, 0, 1]

"""Splits, painted masks, frame ranges and weights at any values: regions, or a sentence."""

from __future__ import annotations

import torch
from hypothesis import example, given
from hypothesis import strategies as st
from random_cases import RAN, grids, region_sets
from random_files import is_a_sentence
from random_regions import anything, boxes, check_regions, fractions, masks
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.calls.step import Step
from regional_dit.attention.canvas.frame_fade import FrameFade
from regional_dit.attention.canvas.frames import with_frames
from regional_dit.attention.canvas.region_schedule import weights_at
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.canvas.tokens import TokenGrid, require_visible, token_ownership
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.sampling.guidance import RegionGuidance, guidance_shares
from regional_dit.nodes.prompts.sources import parse_weights
from regional_dit.nodes.regional.schedule import RegionScheduleNode
from regional_dit.nodes.regions.boxes import layout_regions
from regional_dit.nodes.regions.plan_regions import drawn_mask, shape_of
from regional_dit.nodes.regions.split import RegionsFromMasks

pieces = st.sampled_from(
    ["0", "1", "0.3", "0.7", "1e-320", "1e308", "nan", "inf", "-1", "2", ":", ",", " ", ";", "\n",
     "0.5", "1_0", "٣", "x", "0:0.5", "0.5:1", "1:1", "1:0", "::", ".", "1e999"]
)  # fmt: skip
number_texts = st.one_of(st.lists(pieces, max_size=6).map("".join), st.text(max_size=8))


@given(
    rows=st.integers(-1, 9),
    columns=st.integers(-1, 9),
    row_sizes=number_texts | st.just(""),
    column_sizes=number_texts | st.lists(st.sampled_from("1239"), max_size=5).map(":".join),
    feather=fractions,
    overlap=st.just(0.0) | st.floats(-1.0, 1.0) | anything,
)
def test_any_split_covers_the_canvas_or_is_refused(
    rows: int, columns: int, row_sizes: str, column_sizes: str, feather: float, overlap: float
) -> None:
    RAN["examples"] += 1
    try:
        regions = split_canvas(
            rows,
            columns,
            row_sizes=row_sizes,
            column_sizes=column_sizes,
            feather=feather,
            overlap=overlap,
        )
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert len(regions) == rows * columns
    check_regions(regions)
    if overlap == 0.0:
        total = regions.masks(37, 53).sum(0)
        torch.testing.assert_close(total, torch.ones(37, 53), atol=1e-5, rtol=0)


@example([torch.zeros(2, 0)], 0.0, "blend")
@example([torch.ones(8, 8)], 1e308, "blend")
@example([torch.ones(8, 8)], 1e-200, "blend")
@given(
    st.lists(masks(), min_size=1, max_size=3),
    st.just(0.0) | st.floats(0.0, 256.0) | anything,
    st.sampled_from(["blend", "front", "other"]),
)
def test_any_masks_are_regions_or_refused(
    painted: list[torch.Tensor], feather_px: float, overlap: str
) -> None:
    RAN["examples"] += 1
    try:
        regions, rendered, preview = RegionsFromMasks.execute(painted, [feather_px], [overlap]).args
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert len(regions) == len(rendered) and preview.isfinite().all()
    check_regions(regions)


@example(torch.zeros(0, 0, 0))
@given(masks())
def test_any_mask_is_drawn_in_the_editor_or_refused(mask: torch.Tensor) -> None:
    RAN["examples"] += 1
    try:
        box, cells = drawn_mask(mask)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
    shape = shape_of(box, cells, 0.0)
    check_regions(RegionSet((Region(shape),)))


@example({"x": 10**400, "y": 0, "width": 1, "height": 1}, 8, 8)
@given(
    st.recursive(boxes | st.none() | st.text(max_size=3), lambda b: st.lists(b, max_size=3)),
    st.integers(1, 2000),
    st.integers(1, 2000),
)
def test_any_bounding_boxes_are_fractions_or_refused(found: object, width: int, height: int):
    RAN["examples"] += 1
    try:
        result = layout_regions(found, width, height)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    for region in result:
        assert region.box is not None
        check_regions(RegionSet((Region(Box(*region.box)),)))


@given(number_texts, st.integers(1, 3), grids(), st.none() | fractions, st.none() | fractions)
def test_any_frame_ranges_are_read_or_refused(
    text: str, count: int, grid: TokenGrid, sigma: float | None, inset: float | None
) -> None:
    RAN["examples"] += 1
    try:
        fade = None if sigma is None else FrameFade(sigma, inset)
        regions = with_frames(split_canvas(1, count), text, fade)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    for region in regions.regions:
        assert region.frames is None or 0 <= region.frames[0] < region.frames[1] <= 1
    ownership = token_ownership(regions, grid)
    torch.testing.assert_close(ownership.sum(0), torch.ones(grid.n_tokens))


@given(number_texts, st.integers(1, 3))
def test_any_weights_are_read_or_refused(text: str, count: int) -> None:
    RAN["examples"] += 1
    try:
        weights = parse_weights(text, count, None)
        regions = split_canvas(1, count).with_weights(weights)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    check_regions(regions)


@given(
    st.lists(st.tuples(fractions, fractions, fractions, fractions, fractions, anything), max_size=3)
)
def test_any_boxes_are_regions_or_refused(values: list[tuple[float, ...]]) -> None:
    RAN["examples"] += 1
    grid = TokenGrid(4, 4, 2, 8, 8, 0, 0, 8, 8)
    try:
        regions = RegionSet(tuple(Region(Box(*box), weight) for *box, weight in values))
        check_regions(regions)
        require_visible(regions, grid)
    except RegionalError as error:
        assert is_a_sentence(error)


@given(
    number_texts | st.just(""),
    st.tuples(fractions, fractions, fractions, fractions),
    fractions | st.just(-1.0),
    st.integers(1, 3),
    st.floats(0.0, 1.0),
)
def test_any_schedule_is_a_strength_or_refused(
    which: str,
    numbers: tuple[float, float, float, float],
    base_ratio: float,
    count: int,
    percent: float,
) -> None:
    RAN["examples"] += 1
    try:
        regions = RegionScheduleNode.execute(split_canvas(1, count), which, *numbers, base_ratio)[0]
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    check_regions(regions)
    step = Step(torch.tensor([1.0 - percent]), [1.0, 0.0], lambda share: 1.0 - share)
    weights = weights_at(regions, step)
    assert weights is None or all(0.0 <= weight <= 1.0 for weight in weights)
    grid = TokenGrid(4, 4, 2, 8, 8, 0, 0, 8, 8)
    owned = token_ownership(regions.with_weights(weights or [1.0] * count), grid, 0.3)
    torch.testing.assert_close(owned.sum(0), torch.ones(16))


@given(
    st.lists(region_sets(), min_size=1, max_size=2),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.floats(0.0, 100.0)), max_size=4),
    st.sampled_from([(1, 1), (5, 8), (3, 6, 7)]),
)
def test_guidance_shares_of_any_regions_sum_to_one_or_are_refused(
    sets: list[RegionSet], parts: list[tuple[int, int, float]], size: tuple[int, ...]
) -> None:
    RAN["examples"] += 1
    given_parts = []
    for which, index, cfg in parts:
        regions = sets[which % len(sets)]
        chosen = frozenset([index % len(regions)])
        given_parts.append(RegionGuidance(regions, chosen, cfg, PercentRange()))
    try:
        shares = guidance_shares(given_parts, size)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert set(shares) <= {None, *(cfg for _, _, cfg in parts)}
    stack = torch.stack(list(shares.values()))
    assert stack.shape[1:] == (1, 1, *size)
    assert bool((stack >= 0.0).all()) and bool((stack <= 1.0 + 1e-5).all())
    torch.testing.assert_close(stack.sum(0), torch.ones(1, 1, *size), atol=1e-5, rtol=0)

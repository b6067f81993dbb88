"""Random numbers, masks and bounding boxes, mostly right, and what every region set must be."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from random_cases import check_close
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid, token_ownership

EDGES = [0.0, 1.0, 0.5, -0.5, 2.0, 1e-30, 5e-324, 1e-7, 1 - 1e-9, float("nan"), float("inf")]
anything = st.one_of(st.sampled_from(EDGES), st.floats())
fractions = st.one_of(st.floats(0.0, 1.0), anything)
json_numbers = st.one_of(
    st.integers(-600, 1200),
    fractions,
    st.sampled_from([10**400, "12", "x", None, True, [], 1e308, -1e308]),
)
boxes = st.fixed_dictionaries(
    {"x": json_numbers, "y": json_numbers, "width": json_numbers},
    optional={"height": json_numbers, "label": st.just("cat")},
)


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    """What a MASK socket may carry: mostly good, of any size and type."""
    shape = draw(
        st.one_of(
            st.tuples(st.integers(1, 9), st.integers(1, 9)),
            st.sampled_from([(1, 300), (260, 2), (200, 129)]),
            st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)),
            st.lists(st.integers(0, 3), max_size=4).map(tuple),
        )
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    values = torch.rand(shape, generator=generator)
    how = draw(st.sampled_from(["soft", "hard", "empty", "tiny", "one value", "dot"]))
    if how == "hard":
        values = (values > 0.5).float()
    elif how == "empty":
        values = torch.zeros(shape)
    elif how == "tiny":
        values = values * draw(st.sampled_from([1e-3, 1e-20, 1e-38, 1e-44]))
    elif how in ("one value", "dot") and values.numel():
        values = torch.zeros(shape) if how == "dot" else values
        values.view(-1)[draw(st.integers(0, values.numel() - 1))] = draw(
            st.sampled_from(EDGES) if how == "one value" else st.just(1.0)
        )
    kinds = [torch.float32] * 4 + [torch.float16, torch.float64, torch.bool, torch.uint8]
    return values.to(draw(st.sampled_from(kinds)))


def check_regions(regions: RegionSet) -> None:
    """What every region set must be, whatever made it."""
    masks = regions.masks(37, 53)
    assert masks.shape == (len(regions), 37, 53)
    assert masks.isfinite().all() and (masks >= 0).all() and (masks <= 1).all()
    grid = TokenGrid(19, 27, 2, 37, 53, 0, 0, 37, 53)
    ownership = token_ownership(regions, grid)
    check_close(ownership.sum(0), torch.ones(grid.n_tokens), 1e-5)
    for region in regions.regions:
        x0, y0, x1, y1 = region.bounds
        x, y = region.center
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        assert 0 <= x <= 1 and 0 <= y <= 1

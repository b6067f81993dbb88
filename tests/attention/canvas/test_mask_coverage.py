"""Painted masks on token grids: their means, and that they are worked out once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.canvas import regions as regions_module
from regional_dit.attention.canvas.regions import Region, RegionSet
from regional_dit.attention.canvas.tokens import KEPT_GRIDS, TokenGrid, token_coverage
from regional_dit.attention.rules import Bias, Bind, Dense, EliGen, LaRender, Omost
from stand_ins import step


def dense_means(mask: torch.Tensor, x_edges: torch.Tensor, y_edges: torch.Tensor) -> torch.Tensor:
    """The definition: every pixel times the part of it that lies in the cell."""

    def averaging(edges: torch.Tensor, size: int) -> torch.Tensor:
        cells = torch.arange(size, dtype=torch.float64)
        lo = torch.maximum(edges[:-1, None].double() * size, cells)
        hi = torch.minimum(edges[1:, None].double() * size, cells + 1)
        overlap = (hi - lo).clamp_min(0.0)
        return overlap / overlap.sum(1, keepdim=True)

    down, across = averaging(y_edges, mask.shape[0]), averaging(x_edges, mask.shape[1])
    return (down @ mask.double() @ across.T).float()


def grid_of(height: int, width: int, top: int, left: int, full: tuple[int, int]) -> TokenGrid:
    return TokenGrid(-(-height // 2), -(-width // 2), 2, height, width, top, left, *full)


@st.composite
def grids(draw: st.DrawFn) -> TokenGrid:
    """The whole of a latent of any size, or a crop of it."""
    full = draw(st.integers(1, 96)), draw(st.integers(1, 96))
    top, left = (draw(st.integers(0, side - 1)) for side in full)
    height, width = draw(st.integers(1, full[0] - top)), draw(st.integers(1, full[1] - left))
    return grid_of(height, width, top, left, full)


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    """Grey, hard, or one pixel; of any size from a single pixel on."""
    height, width = draw(st.integers(1, 200)), draw(st.integers(1, 200))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    kind = draw(st.sampled_from(["grey", "hard", "pixel"]))
    if kind == "pixel":
        mask = torch.zeros(height, width)
        mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = 1.0
        return mask
    mask = torch.rand(height, width, generator=generator)
    return mask if kind == "grey" else (mask > 0.5).float()


@given(masks(), grids())
def test_means_are_the_dense_ones(mask: torch.Tensor, grid: TokenGrid):
    edges = grid.edges()
    means = regions_module.mask_coverage(mask, *edges)
    assert means.dtype == torch.float32 and means.shape == (grid.rows, grid.cols)
    torch.testing.assert_close(means, dense_means(mask, *edges), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(2048, 1536), (4096, 4096), (1999, 3001), (8192, 5)])
def test_means_of_huge_masks(size: tuple[int, int]):
    mask = torch.rand(size, generator=torch.Generator().manual_seed(0))
    for grid in (grid_of(128, 96, 0, 0, (128, 96)), grid_of(1, 1, 0, 0, (1, 1))):
        edges = grid.edges()
        means = regions_module.mask_coverage(mask, *edges)
        torch.testing.assert_close(means, dense_means(mask, *edges), atol=1e-6, rtol=0)


@pytest.fixture
def averages(monkeypatch):
    """Shapes of the masks that were averaged."""
    seen: list[tuple[int, ...]] = []
    real = regions_module.mask_coverage

    def counted(mask: torch.Tensor, *edges: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(mask.shape))
        return real(mask, *edges)

    monkeypatch.setattr(regions_module, "mask_coverage", counted)
    return seen


def painted(overlap: str = "blend") -> RegionSet:
    generator = torch.Generator().manual_seed(1)
    grey = [torch.rand(20, 30, generator=generator) * 0.2 for _ in range(3)]
    for index, mask in enumerate(grey):
        mask[:, 10 * index : 10 * index + 10] += 0.75
    return RegionSet.from_masks(grey, overlap=overlap)


RULES = [Bind(), Bias(), EliGen(), Dense(), LaRender(), Omost()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_grid_averages_each_mask_once(rule, averages):
    """Over all phases and steps of a sampling; the shared numbers stay as they were."""
    regions, grid = painted("front"), grid_of(16, 12, 0, 0, (16, 12))
    for index in range(4):
        for layer in range(6):
            phase = rule.phase(layer, 6, step(index))
            if phase is not None:
                rule.groups(regions, grid, phase)
    assert len(averages) == 3
    kept = dict(regions.memo)
    for (of_grid, overlap), coverage in kept.items():
        assert torch.equal(coverage, token_coverage(replace(regions, overlap=overlap), of_grid))


def test_another_overlap_mode_is_another_coverage():
    regions, grid = painted("front"), grid_of(16, 12, 0, 0, (16, 12))
    front, blend = token_coverage(regions, grid), token_coverage(regions, grid, "blend")
    assert (front - blend).abs().max() > 0.01
    assert torch.equal(blend, token_coverage(replace(regions, overlap="blend"), grid))
    assert torch.equal(front, token_coverage(regions, grid))


def test_what_is_kept_does_not_grow(averages):
    regions = painted()
    for size in range(1, 50):
        token_coverage(regions, grid_of(size, 8, 0, 0, (size, 8)))
    assert len(regions.memo) == KEPT_GRIDS and len(averages) == 49 * 3
    token_coverage(regions, grid_of(49, 8, 0, 0, (49, 8)))
    assert len(averages) == 49 * 3
    token_coverage(regions, grid_of(1, 8, 0, 0, (1, 8)))  # the oldest went first
    assert len(averages) == 50 * 3


def test_what_inference_mode_kept_can_be_differentiated_with():
    regions, grid = painted(), grid_of(16, 12, 0, 0, (16, 12))
    with torch.inference_mode():
        token_coverage(regions, grid)
    scale = torch.ones(1, requires_grad=True)
    (token_coverage(regions, grid) * scale).sum().backward()
    assert scale.grad is not None and float(scale.grad) > 0.0


def test_what_a_resize_adds_to_the_range_is_cut():
    mask = torch.tensor([[-0.0009, 0.5], [1.0000001, 1.0009]])
    wanted = torch.tensor([[0.0, 0.5], [1.0, 1.0]])
    for region in (Region(mask), RegionSet.from_masks([mask]).regions[0]):
        assert torch.equal(region.shape, wanted)
    assert mask.max() > 1.0  # the caller's own stays
    for wrong in (mask * 1.001, mask - 0.001):
        with pytest.raises(ValueError, match=r"expected 0\.\.1"):
            Region(wrong)


def test_a_mask_out_of_range_is_still_refused():
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="NaN or infinite"):
            Region(torch.tensor([[0.5, value]]))

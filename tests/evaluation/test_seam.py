from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.evaluation.errors import EvaluationError
from regional_dit.evaluation.seam import owners, seam_score

HALVES = split_canvas(1, 2)


def noise(count: int = 1, side: int = 128) -> torch.Tensor:
    return 0.5 + 0.02 * torch.randn(
        count, side, side, 3, generator=torch.Generator().manual_seed(1)
    )


def test_a_picture_without_a_seam_scores_one():
    assert seam_score(noise(), HALVES)[0] == pytest.approx(1, abs=0.05)
    flat = torch.full((1, 128, 128, 3), 0.3)
    assert seam_score(flat, HALVES)[0] == pytest.approx(1)
    ramp = torch.linspace(0, 1, 128)[None, None, :, None].expand(1, 128, 128, 3)
    assert seam_score(ramp, HALVES)[0] == pytest.approx(1, abs=0.01)


def test_a_hard_border_scores_high_and_where_it_lies_only():
    pictures = noise(2)
    pictures[1, :, 64:] += 0.3
    smooth, cut = seam_score(pictures, HALVES)
    assert smooth < 1.1 and cut > 4
    assert seam_score(pictures[1:], split_canvas(2, 1))[0] < 2


def test_a_border_one_pixel_beside_still_counts():
    picture = noise()
    picture[:, :, 65:] += 0.3
    assert seam_score(picture, HALVES)[0] > 4


def test_softer_borders_score_lower():
    ramp = ((torch.arange(128) - 52) / 24).clamp(0, 1)[None, None, :, None]
    hard = (torch.arange(128) >= 64).float()[None, None, :, None]
    soft, sharp = (seam_score(noise() + 0.3 * x, HALVES)[0] for x in (ramp, hard))
    assert soft < sharp / 3


def test_uncovered_canvas_has_borders_too():
    one = RegionSet((Region(Box(0.25, 0.25, 0.75, 0.75)),))
    assert set(owners(one, 16, 16).unique().tolist()) == {0, 1}
    picture = noise()
    picture[:, 32:96, 32:96] += 0.3
    assert seam_score(picture, one)[0] > 4


def test_no_border_is_an_error():
    with pytest.raises(EvaluationError, match="no border"):
        seam_score(noise(), split_canvas(1, 1))
    with pytest.raises(EvaluationError, match="too small"):
        seam_score(noise(side=8), split_canvas(4, 4))

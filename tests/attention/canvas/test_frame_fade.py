"""Regions that come and go in a video: the fade's formula, its ends, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.canvas.frame_fade import FrameFade
from regional_dit.attention.canvas.frames import with_frames
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.canvas.tokens import TokenGrid, token_coverage, token_ownership
from regional_dit.attention.errors import RegionError

WHOLE = Box(0, 0, 1, 1)


def edges(frames: int) -> torch.Tensor:
    return torch.arange(frames + 1).double() / frames


def grid(frames: int, first: int = 0, full: int | None = None) -> TokenGrid:
    """Frames of 2 x 2 tokens."""
    return TokenGrid(2, 2, 2, 4, 4, 0, 0, 4, 4, frames, first, full or frames)


def test_the_formula_of_prompt_relay_in_latent_frames():
    """Frames 6 to 13 of 20, with the published w = L / 2 - 2; sigma larger, so as to see it."""
    sigma, inset, start, end = 0.9, 2.0, 6, 14
    wanted = []
    for frame in range(20):
        mid, w = (start + end) / 2, (end - start) / 2 - inset
        beyond = max(abs(frame + 0.5 - mid) - w, 0.0)
        wanted.append(math.exp(-(beyond**2) / (2 * sigma**2)))
    fade = FrameFade(sigma / 20, inset / 20)
    got = fade.strength(edges(20), start / 20, end / 20)
    torch.testing.assert_close(got, torch.tensor(wanted))
    assert got[8:12].tolist() == [1.0] * 4 and 0.0 < got[5] < got[6] < got[7] < 1.0


def test_published_settings_give_the_place_away_before_the_range_ends():
    got = FrameFade(1 / math.log(1000) / 16, 2 / 16).strength(edges(16), 0.25, 0.75)
    assert got[6:10].tolist() == [1.0] * 4
    assert got[5] == got[10] == pytest.approx(math.exp(-0.25 * math.log(1000) ** 2 / 2), rel=1e-4)
    assert float(got[:5].max()) < 1e-3 and float(got[11:].max()) < 1e-3


@given(
    st.floats(0.001, 1.0),
    st.none() | st.floats(0.0, 1.0),
    st.tuples(st.integers(0, 30), st.integers(1, 31)).filter(lambda r: r[0] < r[1]),
)
def test_full_in_the_middle_and_falling_from_there(sigma, inset, frames):
    start, end = frames[0] / 31, frames[1] / 31
    tiny = edges(31 * 64)  # so that a frame's middle is the range's, nearly
    got = FrameFade(sigma, inset).strength(tiny, start, end)
    assert got.isfinite().all() and float(got.min()) >= 0.0 and float(got.max()) <= 1.0
    peak = int(got.argmax())
    rising, falling = got[: peak + 1].diff(), got[peak:].diff()
    assert bool((rising >= 0).all()) and bool((falling <= 0).all())
    step = 0.5 / (31 * 64)
    assert float(got[peak]) >= math.exp(-((step / sigma) ** 2))
    if start == 0.0:
        assert peak == 0
    if end == 1.0:
        assert got[-1] == got[peak]


def test_half_strength_at_the_ends_and_none_at_those_of_the_video():
    fine = torch.tensor([0.3 - 1e-6, 0.3 + 1e-6, 0.5, 0.7 - 1e-6, 0.7 + 1e-6])
    got = FrameFade(0.03).strength(fine, 0.3, 0.7)
    torch.testing.assert_close(got[[0, 3]], torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    assert FrameFade(0.2).strength(edges(5), 0.0, 1.0).tolist() == [1.0] * 5


def test_two_ranges_that_touch_hand_over():
    """The same distance on either side of where they touch, shares are exchanged."""
    soft = with_frames(split_canvas(1, 2), "0:0.5, 0.5:1", FrameFade(0.1))
    both = RegionSet(
        tuple(Region(WHOLE, frames=r.frames, fade=r.fade) for r in soft.regions), "blend"
    )
    base, early, late = token_ownership(both, grid(10))[:, ::4]
    torch.testing.assert_close(early, late.flip(0))
    torch.testing.assert_close(early + late + base, torch.ones(10))
    assert early[0] == 1.0 and float(early.diff().max()) <= 0.0 and 0.5 < early[4] < 0.9
    assert float(base.max()) < 0.09  # 2^-(d/h)^2 on one side, 1 or less on the other


def test_place_times_time():
    """What a region covers of a token is its share of the place, times its strength then."""
    fade = FrameFade(0.08)
    halves = with_frames(split_canvas(1, 2), "0.2:0.6, ", fade)
    left, right = token_coverage(halves, grid(12)).view(2, 12, 2, 2)
    strength = fade.strength(edges(12), 0.2, 0.6)
    torch.testing.assert_close(
        left, strength[:, None, None] * torch.tensor([1.0, 0.0]).expand(2, 2)
    )
    torch.testing.assert_close(right, torch.tensor([0.0, 1.0]).expand(12, 2, 2))


def test_frames_beyond_the_decay_see_nothing_of_the_region():
    halves = with_frames(split_canvas(1, 2), "0.4:0.6, ", FrameFade(0.02))
    owned = token_ownership(halves, grid(20))[1].view(20, 4)
    assert owned.nonzero()[:, 0].unique().tolist() == [7, 8, 9, 10, 11, 12]
    assert torch.equal(owned[:, 0] > 0, token_coverage(halves, grid(20))[0, ::4] > 1e-3)


def test_a_part_of_the_video_sees_the_fade_of_its_own_frames():
    halves = with_frames(split_canvas(1, 2), "0:0.5, 0.5:1", FrameFade(0.1))
    whole = token_coverage(halves, grid(8)).view(2, 8, -1)
    part = token_coverage(halves, grid(3, first=3, full=8)).view(2, 3, -1)
    torch.testing.assert_close(part, whole[:, 3:6])


def test_ranges_of_the_whole_video_and_still_pictures_have_no_fade():
    faded = with_frames(split_canvas(1, 2), "0:1, 0:0.5", FrameFade(0.1))
    assert [r.fade for r in faded.regions] == [None, FrameFade(0.1)]
    plain = token_coverage(split_canvas(1, 2), grid(1))
    assert torch.equal(token_coverage(faded, grid(1)), plain)


@pytest.mark.parametrize("sigma", [0.0, -0.1, 1.1, math.nan, math.inf])
def test_softness_out_of_range_is_named(sigma):
    with pytest.raises(RegionError, match=r"softness of a frame range is .*expected a share"):
        FrameFade(sigma)


@pytest.mark.parametrize("inset", [-0.1, 1.1, math.nan])
def test_inset_out_of_range_is_named(inset):
    with pytest.raises(RegionError, match=r"inset of a frame range is .*from 0 to 1"):
        FrameFade(0.1, inset)

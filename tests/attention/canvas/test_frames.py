"""Regions in time: ranges as text, and weights on the tokens of a video."""

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.frames import with_frames
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.canvas.tokens import TokenGrid, token_coverage, token_ownership
from regional_dit.attention.errors import HostError, RegionError


def grid(frames: int, first: int | None = 0, full: int | None = None) -> TokenGrid:
    """Frames of 2 x 2 tokens."""
    return TokenGrid(
        2, 2, 2, 4, 4, 0, 0, 4, 4, frames=frames, first_frame=first, full_frames=full or frames
    )


def test_ranges_as_text():
    regions = with_frames(split_canvas(1, 3), "0:0.5, , 0.5:1")
    assert [r.frames for r in regions.regions] == [(0.0, 0.5), None, (0.5, 1.0)]
    assert not with_frames(regions, "0:1\n0:1\n0:1").has_frames


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 frame ranges for 2"),
        ("0:1, 0:1, 0:1", "3 frame ranges for 2"),
        ("0:1, half", "'half' is not two numbers"),
        ("0:0.2:1, 0:1", "not two numbers"),
        ("0.5:0.5, 0:1", "empty"),
        ("0:1.5, 0:1", "leaves the video"),
        ("nan:1, 0:1", "empty"),
    ],
)
def test_bad_ranges_are_named(text, words):
    with pytest.raises(RegionError, match=words):
        with_frames(split_canvas(1, 2), text)


def test_weights_by_hand():
    """Three frames: the left half lives in the first half, so for half of the middle frame."""
    halves = with_frames(split_canvas(1, 2), "0:0.5, ")
    left, right = token_coverage(halves, grid(3)).view(2, 3, 2, 2)
    torch.testing.assert_close(left[:, 0], torch.tensor([[1.0, 0], [0.5, 0], [0, 0]]))
    torch.testing.assert_close(right, torch.tensor([0.0, 1.0]).expand(3, 2, 2))
    base = token_ownership(halves, grid(3))[0].view(3, 2, 2)
    torch.testing.assert_close(base[:, 1, 0], torch.tensor([0.0, 0.5, 1.0]))


def test_a_part_of_the_video_sees_its_own_frames():
    halves = with_frames(split_canvas(1, 2), "0:0.5, 0.5:1")
    whole = token_coverage(halves, grid(4)).view(2, 4, -1)
    part = token_coverage(halves, grid(2, first=1, full=4)).view(2, 2, -1)
    torch.testing.assert_close(part, whole[:, 1:3])
    with pytest.raises(HostError, match="2 of 4 latent frames"):
        token_coverage(halves, grid(2, first=None, full=4))


def test_windows_do_no_harm_without_ranges():
    halves = split_canvas(1, 2)
    whole = token_coverage(halves, grid(4)).view(2, 4, -1)
    torch.testing.assert_close(
        token_coverage(halves, grid(2, first=None, full=4)).view(2, 2, -1), whole[:, :2]
    )


def test_overlaps_in_front_are_resolved_frame_by_frame():
    box = Box(0, 0, 1, 1)
    stacked = RegionSet((Region(box), Region(box, order=1, frames=(0, 0.5))), "front")
    back, front = token_coverage(stacked, grid(2)).view(2, 2, -1).unbind()
    torch.testing.assert_close(front[:, 0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(back[:, 0], torch.tensor([0.0, 1.0]))


def test_a_still_picture_has_no_time():
    halves = with_frames(split_canvas(1, 2), "0:0.5, 0.5:1")
    assert torch.equal(token_coverage(halves, grid(1)), token_coverage(split_canvas(1, 2), grid(1)))

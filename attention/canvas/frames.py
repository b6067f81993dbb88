"""Frame ranges of regions in a video, written as text, and how regions come and go in them."""

from __future__ import annotations

from dataclasses import replace

from ..errors import RegionError
from .frame_fade import FrameFade
from .regions import RegionSet

FrameRange = tuple[float, float] | None


def with_frames(regions: RegionSet, text: str, fade: FrameFade | None = None) -> RegionSet:
    """The same regions, each in its part of the video.

    Args:
        regions: R regions.
        text: R ranges "start:end" in shares of the video, 0..1, divided by commas or new lines;
            an empty one stands for the whole video.
        fade: of all of them, at both ends; None: hard ranges.

    Raises:
        RegionError: another number of ranges than regions, no numbers, or an empty range.
    """
    parts = [part.strip() for part in text.replace("\n", ",").split(",")]
    if len(parts) != len(regions):
        raise RegionError(
            f"Got {len(parts)} frame ranges for {len(regions)} regions: {text!r}. Give one per "
            "region, such as '0:0.5, 0.5:1'; leave one empty for the whole video."
        )
    ranged = zip(regions.regions, map(_range, parts), strict=True)
    return replace(
        regions,
        regions=tuple(
            replace(region, frames=frames, fade=None if frames is None else fade)
            for region, frames in ranged
        ),
    )


def _range(text: str) -> FrameRange:
    if not text:
        return None
    try:
        start, end = (float(number) for number in text.split(":"))
    except ValueError:
        raise RegionError(
            f"Frame range {text!r} is not two numbers. Expected start:end in shares of the video, "
            "such as 0:0.5 for its first half."
        ) from None
    return None if (start, end) == (0.0, 1.0) else (start, end)

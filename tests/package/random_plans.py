"""Random plans as the Region Editor writes them, all of them right."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from regional_dit.planner.mask import RegionMask

# A browser rounds nothing: what a mouse drags is any fraction.
share = st.one_of(st.sampled_from([0, 1, 0.5, 1e-7, 1 - 1e-16, 1e-30]), st.floats(0.0, 1.0))
words = st.one_of(st.just(""), st.sampled_from(["a red fox", "红色的狐狸"]), st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12))  # fmt: skip


@st.composite
def drawn_regions(draw: st.DrawFn) -> dict[str, Any]:
    """One region as the editor writes it; whole numbers may be written as 2.0."""
    (x0, x1), (y0, y1) = (
        sorted(draw(st.lists(share, min_size=2, max_size=2, unique=True))) for _ in "xy"
    )
    whole = draw(st.sampled_from([int, float]))
    region: dict[str, Any] = {
        "high_level": draw(words),
        "low_level": draw(words),
        "box": [x0, y0, x1, y1],
        "weight": draw(st.sampled_from([1, 0.001, 10, 2.5])),
        "order": whole(draw(st.integers(-1000, 1000))),
    }
    if draw(st.booleans()):
        width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
        cells = draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
        cells[draw(st.integers(0, len(cells) - 1))] = True
        rows = [cells[i : i + width] for i in range(0, len(cells), width)]
        runs = RegionMask.from_rows(rows).runs
        region["mask"] = {"width": whole(width), "height": whole(height), "runs": runs}
    extras = {
        "feather": share,
        "color": st.sampled_from(["", "#000000", "#fFa0B1"]),
        "locked": st.booleans(),
        "instance": words,
        "attributes": st.lists(words, max_size=2),
        "negative": words,
        "phrase": words,
        "lora": words,
        "lora_strength": st.sampled_from([1, 0, -100, 100.0, 0.7]),
    }
    for key, values in extras.items():
        if draw(st.booleans()):
            region[key] = draw(values)
    return region


@st.composite
def drawings(draw: st.DrawFn) -> dict[str, Any]:
    """A whole drawing that is right."""
    drawing: dict[str, Any] = {
        "version": 1,
        "global_prompt": draw(words),
        "regions": draw(st.lists(drawn_regions(), max_size=4)),
    }
    extras = {
        "negative_prompt": words,
        "background": words,
        "aspect": st.none() | st.floats(0.0625, 16) | st.sampled_from([1, 16, 0.0625]),
        "notes": st.lists(words, max_size=2),
        "source": st.sampled_from(["", "0123456789abcdef"]),
    }
    for key, values in extras.items():
        if draw(st.booleans()):
            drawing[key] = draw(values)
    return drawing

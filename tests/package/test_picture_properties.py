"""Sketches of any colours and legends of any text: one region per colour, or a sentence."""

from __future__ import annotations

import time

import numpy as np
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_cases import RAN
from random_files import is_a_sentence
from random_regions import anything, check_regions
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.sketch.legend import parse_color, parse_legend
from regional_dit.attention.sketch.regions import read_sketch
from regional_dit.nodes.regions.sketch import RegionsFromSketch

WHITE, PAINTS = "#ffffff", ("#e63946", "#3a86ff", "#00aa55", "#222222", "#f5be1e")
color_texts = st.one_of(
    st.sampled_from(
        [*PAINTS, "red", "红色", "blue", "white", "#fff", "#12345", "rgb(1,2,3)", "rgb(999,0,0)",
         "rgb(-1,0,0)", "hsl(720,200%,50%)", "hsv(0,100%,900%)", "rgb(300%,0%,0%)", "transparent",
         "#ffff", "#e6394680", "", " ", "RED", "sky blue"]
    ),
    st.text(max_size=6),
)  # fmt: skip
arrows = st.sampled_from(["->", " -> ", "=", ":", "→", "", " "])
legend_lines = st.builds("{}{}{}".format, color_texts, arrows, st.text(max_size=6) | color_texts)
legends = st.one_of(
    st.just(""),
    st.just("\n".join(f"{paint} -> thing" for paint in PAINTS[:2])),
    st.lists(legend_lines, max_size=5).map("\n".join),
)


@st.composite
def pictures(draw: st.DrawFn) -> torch.Tensor:
    """[1, height, width, channels] float: rectangles of paint, noise, values out of range."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    picture = np.ones((height, width, 3), dtype=np.float32)
    for _ in range(draw(st.integers(0, 6))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
        color = np.array(parse_color(draw(st.sampled_from(PAINTS)))) / 255
        picture[top:bottom, left:right] = color
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    how = draw(st.sampled_from(["flat"] * 4 + ["noise", "static", "ramp", "value"]))
    if how == "noise":
        picture += generator.normal(0, 0.03, picture.shape).astype(np.float32)
    elif how == "static":
        picture = generator.random(picture.shape, dtype=np.float32)
    elif how == "ramp":
        picture *= np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    elif how == "value":
        picture[0, 0, 0] = draw(anything.filter(lambda x: not 1e38 < abs(x) < float("inf")))
    tensor = torch.from_numpy(picture)[None]
    shape = draw(st.sampled_from(["rgb"] * 6 + ["rgba", "gray", "empty", "no picture", "flat"]))
    if shape == "rgba":
        return torch.cat([tensor, torch.ones_like(tensor[..., :1])], -1)
    cuts = {
        "gray": tensor[..., :1],
        "empty": tensor[:, :0],
        "no picture": tensor[:0],
        "flat": tensor[0],
    }
    return cuts.get(shape, tensor)


def static(height: int, width: int) -> torch.Tensor:
    """A picture in which every pixel has a colour of its own."""
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(0))


@settings(suppress_health_check=[HealthCheck.too_slow])
@example(static(512, 512), "", "white", 1.0, 0.0, 64)
@example(static(512, 512), "", "white", 1.0, 0.5, 64)
@example(torch.ones(0, 4, 4, 3), "", "white", 10.0, 0.002, 12)
@given(
    pictures(),
    legends,
    st.just("white") | color_texts,
    st.floats(1.0, 50.0) | anything,
    st.sampled_from([0.0, 0.002, 0.1]) | st.floats(0.0, 1.0) | anything,
    st.integers(1, 64),
)
def test_any_sketch_is_read_or_refused(
    picture: torch.Tensor,
    legend: str,
    background: str,
    tolerance: float,
    min_area: float,
    max_colors: int,
) -> None:
    RAN["examples"] += 1
    started = time.process_time()
    try:
        regions, phrases, preview = RegionsFromSketch.execute(
            picture, legend, background, tolerance, min_area, max_colors
        ).args
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    finally:
        assert time.process_time() - started < 20.0
    assert 1 <= len(regions) <= max_colors
    check_regions(regions)
    assert preview.isfinite().all() and preview.min() >= 0 and preview.max() <= 1
    assert not legend.strip() or len(phrases.split("\n")) == len(regions)


@given(st.lists(st.sampled_from(PAINTS), min_size=1, max_size=5, unique=True), st.integers(8, 90))
def test_columns_of_paint_are_found_in_the_order_of_the_legend(
    paints: list[str], width: int
) -> None:
    """Whatever the order in which the legend names them."""
    RAN["examples"] += 1
    picture = torch.ones(24, width * (len(paints) + 1), 3)
    for place, paint in enumerate(paints):
        color = torch.tensor(parse_color(paint)) / 255
        picture[:, (place + 1) * width - width // 2 : (place + 1) * width + width // 2] = color
    order = sorted(paints)
    sketch = read_sketch(picture, parse_legend("\n".join(f"{p} -> {p}" for p in order)))
    assert sketch.phrases == tuple(order)
    for region, paint in zip(sketch.regions.regions, order, strict=True):
        wanted = (paints.index(paint) + 1) / (len(paints) + 1)
        assert abs(region.center[0] - wanted) < 0.5 / (len(paints) + 1)


@example("rgb(999,0,0) -> a fox")
@example("hsv(0,100%,900%) -> a fox")
@given(st.lists(legend_lines, max_size=5).map("\n".join) | st.text(max_size=30))
def test_any_legend_is_read_or_refused(text: str) -> None:
    RAN["examples"] += 1
    try:
        entries = parse_legend(text)
    except RegionalError as error:
        assert is_a_sentence(error)
        return
    assert len({entry.color for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.phrase and all(0 <= level <= 255 for level in entry.color)

"""Sketches: painted with known shapes, then smoothed, compressed and made noisy."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from regional_dit.attention.errors import RegionError
from regional_dit.attention.sketch.legend import parse_color, parse_legend
from regional_dit.attention.sketch.regions import read_sketch

RED, BLUE, GREEN, GOLD = (225, 40, 45), (40, 90, 220), (60, 180, 75), (245, 190, 30)
COLORS = (RED, BLUE, GREEN, GOLD)
LEGEND = "red -> a red fox\nblue -> a blue car\ngreen: a green tent\n#f5be1e => a golden ribbon"
# Trubetskoy's list of simple, distinct colours.
TWELVE = (
    "#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6",
    "#808000", "#008080", "#9a6324", "#000000",
)  # fmt: skip


def draw(scale: int) -> Image.Image:
    """Circle, touching square, triangle and a scribble; 384 x 256 times the scale."""
    image = Image.new("RGB", (384 * scale, 256 * scale), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse([30 * scale, 40 * scale, 130 * scale, 150 * scale], fill=RED)
    pen.rectangle([128 * scale, 75 * scale, 250 * scale, 200 * scale], fill=BLUE)
    pen.polygon([(275 * scale, 30 * scale), (370 * scale, 120 * scale), (260 * scale, 130 * scale)],
                fill=GREEN)  # fmt: skip
    zigzag = [((262 + 7 * i) * scale, (200 + 20 * (-1) ** i) * scale) for i in range(14)]
    pen.line(zigzag, fill=GOLD, width=6 * scale, joint="curve")
    return image


def smooth(image: Image.Image) -> Image.Image:
    return draw(4).resize(image.size, Image.Resampling.LANCZOS)


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def compress(image: Image.Image) -> Image.Image:
        data = io.BytesIO()
        smooth(image).save(data, "JPEG", quality=quality)
        return Image.open(data).convert("RGB")

    return compress


def blurred(image: Image.Image) -> Image.Image:
    return smooth(image).filter(ImageFilter.GaussianBlur(1.2))


def noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 6, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(smooth(image)) + noise).clip(0, 255).astype(np.uint8))


def enlarged(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 8, image.height * 8), Image.Resampling.BICUBIC)


TREATMENTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "hard edges": lambda image: image,
    "antialiased": smooth,
    "jpeg 75": jpeg(75),
    "jpeg 20": jpeg(20),
    "blurred": blurred,
    "noisy": noisy,
    "3072 pixels": enlarged,
}


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255)


def truth() -> np.ndarray:
    pixels = np.asarray(draw(1))
    labels = np.full(pixels.shape[:2], -1)
    for index, color in enumerate(COLORS):
        labels[(pixels == color).all(-1)] = index
    return labels


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("legend", [LEGEND, ""], ids=["legend", "no legend"])
def test_shapes_are_found(treatment: str, legend: str) -> None:
    sketch = read_sketch(tensor(TREATMENTS[treatment](draw(1))), parse_legend(legend))
    assert len(sketch.regions) == 4
    expected = truth()
    small = Image.fromarray((sketch.labels + 1).astype(np.uint8)).resize((384, 256), 0)
    labels = np.asarray(small).astype(int) - 1
    for index, color in enumerate(sketch.colors):
        original = min(range(4), key=lambda i: np.abs(np.subtract(COLORS[i], color)).sum())
        assert not legend or original == index
        found, wanted = labels == index, expected == original
        overlap = (found & wanted).sum() / (found | wanted).sum()
        assert overlap > (0.9 if original < 3 else 0.7), (color, overlap)
    assert (labels == expected).mean() > 0.97
    if legend:
        assert sketch.phrases == ("a red fox", "a blue car", "a green tent", "a golden ribbon")


def test_twelve_colors_and_more_on_request() -> None:
    image = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(image)
    colors = [*TWELVE, "#ffb6c1"]
    for index, color in enumerate(colors):
        x, y = 10 + 98 * (index % 4), 10 + 72 * (index // 4)
        pen.rectangle([x, y, x + 70, y + 50], fill=color)
    legend = "\n".join(f"{color} -> thing {i}" for i, color in enumerate(colors))
    with pytest.raises(RegionError, match="13 colours, expected at most 12: #") as error:
        read_sketch(tensor(image), parse_legend(legend))
    assert str(error.value).count("%") == 13
    sketch = read_sketch(tensor(image), parse_legend(legend), max_colors=13)
    assert sketch.phrases == tuple(f"thing {i}" for i in range(13))
    assert sketch.colors == tuple(parse_color(color) for color in colors)


def test_order_of_the_legend_is_the_order_of_the_regions() -> None:
    lines = LEGEND.splitlines()
    sketch = read_sketch(tensor(draw(1)), parse_legend("\n".join(reversed(lines))))
    assert sketch.colors == (GOLD, GREEN, BLUE, RED)
    mask = sketch.regions.regions[3].shape
    assert isinstance(mask, torch.Tensor)
    assert np.array_equal(mask.numpy() > 0, truth() == 0)


def test_chinese_names_and_another_background() -> None:
    image = Image.new("RGB", (64, 64), (0, 0, 0))
    ImageDraw.Draw(image).rectangle([0, 0, 30, 63], fill=(255, 255, 255))
    legend = parse_legend("白色 → 雪山\n")
    sketch = read_sketch(tensor(image), legend, background=parse_color("黑"))
    assert sketch.phrases == ("雪山",) and (sketch.labels == 0).mean() == 31 / 64


def test_specks_below_the_minimum_area_vanish() -> None:
    image = draw(1)
    ImageDraw.Draw(image).rectangle([5, 5, 8, 8], fill=(160, 32, 240))
    assert len(read_sketch(tensor(image)).regions) == 4
    assert len(read_sketch(tensor(image), min_area=0.0001).regions) == 5


def test_a_pale_region_beside_its_own_colour_is_no_seam() -> None:
    image = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(image).rectangle([20, 20, 120, 230], fill=(220, 20, 20))
    ImageDraw.Draw(image).rectangle([121, 20, 200, 230], fill=(240, 150, 150))
    assert len(read_sketch(tensor(image)).regions) == 2


@pytest.mark.parametrize(
    ("legend", "message"),
    [
        ("red", "Line 1 of the legend is 'red', expected"),
        ("red ->", "colour 'red' without a phrase"),
        ("-> a fox", "Line 1 of the legend"),
        ("glorp -> a fox", "'glorp' is no colour"),
        ("#12345 -> a fox", "is no colour"),
        ("red -> a fox\nred -> a dog", "second phrase"),
    ],
)
def test_wrong_legends(legend: str, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        parse_legend(legend)


@pytest.mark.parametrize(
    ("legend", "message"),
    [
        ("red -> a fox\npurple -> a plum", "The legend's purple is not in the sketch.*#285adc"),
        (LEGEND + "\n#00ffff -> water", "#00ffff is not in the sketch"),
        ("red -> a fox\nblue -> a car\ngreen -> a tent", r"without a phrase: #f5be1e \(orange, 2"),
    ],
)
def test_legends_that_do_not_fit(legend: str, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        read_sketch(tensor(draw(1)), parse_legend(legend))


def test_empty_and_odd_pictures() -> None:
    with pytest.raises(RegionError, match="no colour besides the background #ffffff"):
        read_sketch(torch.ones(64, 48, 3))
    with pytest.raises(RegionError, match=r"shape \(64, 48\)"):
        read_sketch(torch.ones(64, 48))
    red = torch.tensor([1.0, 0.0, 0.0]).expand(16, 16, 3)
    assert (read_sketch(red).labels == 0).all()
    transparent = torch.cat([red, torch.zeros(16, 16, 1)], -1)
    assert len(read_sketch(transparent).regions) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"tolerance": 0.0}, "tolerance is 0"),
        ({"min_area": float("nan")}, "min_area is nan"),
        ({"min_area": -1.0}, "min_area is -1"),
        ({"min_area": 0.9}, "no colour besides the background"),
    ],
)
def test_values_out_of_range_and_areas_that_none_covers(
    values: dict[str, float], message: str
) -> None:
    halves = torch.zeros(16, 16, 3)
    halves[:, 8:, 0] = 1.0
    with pytest.raises(RegionError, match=message):
        read_sketch(halves, **values)


def test_a_photograph_is_refused_quickly() -> None:
    photograph = torch.rand(256, 256, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RegionError, match=r"more than 500 shades .* Raise tolerance"):
        read_sketch(photograph, tolerance=1.0)

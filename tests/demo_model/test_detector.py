"""The detector is itself measured, on rendered ground truth decoded from clean latents."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from regional_dit.demo_model import world
from regional_dit.demo_model.detector import UNCLEAR, detect, fit_shape
from regional_dit.demo_model.loader import DemoVAE
from regional_dit.demo_model.measure_detector import measure


def test_accuracy_on_decoded_ground_truth():
    result = measure(DemoVAE().decode, scenes=500, seed=11)
    assert result.objects > 750
    assert result.color >= 0.99
    assert result.shape >= 0.96
    assert result.background >= 0.99
    assert result.invented <= 0.01


@pytest.mark.parametrize("side", [256, 300, 512])
def test_places_and_sizes(side):
    rng = random.Random(3)
    scene = world.Scene(
        32,
        32,
        (world.Area("gray", 0, 0, 32, 32),),
        (
            world.SceneObject("red", "circle", 8, 8, 5),
            world.SceneObject("blue", "triangle", 24, 20, 6),
        ),
    )
    picture = (world.render(scene, 8) + 1) / 2
    rows = (np.arange(side) * 256 / side).astype(int)
    found = detect(picture[rows][:, rows] + rng.uniform(0, 0.01))
    by_color = {o.color: o for o in found.objects}
    assert found.background == "gray" and set(by_color) == {"red", "blue"}
    circle = by_color["red"]
    assert circle.shape == "circle" and by_color["blue"].shape == "triangle"
    assert (circle.x_frac, circle.y_frac) == pytest.approx((0.25, 0.25), abs=0.01)
    assert circle.area_frac == pytest.approx(np.pi * 25 / 1024, rel=0.05)
    x0, y0, x1, y1 = circle.box
    assert (x0, y0, x1, y1) == pytest.approx((3 / 32, 3 / 32, 13 / 32, 13 / 32), abs=0.01)


def test_cut_and_stretched_shapes_are_unclear():
    y, x = np.mgrid[0:60, 0:60] + 0.5
    disc = (x - 30) ** 2 + (y - 30) ** 2 < 900
    assert fit_shape(disc)[0] == "circle"
    assert fit_shape(disc[:30])[0] == UNCLEAR
    assert fit_shape(np.ones((60, 34), bool))[0] == UNCLEAR
    assert fit_shape(np.ones((60, 60), bool))[0] == "square"


def test_plain_picture_has_no_objects():
    found = detect(np.full((64, 64, 3), 18 / 255))
    assert found.objects == () and found.background == "black"


def test_a_batch_is_refused():
    with pytest.raises(ValueError, match="one picture"):
        detect(torch.zeros(1, 8, 8, 3).numpy())

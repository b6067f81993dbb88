"""The synthetic world: scenes are what the docstrings promise, and render alike at any scale."""

from __future__ import annotations

import random

import numpy as np
import pytest
from regional_dit.demo_model import world
from regional_dit.demo_model.world import Area, Scene, SceneObject


@pytest.mark.parametrize("size", [(32, 32), (48, 48), (24, 40)])
def test_objects_are_whole_and_apart(size):
    rng = random.Random(1)
    for _ in range(200):
        scene = world.random_scene(rng, *size)
        placed: list[SceneObject] = []
        for o in scene.objects:
            assert o.r >= world.MIN_RADIUS
            assert world.fits(o, placed, (0, 0, scene.width, scene.height))
            placed.append(o)


def test_captions_name_no_place_and_no_absent_kind():
    rng = random.Random(2)
    words = {*world.COLORS, *world.BACKGROUNDS, *world.SHAPES, *world.FILLERS, "a", "background"}
    for _ in range(300):
        scene = world.random_scene(rng, 32, 32)
        shown = {" ".join(o.kind) for o in scene.objects}
        shown |= {f"{a.background} background" for a in scene.areas}
        phrases = world.random_caption(rng, scene)
        assert phrases
        for phrase in phrases:
            assert set(phrase.split()) <= words
            assert phrase.split(" ", 1)[1] in shown


def test_render_has_the_colours_and_averages_down():
    disc = SceneObject("red", "circle", 16, 16, 6)
    scene = Scene(32, 32, (Area("black", 0, 0, 32, 32),), (disc,))
    small, large = world.render(scene), world.render(scene, 8)
    assert small.shape == (32, 32, 3) and large.shape == (256, 256, 3)
    assert np.allclose(small[16, 16], world.COLOR_RGB[world.COLOR_NAMES.index("red")])
    assert np.allclose(large[0, 0], world.BACKGROUND_RGB[0])
    averaged = large.reshape(32, 8, 32, 8, 3).mean((1, 3))
    assert np.abs(averaged - small).mean() < 0.01


def test_latent_is_rgb_and_mean():
    rgb = np.random.default_rng(0).uniform(-1, 1, (5, 6, 3)).astype(np.float32)
    latent = world.to_latent(rgb)
    assert latent.shape == (4, 5, 6)
    assert np.array_equal(latent[0], rgb[..., 0])
    assert np.allclose(latent[3], rgb.mean(-1))


def test_unknown_shape_is_named():
    with pytest.raises(ValueError, match=r"'hexagon'.*circle, square, triangle"):
        world.signed_distance("hexagon", np.zeros(1), np.zeros(1), 1.0)

"""Scores of regions on pictures whose content is known."""

from __future__ import annotations

import numpy as np
import pytest
from regional_dit.demo_model import world
from regional_dit.demo_model.score import (
    Wanted,
    parse_prompt,
    region_mask,
    score_picture,
    wilson_interval,
)
from regional_dit.demo_model.world import Area, Scene, SceneObject

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
PROMPTS = ("a red circle on black background", "a blue square on black background")


def picture(*objects: SceneObject) -> np.ndarray:
    return (world.render(Scene(32, 32, (Area("black", 0, 0, 32, 32),), objects), 8) + 1) / 2


RED = SceneObject("red", "circle", 8, 16, 6)
BLUE = SceneObject("blue", "square", 24, 16, 6)


def test_right_objects_in_their_regions():
    left, right = score_picture(picture(RED, BLUE), (LEFT, RIGHT), PROMPTS)
    for s in (left, right):
        assert s.present and s.color_present and s.dominates and s.background_right
        assert s.own_share == 1 and s.leak_share == 0
        assert s.foreign_objects == 0 and s.own_objects == 1


def test_swapped_objects_fail():
    for s in score_picture(picture(RED, BLUE), (RIGHT, LEFT), PROMPTS):
        assert not (s.present or s.color_present or s.dominates)
        assert s.leak_share == 1 and s.foreign_objects == 1


def test_wrong_shape_keeps_the_colour():
    (s,) = score_picture(picture(RED), (LEFT,), ("a red square",))
    assert s.color_present and s.dominates and not s.present and s.foreign_objects == 1


def test_an_object_across_the_border_is_not_present():
    across = SceneObject("red", "circle", 15.5, 16, 7)
    left, right = score_picture(picture(across), (LEFT, RIGHT), PROMPTS)
    assert left.color_present and not left.present
    assert not right.present and right.leak_share == 1


def test_empty_region_is_counted():
    left, right = score_picture(picture(RED), (LEFT, RIGHT), PROMPTS)
    assert left.present and not right.present
    assert right.own_share == 0 and right.leak_share == 0
    (nothing_asked,) = score_picture(picture(RED), (RIGHT,), ("black background",))
    assert nothing_asked.present and nothing_asked.wanted is None


def test_masks_equal_boxes():
    mask = np.zeros((16, 16), np.float32)
    mask[:, :8] = 1
    assert np.array_equal(region_mask(mask, 256, 256), region_mask(LEFT, 256, 256))
    boxes = score_picture(picture(RED, BLUE), (LEFT, RIGHT), PROMPTS)
    assert score_picture(picture(RED, BLUE), (mask, 1 - mask), PROMPTS) == boxes


def test_prompts_are_read_by_the_vocabulary():
    wanted = parse_prompt("Two shiny Red circles and a blue square, on grey background")
    assert wanted == Wanted((("red", "circle"), ("blue", "square")), "gray")
    assert parse_prompt("a castle in the sky") == Wanted((), None)


def test_unequal_lists_are_refused():
    with pytest.raises(ValueError, match="2 regions were given with 1 prompts"):
        score_picture(picture(), (LEFT, RIGHT), ("a red circle",))


def test_wilson_interval():
    low, high = wilson_interval(95, 100)
    assert (low, high) == pytest.approx((0.888, 0.978), abs=0.001)
    assert wilson_interval(0, 0) == (0.0, 1.0)

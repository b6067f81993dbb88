"""The occlusion benchmark's scenes and scores, on pictures that are drawn, not sampled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def scenes(repo: Path) -> Iterator[Any]:
    import importlib

    folder = str(repo / "benchmarks")
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("occlusion_scenes")
    finally:
        sys.path.remove(folder)


def painted(scene: Any, objects: list[int]) -> np.ndarray:
    """The objects of these regions in the middle of their boxes, later ones over earlier ones."""
    from regional_dit.demo_model.world import Area, Scene, SceneObject, render

    made = []
    for index in objects:
        color, shape = scene.phrases[index].split()
        x0, y0, x1, y1 = scene.scored[index]
        made.append(SceneObject(color, shape, 16 * (x0 + x1), 16 * (y0 + y1), 0.19 * 32))
    ground = (Area(scene.background, 0, 0, 32, 32),)
    return (render(Scene(32, 32, ground, tuple(made)), 8) + 1) / 2


def test_boxes_overlap_and_the_second_lies_in_front(scenes):
    for number in range(50):
        scene = scenes.scene_of(number)
        (a0, b0, a1, b1), (c0, d0, c1, d1) = scene.scored
        assert all(0 <= x <= 1 for box in scene.scored for x in box)
        shared = (min(a1, c1) - max(a0, c0)) * (min(b1, d1) - max(b0, d0))
        assert 0.29 < shared / ((a1 - a0) * (b1 - b0)) < 0.51
        assert [region.order for region in scene.regions.regions] == [0, 1]


def test_a_rear_object_counts_whole_or_partly_hidden(scenes):
    hidden, cut = [], []
    for number in range(12):
        scene = scenes.scene_of(number)
        right = scenes.look(painted(scene, [0, 1]), scene)
        assert right.front and right.rear and right.foreign == 0
        hidden.append(right.hidden)
        wrong = scenes.look(painted(scene, [1, 0]), scene)
        assert wrong.hidden < 0.1 and wrong.front_in_shared <= right.front_in_shared
        cut.append(not wrong.front)
        alone = scenes.look(painted(scene, [1]), scene)
        assert alone.front and not alone.rear and alone.front_in_shared == 1.0
    assert max(hidden) > 0.3 and np.mean(hidden) > 0.1
    assert any(cut)  # where little of it is, its shape is still told

"""The matrix by hand, crops, and the host's own CLIP classes with random weights."""

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.evaluation.alignment import (
    LOGIT_SCALE,
    MEAN_RGB,
    align,
    crop_regions,
    measure_alignment,
)
from regional_dit.evaluation.errors import EvaluationError
from regional_dit.evaluation.heatmap import draw_matrix
from tiny_clip import tiny_text, tiny_vision


def test_perfect_and_swapped_regions():
    texts = torch.eye(3)
    right = measure_alignment(texts[None], texts)
    assert right.dominance == 1 and right.own == pytest.approx(1)
    assert right.leakage == pytest.approx(0, abs=1e-6)
    swapped = measure_alignment(texts[[1, 0, 2]][None], texts)
    assert swapped.dominance == pytest.approx(1 / 3)
    assert swapped.leakage == pytest.approx(2 / 3)


def test_nothing_told_apart_leaks_all_but_one_share():
    same = measure_alignment(torch.ones(1, 4, 8), torch.ones(4, 8))
    assert same.leakage == pytest.approx(3 / 4)
    torch.testing.assert_close(same.confusion, torch.full((4, 4), 0.25))


def test_matrix_by_hand_and_mean_over_a_batch():
    texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    images = torch.tensor([[[2.0, 0.0], [0.0, 3.0]], [[0.0, 1.0], [0.0, 1.0]]])
    found = measure_alignment(images, texts)
    torch.testing.assert_close(found.similarity, torch.tensor([[0.5, 0.7], [0.0, 0.8]]))
    one = torch.tensor([1.0, 0.6]).mul(LOGIT_SCALE).softmax(0)
    other = torch.tensor([0.0, 0.8]).mul(LOGIT_SCALE).softmax(0)
    torch.testing.assert_close(found.confusion[0], (one + other) / 2)


def test_crops_follow_boxes_and_fill_what_a_mask_leaves_out():
    picture = torch.rand(40, 60, 3)
    left, right = crop_regions(picture, split_canvas(1, 2))
    torch.testing.assert_close(left[0], picture[:, :30])
    torch.testing.assert_close(right[0], picture[:, 30:])
    mask = torch.zeros(40, 60)
    mask[10:20, 10:30] = 1
    mask[10:15, 10:15] = 0
    (crop,) = crop_regions(picture, RegionSet.from_masks([mask]))
    assert crop.shape == (1, 10, 20, 3)
    torch.testing.assert_close(crop[0, 0, 0], torch.tensor(MEAN_RGB))
    torch.testing.assert_close(crop[0, 9, 19], picture[19, 29])


def test_a_hidden_region_is_an_error():
    boxes = (Region(Box(0.2, 0.2, 0.8, 0.8), order=0), Region(Box(0, 0, 1, 1), order=1))
    with pytest.raises(EvaluationError, match="Region 1"):
        crop_regions(torch.rand(16, 16, 3), RegionSet(boxes, "front"))


@pytest.fixture(scope="module")
def clip_vision(tmp_path_factory):
    return tiny_vision(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_text(tmp_path_factory.mktemp("text"))


def test_the_hosts_clip_tells_crops_apart(clip_vision, clip):
    """With random weights the scores mean nothing, but the same crop must get the same row."""
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(6))
    prompts = ["a red circle", "a blue square"]
    regions = split_canvas(1, 2)
    found = align(picture, regions, prompts, clip_vision, clip)
    assert found.similarity.shape == (2, 2)
    torch.testing.assert_close(found.confusion.sum(1), torch.ones(2))
    assert not torch.allclose(found.similarity[0], found.similarity[1])
    assert not torch.allclose(found.similarity[:, 0], found.similarity[:, 1])
    twice = torch.cat([picture, picture])
    torch.testing.assert_close(
        align(twice, regions, prompts, clip_vision, clip).similarity, found.similarity
    )
    mirrored = torch.cat([picture[:, :, 32:], picture[:, :, :32]], 2)
    swapped = align(mirrored, regions, prompts, clip_vision, clip).similarity
    torch.testing.assert_close(swapped, found.similarity.flip(0), atol=1e-5, rtol=1e-4)


def test_models_of_different_clips_are_refused(clip_vision, clip):
    with pytest.raises(EvaluationError, match="not of one CLIP"):
        measure_alignment(torch.ones(1, 2, 8), torch.ones(2, 9))
    with pytest.raises(EvaluationError, match="3 prompts for 2"):
        align(torch.rand(1, 8, 8, 3), split_canvas(1, 2), ["a", "b", "c"], clip_vision, clip)


def test_the_matrix_can_be_drawn():
    picture = draw_matrix(torch.tensor([[0.9, 0.1], [0.3, 0.7]]))
    assert picture.ndim == 4 and picture.shape[-1] == 3
    assert float(picture.min()) >= 0 and float(picture.max()) <= 1
    left, right = picture[0, 50, 50], picture[0, 50, 122]
    assert float(left.mean()) < float(right.mean())  # stronger is darker

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.demo_model.world import BACKGROUNDS, COLORS
from regional_dit.evaluation.demo_confusion import demo_confusion
from regional_dit.evaluation.errors import EvaluationError

PROMPTS = ["a red circle on black background", "a blue square on black background"]


def picture(left: str, right: str) -> torch.Tensor:
    canvas = torch.tensor(BACKGROUNDS["black"]).repeat(256, 256, 1)
    canvas[80:176, 20:116] = torch.tensor(COLORS[left])
    canvas[80:176, 140:236] = torch.tensor(COLORS[right])
    return canvas[None].float() / 255


def test_right_swapped_and_foreign_colours():
    halves = split_canvas(1, 2)
    right = demo_confusion(picture("red", "blue"), halves, PROMPTS)
    torch.testing.assert_close(right.confusion, torch.eye(2))
    assert right.dominance == 1 and right.leakage == 0
    swapped = demo_confusion(picture("blue", "red"), halves, PROMPTS)
    torch.testing.assert_close(swapped.confusion, torch.eye(2).flip(0))
    foreign = demo_confusion(picture("red", "green"), halves, PROMPTS)
    torch.testing.assert_close(foreign.confusion, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    both = torch.cat([picture("red", "blue"), picture("blue", "red")])
    torch.testing.assert_close(
        demo_confusion(both, halves, PROMPTS).confusion, torch.full((2, 2), 0.5)
    )


def test_prompts_that_do_not_fit():
    with pytest.raises(EvaluationError, match="different colours"):
        demo_confusion(picture("red", "blue"), split_canvas(1, 2), [PROMPTS[0]] * 2)
    with pytest.raises(EvaluationError, match="a dog"):
        demo_confusion(picture("red", "blue"), split_canvas(1, 2), ["a dog", "a cat"])

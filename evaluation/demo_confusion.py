"""Region-prompt confusion for pictures of the demo model, by colour, without any CLIP.

C[i, j] is the share of what is drawn in region i (object-coloured pixels) that has the colour which
the prompt of region j asks for. What has a colour that no prompt asks for is in no column, so a row
adds up to 1 or less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..attention.canvas.regions import RegionSet
from ..demo_model.detector import detect
from ..demo_model.score import parse_prompt
from ..demo_model.world import COLOR_NAMES
from .alignment import Alignment
from .errors import EvaluationError


def demo_confusion(pictures: torch.Tensor, regions: RegionSet, prompts: Sequence[str]) -> Alignment:
    """Confusion matrix, mean over the pictures float [B, H, W, 3]; a blank region is a row of 0.

    Raises:
        EvaluationError: a prompt without an object of the demo model, or two of one colour.
    """
    wanted = [parse_prompt(prompt) for prompt in prompts]
    colors = [w.kinds[0][0] for w in wanted if w.kinds]
    if len(prompts) != len(regions) or len(set(colors)) != len(regions):
        raise EvaluationError(
            f"{len(regions)} regions need as many prompts with one object of the demo model each, "
            f"all of different colours; got: {'; '.join(prompts)}."
        )
    columns = [COLOR_NAMES.index(color) for color in colors]
    total = torch.zeros(len(regions), len(regions))
    for picture in pictures:
        found = detect(picture[..., :3].cpu().numpy())
        height, width = found.colors.shape
        masks = regions.masks(height, width).numpy() > 0.5
        for row, mask in enumerate(masks):
            drawn = found.colors[mask]
            drawn = drawn[drawn >= 0]
            if drawn.size:
                total[row] += torch.tensor([float(np.mean(drawn == c)) for c in columns])
    mean = total / len(pictures)
    return Alignment(similarity=mean, confusion=mean)

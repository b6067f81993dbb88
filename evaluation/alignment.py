"""Does each region show its own prompt? CLIP scores of every region's crop against every prompt.

S[i, j] is the cosine between the crop of region i and the prompt of region j. The confusion matrix
is its softmax over the prompts at CLIP's own scale of 100: the share of each prompt in what the
region seems to show. Its diagonal is what was asked for; all else is leakage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ..attention.canvas.regions import RegionSet
from .errors import EvaluationError

LOGIT_SCALE = 100.0
"""The largest scale that CLIP learns (Radford et al. 2021, 2.5)."""
MEAN_RGB = (0.4815, 0.4578, 0.4082)
"""CLIP's mean colour, which fills a crop outside a painted region: it becomes zero there."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Region-prompt alignment, mean over the pictures of a batch. R regions.

    Attributes:
        similarity: float [R, R], cosine of crop i and prompt j, -1..1.
        confusion: float [R, R], rows sum to 1.
    """

    similarity: torch.Tensor
    confusion: torch.Tensor

    @property
    def own(self) -> float:
        """Mean cosine of a crop and its own prompt."""
        return float(self.similarity.diagonal().mean())

    @property
    def dominance(self) -> float:
        """Share of regions whose own prompt fits best, 0..1."""
        best = self.similarity.argmax(1)
        return float((best == torch.arange(len(best))).float().mean())

    @property
    def leakage(self) -> float:
        """Mean weight of the other regions' prompts, 0..1; 1 - 1/R if nothing is told apart."""
        return 1.0 - float(self.confusion.diagonal().mean())


def crop_regions(picture: torch.Tensor, regions: RegionSet) -> list[torch.Tensor]:
    """Crops float [1, h, w, 3] of one picture [H, W, 3], one per region.

    The crop is the region's enclosing box; what its mask leaves out is filled with CLIP's mean.

    Raises:
        EvaluationError: a region without a single pixel.
    """
    height, width = picture.shape[:2]
    masks = regions.masks(height, width).to(picture)
    mean = torch.tensor(MEAN_RGB).to(picture)
    crops = []
    for index, (region, mask) in enumerate(zip(regions.regions, masks, strict=True)):
        x0, y0, x1, y1 = region.bounds
        rows = slice(int(y0 * height), max(round(y1 * height), int(y0 * height) + 1))
        cols = slice(int(x0 * width), max(round(x1 * width), int(x0 * width) + 1))
        inside = mask[rows, cols, None]
        if not float(inside.max()) > 0:
            raise EvaluationError(
                f"Region {index + 1} has no pixel in a picture of {width} x {height}; it is "
                "hidden, or too small to be measured."
            )
        crops.append((picture[rows, cols, :3] * inside + mean * (1 - inside))[None])
    return crops


def measure_alignment(images: torch.Tensor, texts: torch.Tensor) -> Alignment:
    """Compare crops with prompts in CLIP's common space.

    Args:
        images: float [B, R, D], embeddings of the crops.
        texts: float [R, D], embeddings of the prompts.

    Raises:
        EvaluationError: the two do not live in one space, or hold NaN.
    """
    if images.shape[-1] != texts.shape[-1]:
        raise EvaluationError(
            f"The vision model gives {images.shape[-1]} numbers and the text model "
            f"{texts.shape[-1]}: they are not of one CLIP. Load the two halves of the same model, "
            "for example CLIP ViT-L/14 as CLIP Vision and clip_l as CLIP (type stable_diffusion)."
        )
    if not bool(images.isfinite().all() and texts.isfinite().all()):
        raise EvaluationError("The CLIP model gave NaN or infinite embeddings; check its weights.")
    crops, prompts = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    similarity = crops @ prompts.T
    confusion = (similarity * LOGIT_SCALE).softmax(-1)
    return Alignment(similarity.mean(0).cpu(), confusion.mean(0).cpu())


def embed_texts(clip: Any, prompts: list[str]) -> torch.Tensor:
    """float [R, D], the pooled and projected output of ComfyUI's CLIP.

    Raises:
        EvaluationError: the text model has no pooled output.
    """
    pooled = []
    for prompt in prompts:
        value = clip.encode_from_tokens(clip.tokenize(prompt), return_pooled=True)[1]
        if value is None:
            raise EvaluationError(
                "This text model has no pooled output, so it is no CLIP. Load a CLIP text model, "
                "such as clip_l (type stable_diffusion)."
            )
        pooled.append(value[:1])
    return torch.cat(pooled)


def embed_crops(clip_vision: Any, crops: list[torch.Tensor]) -> torch.Tensor:
    """float [R, D], ComfyUI's CLIP Vision of each crop, whole and squeezed to a square.

    Raises:
        EvaluationError: the vision model has no projection into CLIP's common space.
    """
    found = [clip_vision.encode_image(crop, crop=False)["image_embeds"] for crop in crops]
    if any(not isinstance(x, torch.Tensor) or x.ndim != 2 for x in found):
        raise EvaluationError(
            "This vision model gives no image embedding, so it is no CLIP. Load a CLIP vision "
            "model with its projection, such as CLIP ViT-L/14."
        )
    return torch.cat(found)


def align(
    pictures: torch.Tensor, regions: RegionSet, prompts: list[str], clip_vision: Any, clip: Any
) -> Alignment:
    """Alignment of pictures float [B, H, W, 3] with one prompt per region.

    Raises:
        EvaluationError: prompts that do not fit the regions, or models that are no CLIP.
    """
    if len(prompts) != len(regions):
        raise EvaluationError(
            f"Got {len(prompts)} prompts for {len(regions)} regions; give one per region."
        )
    with torch.no_grad():
        texts = embed_texts(clip, prompts)
        images = [embed_crops(clip_vision, crop_regions(picture, regions)) for picture in pictures]
        return measure_alignment(torch.stack(images), texts)

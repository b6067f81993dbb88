"""HunyuanVideo 1.5: the blocks of HunyuanImage 2.1, over frames.

Its sequence is [picture to start from | text to be written | prompt | video]. What stands for the
picture to start from (vision tokens) has no place in the video and is the same for all regions: it
sees every prompt by its share of the video.
"""

from __future__ import annotations

from typing import Any

from ..joint.context import JointCall, Layout
from .base import TokenShape
from .cross_attention import video_size
from .hunyuan_image import HunyuanImage, at_starts, image_and_text


class HunyuanVideo15(HunyuanImage):
    name = "HunyuanVideo 1.5"
    host_classes = ("HunyuanVideo15", "HunyuanVideo15_SR_Distilled")

    def token_shape(self, model: Any, latent: tuple[int, ...], layer: int) -> TokenShape:
        _, _, patch = model.diffusion_model.patch_size
        frames, height, width = video_size(latent)
        return TokenShape(-(-height // patch), -(-width // patch), patch, frames)

    def layout(self, model: Any, call: JointCall, n_tokens: int) -> Layout | None:
        n_image = call.grid.n_tokens
        n_prompt, n_quoted = (a + b for a, b in zip(call.extra, call.base, strict=True))
        n_vision = n_tokens - n_prompt - n_quoted - n_image
        if n_vision < 0:
            return None
        image, first = image_and_text(model, n_image, n_tokens)
        quoted = first + n_vision
        return Layout(
            at_starts(quoted + n_quoted, quoted),
            image=(image,),
            registers=((first, quoted),),
        )

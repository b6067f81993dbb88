"""Region Reference."""

from __future__ import annotations

from typing import Any

import node_helpers
from comfy_api.latest import io

from ...attention.canvas.region_list import region_indices
from ...attention.canvas.regions import MAX_REGIONS, RegionSet
from ...attention.errors import PromptError
from ...attention.joint.references import REFERENCES, WHOLE
from ...attention.text.encode import Conditioning
from ..newer import newer
from ..types import CATEGORY, Regions

HOST_KEY = "reference_latents"  # where the host keeps them, first one first


class RegionReference(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionReference",
            display_name="Region Reference",
            category=CATEGORY,
            description="Give a reference image to one region: only the image and the text of that "
            "region see it. For models that take reference images (Flux Kontext, Flux.2, "
            "Qwen-Image-Edit). One of these per image.",
            **newer(
                "regional reference image",
                "ip adapter region",
                "reference latent",
                "kontext region",
            ),
            inputs=[
                io.Conditioning.Input(
                    "conditioning",
                    tooltip="The positive (or negative) of Regional Conditioning, or what another "
                    "reference node made of it.",
                ),
                io.Int.Input(
                    "region",
                    default=1,
                    min=0,
                    max=MAX_REGIONS,
                    tooltip="Number of the region that the image belongs to, from 1. 0: the whole "
                    "picture, as with ComfyUI's own ReferenceLatent.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The reference image, from VAE Encode. Not connected: the last one "
                    "that the conditioning has already (TextEncodeQwenImageEdit adds one).",
                ),
                io.String.Input(
                    "which",
                    default="",
                    optional=True,
                    tooltip="The region's name instead of its number, where regions are connected. "
                    "Empty: the number counts.",
                ),
                Regions.Input(
                    "regions", optional=True, tooltip="From any node that makes regions, for names."
                ),
            ],
            outputs=[io.Conditioning.Output(display_name="conditioning")],
        )

    @classmethod
    def execute(
        cls,
        conditioning: Conditioning,
        region: int,
        latent: dict[str, Any] | None = None,
        which: str = "",
        regions: RegionSet | None = None,
    ) -> io.NodeOutput:
        if which.strip():
            region = _number_of(which, regions)
        if not 0 <= region <= MAX_REGIONS:
            raise PromptError(f"region is {region}, expected 0 (the whole picture) or its number.")
        if latent is not None:
            conditioning = node_helpers.conditioning_set_values(
                conditioning, {HOST_KEY: [latent["samples"]]}, append=True
            )
        owned = []
        for states, extra in conditioning:
            n_images = len(extra.get(HOST_KEY) or ())
            if not n_images:
                raise PromptError(
                    "The conditioning has no reference image that could belong to a region. "
                    "Connect a latent, or a conditioning with a reference image."
                )
            before = (*extra.get(REFERENCES, ()), *[WHOLE] * n_images)[: n_images - 1]
            owned.append([states, {**extra, REFERENCES: (*before, region)}])
        return io.NodeOutput(owned)


def _number_of(which: str, regions: RegionSet | None) -> int:
    """From 1, of the one region that is meant."""
    if regions is None:
        raise PromptError(
            f"which is {which[:60]!r}, but no regions are connected whose names it could be. "
            "Connect them, or clear which and set region to the number."
        )
    chosen = region_indices(which, regions, what="The reference image")
    if len(chosen) != 1:
        raise PromptError(
            f"which means {len(chosen)} regions, but a reference image belongs to one. Add a "
            "Region Reference for each, or clear which and set region to 0 for the whole picture."
        )
    return min(chosen) + 1

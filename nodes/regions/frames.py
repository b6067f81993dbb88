"""Region Frames (video)."""

from __future__ import annotations

from comfy_api.latest import io

from ...attention.canvas.frames import with_frames
from ...attention.canvas.regions import RegionSet
from ..newer import newer
from ..types import CATEGORY, Regions


class RegionFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionFrames",
            display_name="Region Frames (video)",
            category=CATEGORY,
            description="Let regions live in a part of a video only (Wan, LTX-Video, Cosmos). "
            "Outside of its frames a region's place follows the other regions and the global "
            "prompt. Without this node every region lasts for the whole video.",
            **newer("video region", "regional prompt video", "prompt schedule"),
            inputs=[
                Regions.Input("regions", tooltip="From any node that makes regions."),
                io.String.Input(
                    "frames",
                    default="0:0.5, 0.5:1",
                    tooltip="One range start:end per region, in shares of the video's length, in "
                    "the order of the regions, divided by commas. Empty: the whole video.",
                ),
            ],
            outputs=[Regions.Output(display_name="regions")],
        )

    @classmethod
    def execute(cls, regions: RegionSet, frames: str) -> io.NodeOutput:
        return io.NodeOutput(with_frames(regions, frames))

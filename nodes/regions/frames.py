"""Region Frames (video)."""

from __future__ import annotations

from comfy_api.latest import io

from ...attention.canvas.frame_fade import FrameFade
from ...attention.canvas.frames import with_frames
from ...attention.canvas.regions import RegionSet
from ...attention.errors import RegionError
from ..newer import newer
from ..types import CATEGORY, Regions

HALF_AT_THE_ENDS = -1.0  # of the node's inset: half strength at the ends of a range


class RegionFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionFrames",
            display_name="Region Frames (video)",
            category=CATEGORY,
            description="Let regions live in a part of a video only (Wan, HunyuanVideo, LTX, "
            "Cosmos), at once or fading in and out. Outside of its frames a region's place follows "
            "the other regions and the global prompt. Without this node every region lasts for the "
            "whole video.",
            **newer(
                "video region",
                "regional prompt video",
                "prompt schedule",
                "prompt relay",
                "prompt travel",
            ),
            inputs=[
                Regions.Input("regions", tooltip="From any node that makes regions."),
                io.String.Input(
                    "frames",
                    default="0:0.5, 0.5:1",
                    tooltip="One range start:end per region, in shares of the video's length, in "
                    "the order of the regions, divided by commas. Empty: the whole video.",
                ),
                io.Float.Input(
                    "softness",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    optional=True,
                    tooltip="How slowly regions come and go at the ends of their ranges: standard "
                    "deviation of the fade, as a share of the video. 0: at once. The beginning "
                    "and the end of the video have no fade.",
                ),
                io.Float.Input(
                    "inset",
                    default=HALF_AT_THE_ENDS,
                    min=-1.0,
                    max=1.0,
                    step=0.001,
                    optional=True,
                    tooltip="With a softness: how long before an end of its range a region begins "
                    "to fade, as a share of the video. -1: so that it has half of its strength at "
                    "the end, which lets two ranges that touch hand over to each other.",
                ),
            ],
            outputs=[Regions.Output(display_name="regions")],
        )

    @classmethod
    def execute(
        cls,
        regions: RegionSet,
        frames: str,
        softness: float = 0.0,
        inset: float = HALF_AT_THE_ENDS,
    ) -> io.NodeOutput:
        fade = None
        if softness != 0.0:
            fade = FrameFade(softness, None if inset == HALF_AT_THE_ENDS else inset)
        elif inset != HALF_AT_THE_ENDS:
            raise RegionError(
                f"Region Frames has an inset of {inset:g} and no softness: a range without a fade "
                "ends where it ends. Set softness above 0, or inset to -1."
            )
        return io.NodeOutput(with_frames(regions, frames, fade))

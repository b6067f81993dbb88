"""Region Schedule."""

from __future__ import annotations

from comfy_api.latest import io

from ...attention.canvas.region_schedule import RegionSchedule, with_schedule
from ...attention.canvas.regions import RegionSet
from ..newer import newer
from ..types import CATEGORY, Regions, share_input

RULES_BASE_RATIO = -1.0  # of the node's base_ratio: leave it to the patch or its rule


class RegionScheduleNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionSchedule",
            display_name="Region Schedule",
            category=CATEGORY,
            description="Give single regions their own part of the denoising, faded in and out, "
            "and their own base ratio. One patch then does what would else need one for each "
            "region. Chain several for regions with unlike schedules.",
            **newer(
                "prompt scheduling", "timestep range", "start end percent", "regional base ratio"
            ),
            inputs=[
                Regions.Input("regions", tooltip="From any node that makes regions."),
                io.String.Input(
                    "which",
                    default="",
                    tooltip="Numbers or names of the regions that this is for, such as 1, 3. 'all' "
                    "or empty: all.",
                ),
                share_input(
                    "start_percent",
                    default=0.0,
                    tooltip="Part of the denoising at which the regions begin, 0 = first step.",
                ),
                share_input(
                    "end_percent",
                    default=1.0,
                    tooltip="Part of the denoising at which the regions end, 1 = last step.",
                ),
                share_input(
                    "ramp",
                    default=0.0,
                    tooltip="Part of the denoising over which their weight rises around "
                    "start_percent and falls around end_percent. 0: switched. The beginning and "
                    "the end of the denoising have no ramp.",
                ),
                share_input(
                    "outside",
                    default=0.0,
                    tooltip="What is left of their weight outside of that part. 0: nothing, their "
                    "place then follows the other regions and the global prompt.",
                ),
                io.Float.Input(
                    "base_ratio",
                    default=RULES_BASE_RATIO,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of the global prompt inside these regions. -1: that of the "
                    "patch or its rule.",
                ),
            ],
            outputs=[Regions.Output(display_name="regions")],
        )

    @classmethod
    def execute(
        cls,
        regions: RegionSet,
        which: str,
        start_percent: float,
        end_percent: float,
        ramp: float,
        outside: float,
        base_ratio: float,
    ) -> io.NodeOutput:
        schedule = RegionSchedule(start_percent, end_percent, ramp, outside)
        own = None if base_ratio == RULES_BASE_RATIO else base_ratio
        return io.NodeOutput(with_schedule(regions, which, schedule, own))

"""Import Omost Canvas: what Omost's language models write, as a plan with regions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io, ui

from ...attention.canvas.regions import OVERLAP_MODES
from ...planner.omost.plan import plan_from_omost
from ..newer import newer
from ..regions.plan_regions import plan_summary, regions_of
from ..regions.split import region_outputs, regions_output
from ..types import CATEGORY, PlanSocket, require_choice
from .length import length_clip_input, shortened


class ImportOmostCanvas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_ImportOmostCanvas",
            display_name="Import Omost Canvas",
            category=CATEGORY,
            description="Turn a canvas of Omost into a plan and regions. Its Python form is read, "
            "never executed; its JSON forms are read too.",
            **newer("omost", "canvas layout"),
            inputs=[
                io.String.Input(
                    "canvas",
                    default="",
                    multiline=True,
                    tooltip="What Omost's language model wrote: Python with canvas = Canvas(), "
                    "also inside a chat reply, or the canvas as JSON.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture must not show; a canvas does not say.",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAP_MODES),
                    default=OVERLAP_MODES[0],
                    tooltip="Where boxes overlap: 'blend' shares the pixel, as Omost does; 'front' "
                    "gives it to what is nearer to the viewer.",
                ),
                length_clip_input(),
            ],
            outputs=[
                PlanSocket.Output(display_name="plan", tooltip="For Regional Conditioning."),
                *region_outputs(),
                io.String.Output(display_name="plan_json", tooltip="The plan, to edit and reuse."),
            ],
        )

    @classmethod
    def execute(
        cls, canvas: str, negative_prompt: str, overlap: str, clip: Any = None
    ) -> io.NodeOutput:
        require_choice("overlap", overlap, OVERLAP_MODES)
        plan = replace(plan_from_omost(canvas), negative_prompt=negative_prompt.strip())
        plan = shortened(plan, clip)
        regions = regions_of(plan, "front" if overlap == "front" else "blend")
        shown = regions_output(regions).args
        return io.NodeOutput(plan, *shown, plan.to_json(), ui=ui.PreviewText(plan_summary(plan)))

"""Import Regional Prompts: what other programs' prompts say, as a plan with regions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io, ui

from ...attention.canvas.regions import OVERLAP_MODES
from ...planner.imports import AUTO, DIRECTIONS, FORMATS, PARTS, ImportSettings, plan_from_text
from ..newer import newer
from ..regions.plan_regions import plan_aspect, plan_summary, regions_of
from ..regions.split import region_outputs, regions_output
from ..types import CATEGORY, PlanSocket, require_choice
from .length import length_clip_input, shortened


class ImportRegionalPrompts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_ImportRegionalPrompts",
            display_name="Import Regional Prompts",
            category=CATEGORY,
            description="Read the regions and prompts that another program's text holds: A1111 "
            "Regional Prompter (BREAK, ADDCOL, ADDROW), forge-couple, prompt-control (COUPLE, "
            "MASK, AREA), InvokeAI's region list, or lines of prompt @ box.",
            **newer(
                "regional prompter",
                "BREAK ADDCOL ADDROW",
                "forge couple",
                "attention couple",
                "prompt control COUPLE",
                "invokeai regional guidance",
            ),
            inputs=[
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    tooltip="The prompt as the other program has it, or InvokeAI's JSON.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default=AUTO,
                    tooltip="What the text is. auto: by its keywords; several lines without any "
                    "are forge-couple's.",
                ),
                io.Combo.Input(
                    "direction",
                    options=list(DIRECTIONS),
                    default=DIRECTIONS[0],
                    tooltip="How parts are laid out: columns (Horizontal) or rows (Vertical). For "
                    "Regional Prompter and forge-couple.",
                ),
                io.String.Input(
                    "sizes",
                    default="",
                    multiline=True,
                    tooltip="Regional Prompter's divide ratio (1,2,1 or 1,2,1,1;2,4,6), or "
                    "forge-couple's mapping (0:0.5 0:1 1 per line, or its JSON). Empty: equal.",
                ),
                io.Combo.Input(
                    "parts",
                    options=list(PARTS),
                    default=PARTS[0],
                    tooltip="What the first or last part is besides a region: base prompt or "
                    "global effect, or the common prompt that goes before each region's.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture must not show; for Regional Prompter also one part "
                    "per region, with BREAK between.",
                ),
                io.Int.Input(
                    "width_px",
                    default=1024,
                    min=16,
                    max=16384,
                    tooltip="Width of the picture, where the text gives pixels (AREA, InvokeAI).",
                ),
                io.Int.Input(
                    "height_px",
                    default=1024,
                    min=16,
                    max=16384,
                    tooltip="Height of the picture, where the text gives pixels.",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAP_MODES),
                    default=OVERLAP_MODES[0],
                    tooltip="Where regions overlap: 'blend' shares the pixel, 'front' gives it to "
                    "the later region.",
                ),
                length_clip_input(),
            ],
            outputs=[
                PlanSocket.Output(
                    display_name="plan",
                    tooltip="For Regional Prompt (simple), Regional Conditioning or the editor.",
                ),
                *region_outputs(),
                io.String.Output(display_name="plan_json", tooltip="The plan, to edit and reuse."),
            ],
        )

    @classmethod
    def execute(
        cls,
        text: str,
        format: str,
        direction: str,
        sizes: str,
        parts: str,
        negative_prompt: str,
        width_px: int,
        height_px: int,
        overlap: str,
        clip: Any = None,
    ) -> io.NodeOutput:
        require_choice("format", format, FORMATS)
        require_choice("direction", direction, DIRECTIONS)
        require_choice("parts", parts, PARTS)
        require_choice("overlap", overlap, OVERLAP_MODES)
        settings = ImportSettings(direction, sizes, parts, width_px, height_px, negative_prompt)
        plan = replace(
            plan_from_text(text, format, settings), aspect=plan_aspect(width_px, height_px)
        )
        plan = shortened(plan, clip)
        regions = regions_of(plan, "front" if overlap == "front" else "blend")
        shown = regions_output(regions).args
        return io.NodeOutput(plan, *shown, plan.to_json(), ui=ui.PreviewText(plan_summary(plan)))

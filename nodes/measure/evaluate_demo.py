"""Measures of the demo model's pictures as nodes."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ...attention.canvas.regions import RegionSet
from ...evaluation.demo_confusion import demo_confusion
from ...evaluation.heatmap import draw_matrix
from ...planner.plan import Plan
from ..types import CATEGORY, PlanSocket, Regions
from .evaluate import alignment_table, matrix_json


class DemoConfusion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_DemoConfusion",
            display_name="Region Confusion (Demo)",
            category=f"{CATEGORY}/evaluation",
            description="Which region shows which prompt's colour, in pictures of the demo model. "
            "Needs no other model. The diagonal is what was asked for; all else is leakage.",
            inputs=[
                io.Image.Input("images", tooltip="A picture or a batch with the same regions."),
                Regions.Input("regions", tooltip="The regions of the run."),
                PlanSocket.Input("plan", tooltip="What was asked for: all colours different."),
            ],
            outputs=[
                io.Float.Output(
                    display_name="dominance",
                    tooltip="Share of regions whose own colour prevails, 0 to 1.",
                ),
                io.Float.Output(
                    display_name="leakage",
                    tooltip="Share of what is drawn that has not the region's own colour.",
                ),
                io.Image.Output(display_name="matrix", tooltip="The confusion matrix."),
                io.String.Output(display_name="table"),
                io.String.Output(display_name="confusion", tooltip="The matrix as JSON."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: torch.Tensor, regions: RegionSet, plan: Plan) -> io.NodeOutput:
        prompts = [region.prompt() for region in plan.regions]
        found = demo_confusion(images, regions, prompts)
        table = alignment_table(found, prompts)
        return io.NodeOutput(
            found.dominance,
            found.leakage,
            draw_matrix(found.confusion),
            table,
            matrix_json(found),
            ui=ui.PreviewText(table),
        )

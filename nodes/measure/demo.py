"""The demo model as nodes: it stands in for a real checkpoint in every workflow of the pack."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ...attention.canvas.regions import RegionSet
from ...attention.errors import PromptError
from ...demo_model.loader import MODEL_WEIGHTS, DemoName, load_demo
from ...demo_model.score import score_picture
from ...demo_model.score_table import score_table
from ...planner.plan import Plan
from ..types import CATEGORY, PlanSocket, Regions, require_choice


class DemoDiTLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_DemoDiTLoader",
            display_name="Demo DiT Loader",
            category=f"{CATEGORY}/demo",
            description="A tiny HunyuanDiT or Flux of about 5 million parameters that comes with "
            "the pack and runs on any CPU in seconds. It knows circles, squares and triangles in "
            "red, green, blue, yellow, purple, orange, cyan and white on a black, gray, brown or "
            "pink background. Use an Empty Latent Image of 256 x 256, or 384 x 384 for nine "
            "regions.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=list(MODEL_WEIGHTS),
                    default="hunyuan_dit",
                    optional=True,
                    tooltip="hunyuan_dit reads prompts by cross-attention, flux by joint attention "
                    "of text and image.",
                ),
            ],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, model: DemoName = "hunyuan_dit") -> io.NodeOutput:
        require_choice("model", model, list(MODEL_WEIGHTS))
        return io.NodeOutput(*load_demo(model))


class ScoreDemoScene(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_ScoreDemoScene",
            display_name="Score Demo Scene",
            category=f"{CATEGORY}/demo",
            description="Look at pictures of the demo model and tell, region by region, whether "
            "the object that the plan asks for is there, and nothing else.",
            inputs=[
                io.Image.Input("regional", tooltip="Picture or batch made with the patch."),
                Regions.Input("regions", tooltip="The regions of the patched run."),
                PlanSocket.Input("plan", tooltip="What was asked for."),
                io.Image.Input(
                    "merged",
                    optional=True,
                    tooltip="For comparison: same seed, global prompt, no patch.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="table"),
                io.Float.Output(
                    display_name="score",
                    tooltip="Share of regions with the right object, 0 to 1, with the patch.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        regional: torch.Tensor,
        regions: RegionSet,
        plan: Plan,
        merged: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        if len(plan.regions) != len(regions):
            raise PromptError(
                f"The plan has {len(plan.regions)} regions, {len(regions)} are connected."
            )
        boxes = [r.bounds for r in regions.regions]
        prompts = [r.prompt() for r in plan.regions]
        patched = [score_picture(p, boxes, prompts) for p in regional.cpu().numpy()]
        plain = (
            None
            if merged is None
            else [score_picture(p, boxes, prompts) for p in merged.cpu().numpy()]
        )
        table = score_table(prompts, patched, plain)
        found = [s.present for picture in patched for s in picture]
        return io.NodeOutput(table, sum(found) / len(found), ui=ui.PreviewText(table))

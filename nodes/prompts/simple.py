"""Regional Prompt (simple): a drawing or a few lines, and three wires to the sampler."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui

from ...attention.canvas.regions import RegionSet
from ...attention.errors import PromptError
from ...planner.errors import PlanError
from ...planner.imports.lines import line_place, plan_from_lines
from ...planner.layout.place_words import box_of_words
from ...planner.plan import Plan
from ..newer import newer
from ..patching.patch import PatchCrossAttention
from ..regions.plan_regions import regions_of
from ..types import CATEGORY, PlanSocket, Regions, share_input
from .conditioning import RegionalConditioning, whole_picture_inputs


class RegionalPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionalPrompt",
            display_name="Regional Prompt (simple)",
            category=CATEGORY,
            description="One prompt per region in one node: write lines such as 'a cat @ left', or "
            "connect a drawing, and wire the three outputs to a KSampler. The same as Regional "
            "Conditioning and Patch DiT Cross-Attention with their defaults.",
            **newer(
                "regional prompter",
                "attention couple",
                "latent couple",
                "area prompt",
                "regional prompting",
                "forge couple",
            ),
            inputs=[
                io.Model.Input("model", tooltip="From the loader, after any LoRA."),
                io.Clip.Input("clip", tooltip="The text encoder that was loaded with the model."),
                io.String.Input(
                    "prompts",
                    default="",
                    placeholder="a red fox @ left\na black cat @ right",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="One region per line: prompt @ place. A place is left, top right, "
                    "center, left third ..., or x0 y0 x1 y1 as shares of the picture (0 0 0.5 1). "
                    "Without any @ the lines are columns. With a plan connected: leave empty; with "
                    "regions connected: one prompt per region, without places.",
                ),
                *whole_picture_inputs(),
                share_input(
                    "base_ratio",
                    default=0.1,
                    tooltip="Share of the global prompt inside the regions. 0: regions see their "
                    "own prompt alone; higher: one coherent scene, less separation.",
                ),
                PlanSocket.Input(
                    "plan",
                    optional=True,
                    tooltip="A drawing of the Region Editor, or a plan of LLM Progressive Prompt "
                    "or an import: prompts with their boxes.",
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="Regions from a split, masks or the editor instead of places.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        clip: Any,
        prompts: str,
        global_prompt: str,
        negative_prompt: str,
        base_ratio: float,
        plan: Plan | None = None,
        regions: RegionSet | None = None,
    ) -> io.NodeOutput:
        if plan is not None:
            if prompts.strip():
                raise PromptError(
                    "Both the prompts box and a plan hold prompts; expected one of them. Clear the "
                    "prompts box, or disconnect the plan."
                )
        elif regions is None:
            try:
                plan, prompts = plan_from_lines(prompts), ""
            except PlanError as error:
                raise PromptError(f"The prompts box: {error}") from None
        elif placed := [line for line in prompts.splitlines() if box_of_words(line_place(line))]:
            raise PromptError(
                f"Regions are connected, and the prompts box names a place too: "
                f"{placed[0][:60]!r}. Take '@' and the places out, or disconnect the regions."
            )
        if regions is None and plan is not None:
            regions = regions_of(plan)
        assert regions is not None  # a plan gives them where none are connected
        encoded = RegionalConditioning.execute(
            clip=clip,
            regions=regions,
            prompts=prompts,
            global_prompt=global_prompt,
            negative_prompt=negative_prompt,
            level="both",
            weights="",
            plan=plan,
        )
        regional, positive, negative = encoded.args[:3]
        patched = PatchCrossAttention.execute(
            model=model,
            regional=regional,
            first_layer=0,
            last_layer=-1,
            start_percent=0.0,
            end_percent=1.0,
            base_ratio=base_ratio,
        )
        shown, report = patched.args[:2]
        return io.NodeOutput(shown, positive, negative, ui=ui.PreviewText(report))

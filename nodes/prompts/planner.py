"""LLM Progressive Prompt: one sentence becomes a plan."""

from __future__ import annotations

from typing import Any

import comfy.model_management
from comfy_api.latest import io, ui

from ...attention.canvas.regions import MAX_REGIONS, RegionSet
from ...attention.errors import PromptError
from ...planner.llm.endpoints import get_endpoint
from ...planner.llm.planner import plan_with_llm
from ...planner.offline.planner import plan_offline
from ...planner.plan import Plan
from ..newer import advanced, newer
from ..regions.plan_regions import plan_summary, regions_of
from ..types import CATEGORY, PlanSocket, Regions
from .length import length_clip_input, shortened

OFFLINE = "offline"


class LLMProgressivePrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_LLMProgressivePrompt",
            display_name="LLM Progressive Prompt",
            category=CATEGORY,
            description="Turn one sentence into a global prompt and one prompt per region, each "
            "with a high-level part (content, layout) and a low-level part (colour, texture, "
            "style). Offline by rules, or with any OpenAI-compatible language model.",
            **newer("regional prompt planner", "layout from text", "LLM layout"),
            inputs=[
                io.String.Input(
                    "prompt",
                    default="a red circle on the left and a blue square on the right, black "
                    "background",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="What the picture shows and where: left, right, top, bottom, middle, "
                    "corners, or simply a list.",
                ),
                io.Int.Input(
                    "n",
                    default=2,
                    min=0,
                    max=MAX_REGIONS,
                    tooltip="Number of regions to plan, 0 = as many as the sentence names. "
                    "Connected regions decide instead.",
                ),
                io.String.Input(
                    "endpoint",
                    default=OFFLINE,
                    tooltip="'offline' plans by rules, without a network. Any other name is looked "
                    "up in your local endpoints file, which holds address, model and the name of "
                    "the key's environment variable; a workflow never holds a key.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**31 - 1,
                    control_after_generate=False,  # a re-run must not ask the model again
                    tooltip="Passed to the language model. The offline planner does not use it.",
                ),
                advanced(
                    io.Float.Input(
                        "temperature",
                        default=0.2,
                        min=0.0,
                        max=2.0,
                        step=0.05,
                        tooltip="Passed to the language model, 0 = most predictable. The offline "
                        "planner does not use it.",
                    )
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What the picture must not show; goes before what the model adds.",
                ),
                io.String.Input(
                    "plan_json",
                    default="",
                    multiline=True,
                    tooltip="A plan as JSON, such as this node's own output, edited. If not empty "
                    "it is used as it is and nothing is planned.",
                ),
                advanced(
                    io.String.Input(
                        "language",
                        default="",
                        optional=True,
                        tooltip="Language in which the language model writes the prompts, such as "
                        "English. Empty: that of the sentence. The offline planner does not "
                        "translate.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "aspect",
                        default=0.0,
                        min=0.0,
                        max=16.0,
                        step=0.01,
                        optional=True,
                        tooltip="Width / height of the picture: boxes are arranged for it, and the "
                        "plan keeps it. 0: unknown, arranged for a square.",
                    )
                ),
                Regions.Input(
                    "regions",
                    optional=True,
                    tooltip="Plan for these regions; without them the plan proposes boxes.",
                ),
                length_clip_input(),
            ],
            outputs=[
                PlanSocket.Output(display_name="plan"),
                io.String.Output(display_name="global_prompt"),
                io.String.Output(display_name="regional_prompts", tooltip="One prompt per line."),
                io.String.Output(display_name="negative_prompt"),
                io.String.Output(display_name="plan_json", tooltip="The plan, to edit and reuse."),
                Regions.Output(
                    display_name="regions",
                    tooltip="The connected regions, or else the boxes that the plan proposes.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        prompt: str,
        n: int,
        endpoint: str,
        seed: int,
        temperature: float,
        negative_prompt: str,
        plan_json: str,
        language: str = "",
        aspect: float = 0.0,
        regions: RegionSet | None = None,
        clip: Any = None,
    ) -> io.NodeOutput:
        cells = None if regions is None else [r.bounds for r in regions.regions]
        if plan_json.strip():
            plan = Plan.from_json(plan_json)
        elif endpoint.strip() in ("", OFFLINE):
            plan = plan_offline(
                prompt, n or None, cells, negative_prompt=negative_prompt, aspect=aspect or None
            )
        else:
            plan = plan_with_llm(
                prompt,
                n or None,
                cells,
                get_endpoint(endpoint.strip()),
                seed,
                temperature,
                negative_prompt=negative_prompt,
                aspect=aspect or None,
                language=language.strip(),
                should_stop=_stop_if_interrupted,
                progress=lambda text: _show_progress(cls.hidden.unique_id, text),
            )
        if regions is not None and len(plan.regions) != len(regions):
            raise PromptError(
                f"The plan has {len(plan.regions)} regions, {len(regions)} are connected. Edit the "
                "plan or the split so that they agree."
            )
        plan = shortened(plan, clip)
        prompts = "\n".join(r.prompt() for r in plan.regions)
        return io.NodeOutput(
            plan,
            plan.global_prompt,
            prompts,
            plan.negative_prompt,
            plan.to_json(),
            regions or regions_of(plan),
            ui=ui.PreviewText(plan_summary(plan)),
        )


def _stop_if_interrupted() -> bool:
    """Raises ComfyUI's own exception, so that a cancelled job counts as interrupted, not failed."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


def _show_progress(node_id: Any, text: str) -> None:
    from server import PromptServer  # there only while ComfyUI runs as a server

    if getattr(PromptServer, "instance", None) is not None:
        PromptServer.instance.send_progress_text(text, node_id)

"""Plan From Boxes and Boxes From Plan: ComfyUI's own layouts in and out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io, ui

from ...attention.canvas.regions import OVERLAP_MODES
from ...attention.errors import RegionError
from ...planner.errors import PlanError
from ...planner.layout.elements import boxes_of, elements_of, position_prompt, regions_from_layout
from ...planner.plan import Plan, RegionPlan
from ..newer import newer
from ..types import CATEGORY, PlanSocket, require_choice
from .plan_regions import canvas_size, plan_aspect, plan_summary, regions_of
from .split import region_outputs, regions_output

# Hosts without these types have no node that gives or takes them: then nothing connects.
BOXES = "BOUNDING_BOX"
ELEMENTS = "ARRAY"
Layout = io.Custom(f"{BOXES},BOUNDING_BOXES,{ELEMENTS},STRING")
Boxes = io.Custom(BOXES)
Elements = io.Custom(ELEMENTS)


def layout_input(name: str, optional: bool, tooltip: str) -> io.Input:
    """An input for boxes, elements or their JSON, always a socket."""
    return Layout.Input(name, optional=optional, tooltip=tooltip, extra_dict={"forceInput": True})


def side_inputs() -> list[io.Input]:
    """Width and height of the picture, for boxes in pixels."""
    return [
        io.Int.Input(
            name,
            default=1024,
            min=16,
            max=16384,
            tooltip=f"{name.removesuffix('_px').capitalize()} of the picture in pixels, for boxes "
            "in pixels. A connected latent decides instead.",
        )
        for name in ("width_px", "height_px")
    ]


def latent_input() -> io.Input:
    """The latent that gives the picture's size in place of the two numbers."""
    return io.Latent.Input(
        "latent", optional=True, tooltip="The latent that will be sampled: gives the size."
    )


class PlanFromBoxes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_PlanFromBoxes",
            display_name="Plan From Boxes",
            category=CATEGORY,
            description="Turn ComfyUI's bounding boxes or layout elements into regions with "
            "prompts: each box's description is its prompt.",
            **newer("bounding boxes", "layout elements", "boxes to regions", "ideogram layout"),
            inputs=[
                layout_input(
                    "boxes",
                    False,
                    "From Create Bounding Boxes (bboxes or elements) or a detector, or their JSON "
                    "as text.",
                ),
                io.String.Input(
                    "prompts",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="One prompt per line, in the order of the boxes, for boxes without "
                    "descriptions. Empty: the descriptions.",
                ),
                io.String.Input(
                    "global_prompt",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="Prompt of the whole picture.",
                ),
                *side_inputs(),
                io.Combo.Input(
                    "overlap",
                    options=list(reversed(OVERLAP_MODES)),
                    default="front",
                    tooltip="Where boxes overlap: 'front' gives the place to the later box, as "
                    "ComfyUI's layouts mean it, 'blend' shares it.",
                ),
                latent_input(),
            ],
            outputs=[PlanSocket.Output(display_name="plan"), *region_outputs()],
        )

    @classmethod
    def execute(
        cls,
        boxes: Any,
        prompts: str,
        global_prompt: str,
        width_px: int,
        height_px: int,
        overlap: str,
        latent: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        require_choice("overlap", overlap, OVERLAP_MODES)
        width_px, height_px = canvas_size(latent, width_px / height_px, max(width_px, height_px))
        plan = plan_from_layout(boxes, prompts, global_prompt, width_px, height_px)
        regions = regions_of(plan, "front" if overlap == "front" else "blend")
        return io.NodeOutput(
            plan, *regions_output(regions).args, ui=ui.PreviewText(plan_summary(plan))
        )


class BoxesFromPlan(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_BoxesFromPlan",
            display_name="Boxes From Plan",
            category=CATEGORY,
            description="Give a plan or a drawing to models that are trained on layouts: ComfyUI's "
            "bounding boxes and layout elements, and one prompt with position words for models "
            "that read neither.",
            **newer("layout prompt", "bounding boxes", "elements", "plan to boxes"),
            inputs=[
                PlanSocket.Input(
                    "plan", tooltip="A drawing of the Region Editor, a planner's plan, an import."
                ),
                *side_inputs(),
                latent_input(),
            ],
            outputs=[
                Boxes.Output(
                    display_name="boxes", tooltip="Bounding boxes in pixels with descriptions."
                ),
                Elements.Output(
                    display_name="elements",
                    tooltip="For Build JSON Prompt and other layout prompts, back to front.",
                ),
                io.String.Output(
                    display_name="position_prompt",
                    tooltip="One prompt that says in words what is where.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, plan: Plan, width_px: int, height_px: int, latent: dict[str, Any] | None = None
    ) -> io.NodeOutput:
        width_px, height_px = canvas_size(latent, width_px / height_px, max(width_px, height_px))
        text = position_prompt(plan)
        boxes = boxes_of(plan, width_px, height_px)
        return io.NodeOutput(boxes, elements_of(plan), text, ui=ui.PreviewText(text))


def layout_regions(boxes: Any, width_px: int, height_px: int) -> list[RegionPlan]:
    """Boxes, elements or their JSON as regions; see ``elements.regions_from_layout``.

    Raises:
        RegionError: an item that is no box, or lies outside the canvas.
    """
    try:
        return regions_from_layout(boxes, width_px, height_px)
    except PlanError as error:
        raise RegionError(str(error)) from None


def plan_from_layout(
    boxes: Any, prompts: str, global_prompt: str, width_px: int, height_px: int
) -> Plan:
    """A plan of boxes with their descriptions, or with one line of prompts each.

    Raises:
        RegionError: no boxes, a box that is none, a box without a prompt, or another number of
            prompts.
    """
    regions = layout_regions(boxes, width_px, height_px)
    lines = [line.strip() for line in prompts.splitlines() if line.strip()]
    if not regions:
        raise RegionError("There are no boxes. Draw one, or lower the detector's threshold.")
    if lines:
        if len(lines) != len(regions):
            raise RegionError(
                f"Got {len(lines)} prompts for {len(regions)} boxes; give one line per box, or "
                "none for the boxes' own descriptions."
            )
        regions = [
            replace(region, high_level=line) for region, line in zip(regions, lines, strict=True)
        ]
    for index, region in enumerate(regions, 1):
        if not region.prompt():
            raise RegionError(
                f"Box {index} has no description. Write one where it was drawn, or one prompt per "
                "line in prompts."
            )
    aspect = plan_aspect(width_px, height_px)
    return Plan(global_prompt.strip(), regions=tuple(regions), aspect=aspect)

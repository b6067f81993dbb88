"""Region Editor: regions drawn in the browser; here, the plan that the drawing is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io

from ...attention.canvas.regions import RegionSet
from ...attention.canvas.tokens import TokenGrid, token_ownership
from ...attention.errors import RegionalError, RegionError
from ...planner.errors import PlanError
from ...planner.layout.elements import boxes_of, elements_of
from ...planner.plan import Plan
from ..newer import advanced, newer
from ..regional.drawn_loras import check_named, drawn_stamp, named_by
from ..types import CATEGORY, PlanSocket, Regions, require_choice
from .boxes import Boxes, Elements, layout_input, layout_regions
from .plan_regions import adopt, canvas_size, drawn_mask, regions_of, softened, with_shapes
from .preview import parse_color, show_weights
from .split import MASK_SIZE_PX

MAX_SHOWN = 2**27  # weights, one per token and region: about 3 GB while they are drawn
OVERLAPS = ("front", "blend")
USES = ("new plans", "never")
EDITOR_WIDGET = "REGIONAL_DIT_EDITOR"  # web/js/regional_dit.js draws it


def _plan_json_input() -> io.String.Input:
    """A text for API users and for hosts without our script; in the browser, the editor."""
    widget = io.String.Input(
        "plan_json",
        default="",
        multiline=True,
        tooltip="The drawing: regions with prompts, in the planner's JSON format. In the browser "
        "this is the editor; API users write the JSON.",
    )
    widget.extra_dict["widgetType"] = EDITOR_WIDGET
    return widget


class RegionEditor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionEditor",
            display_name="Region Editor",
            category=CATEGORY,
            description="Draw regions with the mouse and write a prompt for each. The drawing is "
            "kept in the workflow as a plan, the same format that LLM Progressive Prompt makes, "
            "so that a planned layout can be connected, shown and changed here.",
            **newer(
                "regional prompter",
                "attention couple",
                "area prompt",
                "draw regions",
                "bounding boxes",
                "mask editor",
                "latent couple",
            ),
            inputs=[
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAPS),
                    default=OVERLAPS[0],
                    tooltip="Where regions overlap: 'front' gives the place to the nearest region, "
                    "'blend' shares it.",
                ),
                io.Combo.Input(
                    "use_plan",
                    options=list(USES),
                    default=USES[0],
                    tooltip="What a connected plan does. 'new plans': each new plan replaces the "
                    "drawing once and your edits to it stay; 'never': the drawing stays.",
                ),
                io.Int.Input(
                    "long_side_px",
                    default=1024,
                    min=64,
                    max=16384,
                    step=8,
                    tooltip="Longer side of the picture in pixels, for the token grid and for "
                    "bounding boxes. A connected latent decides instead.",
                ),
                advanced(
                    io.Int.Input(
                        "token_px",
                        default=16,
                        min=4,
                        max=64,
                        step=4,
                        tooltip="Pixels per token side: 16 for HunyuanDiT, PixArt, SD3, Flux and "
                        "Qwen-Image. For the grid that is shown; sampling finds the model's own.",
                    )
                ),
                _plan_json_input(),
                PlanSocket.Input(
                    "plan",
                    optional=True,
                    tooltip="A plan to start from, of LLM Progressive Prompt. It appears in the "
                    "editor after a run.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Shapes for the regions, one mask per region, 1 = inside: from the "
                    "mask editor, a segmentation or any other node. Prompts stay the drawing's.",
                ),
                layout_input(
                    "boxes",
                    True,
                    "Bounding boxes or layout elements as shapes of the regions, after the masks. "
                    "Their descriptions are the prompts of regions that have none.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The latent that will be sampled: gives the canvas its aspect and the "
                    "token grid its size.",
                ),
            ],
            outputs=[
                Regions.Output(display_name="regions"),
                PlanSocket.Output(display_name="plan", tooltip="The drawing with its prompts."),
                io.String.Output(display_name="plan_json", tooltip="The same as text."),
                io.Mask.Output(display_name="masks", tooltip="One per region, 512 x 512."),
                io.Image.Output(
                    display_name="weights",
                    tooltip="Who owns each token of the model, in the regions' colours.",
                ),
                Boxes.Output(
                    display_name="boxes",
                    tooltip="ComfyUI's bounding boxes in pixels, with the prompts as descriptions.",
                ),
                Elements.Output(
                    display_name="elements",
                    tooltip="The same as elements of a layout prompt, back to front.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, plan_json: str | None = None) -> bool | str:
        try:
            if plan_json and plan_json.strip():
                check_named(named_by(Plan.from_json(plan_json)))
        except (PlanError, RegionalError) as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, plan_json: str | None = None, **_: object) -> str:
        """Changes with the LoRA files that the drawing names."""
        return drawn_stamp(Plan.from_json(plan_json)) if plan_json and plan_json.strip() else ""

    @classmethod
    def execute(
        cls,
        overlap: str,
        use_plan: str,
        long_side_px: int,
        token_px: int,
        plan_json: str,
        plan: Plan | None = None,
        masks: torch.Tensor | None = None,
        boxes: Any = None,
        latent: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        require_choice("overlap", overlap, OVERLAPS)
        require_choice("use_plan", use_plan, USES)
        drawing = Plan.from_json(plan_json) if plan_json.strip() else Plan("")
        taken = plan is not None and use_plan == USES[0] and plan.fingerprint() != drawing.source
        current = adopt(plan, drawing) if plan is not None and taken else drawing
        for each in (drawing, current):
            check_named(named_by(each))
        width_px, height_px = canvas_size(latent, current.aspect, long_side_px)
        connected = [] if masks is None else list(masks if masks.ndim == 3 else masks[None])
        shapes = [drawn_mask(mask) for mask in connected]
        described = [] if boxes is None else layout_regions(boxes, width_px, height_px)
        prompts = [""] * len(shapes) + [region.prompt() for region in described]
        shapes += [(region.box, None) for region in described if region.box is not None]
        current = with_shapes(current, shapes, prompts)
        if not current.regions:
            raise RegionError("The Region Editor is empty. Drag over its canvas to draw a region.")
        regions = regions_of(current, "blend" if overlap == "blend" else "front")
        regions = use_full_masks(regions, connected, [r.feather for r in current.regions])
        grid = token_grid(width_px, height_px, token_px)
        if grid.n_tokens * len(regions) > MAX_SHOWN:
            raise RegionError(
                f"A picture of {width_px} x {height_px} pixels has {grid.cols} x {grid.rows} "
                f"tokens of {token_px} pixels, too many to show for {len(regions)} regions. Raise "
                "token_px (16 for most models), or lower long_side_px."
            )
        colors = [parse_color(r.color, i) for i, r in enumerate(current.regions)]
        picture = show_weights(token_ownership(regions, grid), grid.rows, grid.cols, colors)
        message = {
            "plan": current.to_json(),
            "taken": taken,
            "shapes": len(shapes),
            "canvas_px": [width_px, height_px],
        }
        return io.NodeOutput(
            regions,
            current,
            current.to_json(),
            regions.masks(MASK_SIZE_PX, MASK_SIZE_PX),
            picture,
            boxes_of(current, width_px, height_px),
            elements_of(current),
            ui={"regional_dit_editor": [json.dumps(message)]},
        )


def token_grid(width_px: int, height_px: int, token_px: int) -> TokenGrid:
    """The token grid of a picture, in pixels instead of latent pixels."""
    return TokenGrid(
        rows=-(-height_px // token_px),
        cols=-(-width_px // token_px),
        patch=token_px,
        height=height_px,
        width=width_px,
        top=0,
        left=0,
        full_height=height_px,
        full_width=width_px,
    )


def use_full_masks(
    regions: RegionSet, masks: list[torch.Tensor], feathers: list[float]
) -> RegionSet:
    """Put connected masks, at their own size, in place of the coarse ones that the editor shows."""
    if not masks:
        return regions
    exact = [
        replace(region, shape=softened(mask.detach().to("cpu", torch.float32), feather))
        for region, mask, feather in zip(regions.regions, masks, feathers, strict=False)
    ]
    return replace(regions, regions=(*exact, *regions.regions[len(exact) :]))

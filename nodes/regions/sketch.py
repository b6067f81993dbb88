"""Regions From Sketch."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ...attention.canvas.regions import MAX_REGIONS
from ...attention.errors import RegionError
from ...attention.sketch.legend import parse_color, parse_legend
from ...attention.sketch.regions import MAX_COLORS, Sketch, read_sketch
from ..newer import newer
from ..types import CATEGORY, Regions
from .phrase_picture import TableRow, draw_regions

PREVIEW_TOKENS = 64  # along the longer side: a picture of 1024 pixels


class RegionsFromSketch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionsFromSketch",
            display_name="Regions From Sketch",
            category=CATEGORY,
            description="Turn a colour-coded sketch into regions: one colour per region, white is "
            "background. Scribbles, soft edges and compressed pictures will do.",
            **newer("color mask", "regional prompt by color", "segmentation colors"),
            inputs=[
                io.Image.Input("image", tooltip="The sketch. The first picture of a batch counts."),
                io.String.Input(
                    "legend",
                    default="",
                    multiline=True,
                    tooltip="What each colour stands for, one per line, in the order of the "
                    "regions: 'red -> a red fox', '#3a86ff -> a blue car'. Empty: all colours "
                    "from left to right, without phrases.",
                ),
                io.String.Input(
                    "background",
                    default="white",
                    tooltip="Colour of canvas without a region; it follows the global prompt.",
                ),
                io.Float.Input(
                    "tolerance",
                    default=10.0,
                    min=1.0,
                    max=50.0,
                    step=0.5,
                    tooltip="How far shades of one colour may differ (OKLab x 100; black to white "
                    "is 100). Lower for pale or similar colours, higher for noisy pictures.",
                ),
                io.Float.Input(
                    "min_area",
                    default=0.002,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    tooltip="Smallest share of the canvas that a colour must cover to count.",
                ),
                io.Int.Input(
                    "max_colors",
                    default=MAX_COLORS,
                    min=1,
                    max=MAX_REGIONS,
                    tooltip="Most colours that are accepted, background not counted. 12 as in the "
                    "paper; more is possible.",
                ),
            ],
            outputs=[
                Regions.Output(display_name="regions"),
                io.String.Output(
                    display_name="phrases",
                    tooltip="The legend's phrases, one per line, in the order of the regions.",
                ),
                io.Image.Output(
                    display_name="preview", tooltip="What was read, on the token grid."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        legend: str,
        background: str,
        tolerance: float,
        min_area: float,
        max_colors: int,
    ) -> io.NodeOutput:
        if image.ndim != 4 or len(image) == 0:
            raise RegionError(
                f"image has shape {tuple(image.shape)}, expected [B, H, W, 3] with a picture in it."
            )
        sketch = read_sketch(
            image[0],
            parse_legend(legend),
            background=parse_color(background),
            tolerance=tolerance,
            min_area=min_area,
            max_colors=max_colors,
        )
        return io.NodeOutput(sketch.regions, "\n".join(filter(None, sketch.phrases)), draw(sketch))


def draw(sketch: Sketch) -> torch.Tensor:
    """Preview of a sketch: IMAGE [1, height, width, 3]."""
    rows = [
        TableRow(
            color,
            str(index + 1),
            phrase or "#{:02x}{:02x}{:02x}".format(*color),
            (f"{float((sketch.labels == index).mean()):.1%} of the canvas",),
        )
        for index, (color, phrase) in enumerate(zip(sketch.colors, sketch.phrases, strict=True))
    ]
    return draw_regions(sketch.regions, sketch.colors, rows, PREVIEW_TOKENS)

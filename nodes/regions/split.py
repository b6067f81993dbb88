"""Region Split (H/W, N) and Regions From Masks."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ...attention.canvas.regions import MAX_REGIONS, OVERLAP_MODES, RegionSet
from ...attention.canvas.split import split_canvas
from ...attention.errors import RegionError
from ..newer import newer
from ..types import CATEGORY, Regions, require_choice, share_input
from .preview import label_regions

MASK_SIZE_PX = 512  # of the MASK output and the preview; sampling does not use it

SPLITS = ("W (columns)", "H (rows)", "grid")


def region_outputs() -> list[io.Output]:
    """The outputs of every node that makes regions; see ``regions_output`` for their values."""
    return [
        Regions.Output(display_name="regions"),
        io.Mask.Output(display_name="masks", tooltip="One mask per region, 512 x 512."),
        io.Image.Output(display_name="preview", tooltip="The regions with their numbers."),
    ]


class RegionSplit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionSplit",
            display_name="Region Split (H/W, N)",
            category=CATEGORY,
            description="Split the canvas into adjacent regions. No size is asked for: regions "
            "are shares of the canvas and meet the real latent when sampling.",
            **newer("regional prompter", "area", "divide canvas", "latent couple", "columns rows"),
            inputs=[
                io.Combo.Input(
                    "split",
                    options=list(SPLITS),
                    default=SPLITS[0],
                    tooltip="Cut along the width into columns, along the height into rows, or both "
                    "ways into a grid.",
                ),
                io.Int.Input(
                    "n",
                    default=2,
                    min=1,
                    max=MAX_REGIONS,
                    tooltip="Number of regions for the splits W and H, 1 to 64. The grid uses rows "
                    "x columns instead.",
                ),
                io.Int.Input(
                    "rows",
                    default=2,
                    min=1,
                    max=MAX_REGIONS,
                    tooltip="Rows of the grid. Regions are numbered row by row. Used by the split "
                    "'grid' only.",
                ),
                io.Int.Input(
                    "columns",
                    default=2,
                    min=1,
                    max=MAX_REGIONS,
                    tooltip="Columns of the grid. Used by the split 'grid' only.",
                ),
                io.String.Input(
                    "column_sizes",
                    default="",
                    tooltip="Widths: empty for equal columns, ratios like 1:2:1, or split points "
                    "like 0.3, 0.7 (shares of the width).",
                ),
                io.String.Input(
                    "row_sizes",
                    default="",
                    tooltip="Heights: empty for equal rows, ratios like 1:2:1, or split points "
                    "like 0.3, 0.7 (shares of the height).",
                ),
                share_input(
                    "feather",
                    default=0.0,
                    tooltip="Width of the soft border between neighbours, as a share of a cell. "
                    "0 = hard border, the fastest; 0.1 hides seams.",
                ),
                io.Float.Input(
                    "overlap",
                    default=0.0,
                    min=-0.9,
                    max=0.9,
                    step=0.01,
                    tooltip="How far neighbours reach into each other, as a share of a cell. "
                    "Negative leaves a gap, which follows the global prompt.",
                ),
            ],
            outputs=region_outputs(),
        )

    @classmethod
    def execute(
        cls,
        split: str,
        n: int,
        rows: int,
        columns: int,
        column_sizes: str,
        row_sizes: str,
        feather: float,
        overlap: float,
    ) -> io.NodeOutput:
        require_choice("split", split, SPLITS)
        if split == SPLITS[0]:
            rows, columns = 1, n
        elif split == SPLITS[1]:
            rows, columns = n, 1
        for count, sizes, name in ((columns, column_sizes, "column"), (rows, row_sizes, "row")):
            if count == 1 and sizes.strip() and split != SPLITS[2]:
                raise RegionError(
                    f"{name}_sizes is {sizes!r}, but the split {split!r} has one {name}. Clear it, "
                    "or choose the split 'grid'."
                )
        regions = split_canvas(
            rows,
            columns,
            row_sizes=row_sizes,
            column_sizes=column_sizes,
            feather=feather,
            overlap=overlap,
        )
        return regions_output(regions)


class RegionsFromMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionsFromMasks",
            display_name="Regions From Masks",
            category=CATEGORY,
            description="Turn painted masks into regions: a batch of masks, a list of masks, or "
            "both. One region per mask, in order.",
            is_input_list=True,
            **newer("regional prompter", "mask to region", "attention couple mask"),
            inputs=[
                io.Mask.Input(
                    "masks",
                    tooltip="One mask per region, 1 = inside. Sizes may differ within a list.",
                ),
                io.Float.Input(
                    "feather_px",
                    default=0.0,
                    min=0.0,
                    max=256.0,
                    step=0.5,
                    tooltip="Softens each mask by a Gaussian blur of this many mask pixels.",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(OVERLAP_MODES),
                    default=OVERLAP_MODES[0],
                    tooltip="Where masks overlap: 'blend' shares the pixel, 'front' gives it to "
                    "the later mask.",
                ),
            ],
            outputs=region_outputs(),
        )

    @classmethod
    def execute(
        cls, masks: list[torch.Tensor], feather_px: list[float], overlap: list[str]
    ) -> io.NodeOutput:
        require_choice("overlap", overlap[0], OVERLAP_MODES)
        single = [m for batch in masks for m in (batch if batch.ndim == 3 else batch[None])]
        regions = RegionSet.from_masks(
            single,
            feather_px=feather_px[0],
            overlap="front" if overlap[0] == "front" else "blend",
        )
        return regions_output(regions)


def regions_output(regions: RegionSet) -> io.NodeOutput:
    """Values for ``region_outputs``."""
    masks = regions.masks(MASK_SIZE_PX, MASK_SIZE_PX)
    return io.NodeOutput(regions, masks, label_regions(masks))

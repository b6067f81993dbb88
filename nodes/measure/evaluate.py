"""Measures as nodes: fidelity, Frechet distance of folders, region-prompt alignment, seams."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io, ui

from ...attention.canvas.regions import RegionSet
from ...attention.errors import PromptError
from ...evaluation.alignment import Alignment, align
from ...evaluation.errors import EvaluationError
from ...evaluation.fidelity import NETS, Net, compare, try_lpips
from ...evaluation.folders import compare_folders, folder_fid
from ...evaluation.heatmap import draw_matrix
from ...evaluation.seam import seam_score
from ...planner.plan import Plan
from ..newer import newer
from ..types import CATEGORY, PlanSocket, Regions, require_choice

_GROUP = f"{CATEGORY}/evaluation"
_NO_NET = "none"


def _net_input() -> io.Input:
    return io.Combo.Input(
        "lpips_net",
        options=[_NO_NET, *NETS],
        default=_NO_NET,
        tooltip="Backbone of LPIPS. Its weights must be on this machine; where they are not, the "
        "report says how to get them and the other measures are still computed.",
    )


def _chosen_net(name: str) -> Net | None:
    require_choice("lpips_net", name, (_NO_NET, *NETS))
    return next((net for net in NETS if net == name), None)


class CompareImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_CompareImages",
            display_name="Compare Images (PSNR, SSIM, LPIPS)",
            category=_GROUP,
            description="How far pictures are from their references.",
            inputs=[
                io.Image.Input("images", tooltip="A picture or a batch."),
                io.Image.Input("reference", tooltip="As many, or one for all. Of the same size."),
                _net_input(),
            ],
            outputs=[
                io.Float.Output(display_name="psnr_db", tooltip="Mean over the batch, in dB."),
                io.Float.Output(display_name="ssim", tooltip="Mean over the batch, -1 to 1."),
                io.Float.Output(
                    display_name="lpips", tooltip="Mean over the batch; NaN if not computed."
                ),
                io.String.Output(display_name="report"),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, images: torch.Tensor, reference: torch.Tensor, lpips_net: str
    ) -> io.NodeOutput:
        network, problem = try_lpips(_chosen_net(lpips_net))
        found = compare(images.cpu(), reference.cpu(), network, problem)
        psnr_db, ssim = fmean(found.psnr_db), fmean(found.ssim)
        distance = math.nan if found.lpips is None else fmean(found.lpips)
        lines = [f"PSNR {psnr_db:.2f} dB, SSIM {ssim:.4f}, {len(found.ssim)} pictures."]
        if found.lpips is not None:
            lines.append(f"LPIPS ({lpips_net}) {distance:.4f}.")
        report = "\n".join([*lines, *([problem] if problem else [])])
        return io.NodeOutput(psnr_db, ssim, distance, report, ui=ui.PreviewText(report))


class CompareFolders(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        where = "A folder in ComfyUI's output or input folder, such as output/regional."
        return io.Schema(
            node_id="RegionalDiT_CompareFolders",
            display_name="Compare Folders (FID, PSNR, SSIM, LPIPS)",
            category=_GROUP,
            description="Frechet Inception distance between two folders of pictures (rFID, if one "
            "holds the other's reconstructions), and the mean fidelity of pictures of the same "
            "name.",
            inputs=[
                io.String.Input("folder", default="output/regional", tooltip=where),
                io.String.Input("reference_folder", default="output/merged", tooltip=where),
                _net_input(),
            ],
            outputs=[
                io.Float.Output(display_name="fid", tooltip="NaN if it could not be computed."),
                io.String.Output(display_name="report"),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> float:
        return math.nan  # the folders may have changed: never taken from the cache

    @classmethod
    def execute(cls, folder: str, reference_folder: str, lpips_net: str) -> io.NodeOutput:
        first, second = _inside(folder), _inside(reference_folder)
        result = folder_fid(first, second)
        distance = math.nan if result.distance is None else result.distance
        lines = [f"FID {distance:.3f}, {result.n_first} and {result.n_second} pictures."]
        lines += [result.note] if result.note else []
        try:
            pairs = list(compare_folders(first, second, _chosen_net(lpips_net)).values())
        except EvaluationError as error:
            lines.append(str(error))
        else:
            psnr_db = fmean(x for p in pairs for x in p.psnr_db)
            ssim = fmean(x for p in pairs for x in p.ssim)
            lines.append(f"{len(pairs)} pairs: PSNR {psnr_db:.2f} dB, SSIM {ssim:.4f}.")
            lines += [pairs[0].lpips_problem] if pairs[0].lpips_problem else []
            measured = [x for p in pairs for x in p.lpips or ()]
            lines += [f"LPIPS ({lpips_net}) {fmean(measured):.4f}."] if measured else []
        report = "\n".join(lines)
        return io.NodeOutput(distance, report, ui=ui.PreviewText(report))


def _inside(name: str) -> Path:
    """A folder below ComfyUI's output or input folder.

    Raises:
        EvaluationError: the name leads elsewhere.
    """
    roots = {
        "output": Path(folder_paths.get_output_directory()).resolve(),
        "input": Path(folder_paths.get_input_directory()).resolve(),
    }
    head, _, rest = name.strip().replace("\\", "/").partition("/")
    root = roots.get(head)
    folder = None if root is None else (root / rest).resolve()
    if root is None or folder is None or not folder.is_relative_to(root):
        raise EvaluationError(
            f"{name!r} is no folder in ComfyUI's output or input folder; write output/NAME or "
            "input/NAME."
        )
    return folder


class RegionAlignment(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionAlignment",
            display_name="Region-Prompt Alignment (CLIP)",
            category=_GROUP,
            description="Compare the crop of every region with the prompt of every region by CLIP. "
            "The diagonal of the matrix is what was asked for; all else is leakage.",
            **newer("clip score", "region leakage", "prompt adherence"),
            inputs=[
                io.Image.Input("images", tooltip="A picture or a batch with the same regions."),
                Regions.Input("regions", tooltip="The regions of the run."),
                io.ClipVision.Input("clip_vision", tooltip="A CLIP vision model, from Load CLIP "
                                    "Vision."),
                io.Clip.Input("clip", tooltip="The text half of the same CLIP, not the text "
                              "encoder of the diffusion model."),
                io.String.Input("prompts", default="", multiline=True,
                                tooltip="One prompt per line and region, if no plan is connected."),
                PlanSocket.Input("plan", optional=True, tooltip="What was asked for."),
            ],
            outputs=[
                io.Float.Output(display_name="dominance",
                                tooltip="Share of regions whose own prompt fits best, 0 to 1."),
                io.Float.Output(display_name="leakage",
                                tooltip="Weight of the other regions' prompts, 0 to 1."),
                io.Float.Output(display_name="own_score",
                                tooltip="Mean cosine of a crop and its own prompt."),
                io.Image.Output(display_name="matrix", tooltip="The confusion matrix."),
                io.String.Output(display_name="table"),
                io.String.Output(display_name="confusion", tooltip="The matrix as JSON."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        regions: RegionSet,
        clip_vision: Any,
        clip: Any,
        prompts: str,
        plan: Plan | None = None,
    ) -> io.NodeOutput:
        texts = (
            [line.strip() for line in prompts.splitlines() if line.strip()]
            if plan is None
            else [region.prompt() for region in plan.regions]
        )
        if not texts:
            raise PromptError("There are no prompts: connect the plan, or write one per line.")
        found = align(images, regions, texts, clip_vision, clip)
        table = alignment_table(found, texts)
        return io.NodeOutput(
            found.dominance,
            found.leakage,
            found.own,
            draw_matrix(found.confusion),
            table,
            matrix_json(found),
            ui=ui.PreviewText(table),
        )


def matrix_json(found: Alignment) -> str:
    """The confusion matrix as JSON, which a sweep's report can read."""
    return json.dumps([[round(float(x), 4) for x in row] for row in found.confusion])


def alignment_table(found: Alignment, prompts: list[str]) -> str:
    """The confusion matrix in Markdown, and the three numbers."""
    count = len(prompts)
    lines = [
        f"| region | {' | '.join(f'prompt {j + 1}' for j in range(count))} |",
        f"|---|{'---|' * count}",
    ]
    for index, (prompt, row) in enumerate(zip(prompts, found.confusion, strict=True), 1):
        lines.append(f"| {index}. {prompt} | {' | '.join(f'{float(x):.2f}' for x in row)} |")
    lines += [
        "",
        f"Own prompt fits best in {found.dominance:.0%} of the regions; leakage "
        f"{found.leakage:.2f}; mean own score {found.own:.3f}.",
    ]
    return "\n".join(lines)


class SeamScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_SeamScore",
            display_name="Seam Score",
            category=_GROUP,
            description="How visible the borders between regions are: 1 = no more than what lies "
            "beside them.",
            **newer("visible borders", "region boundary"),
            inputs=[
                io.Image.Input("images", tooltip="A picture or a batch with the same regions."),
                Regions.Input("regions", tooltip="Whose borders are looked at."),
            ],
            outputs=[
                io.Float.Output(display_name="seam", tooltip="Mean over the batch."),
                io.String.Output(display_name="report"),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: torch.Tensor, regions: RegionSet) -> io.NodeOutput:
        scores = seam_score(images.cpu(), regions)
        report = f"Seam score {fmean(scores):.2f} (per picture: " + (
            ", ".join(f"{score:.2f}" for score in scores) + "); 1 = no seam."
        )
        return io.NodeOutput(fmean(scores), report, ui=ui.PreviewText(report))

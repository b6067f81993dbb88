"""Progressive Depth: both levels of the prompts, each in its own layers, by a preset."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui

from ...attention.families import find_family
from ...attention.rules import Rule
from ...attention.sampling.depth import DEPTH_PRESETS, DepthPreset, depth_patches
from ...attention.text.prompts import RegionalPrompts
from ..newer import newer
from ..types import CATEGORY, Regional, RuleSocket, share_input
from .patch import install_reported, patch_outputs


class ProgressiveDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_ProgressiveDepth",
            display_name="Progressive Depth (preset)",
            category=CATEGORY,
            description="Two patches in one: the high-level prompts in one part of the layers, the "
            "low-level prompts in the other, at the same time. For ranges and percents of your "
            "own put two Patch DiT Cross-Attention in a row instead.",
            **newer("progressive prompts", "layer range", "high low level prompts"),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch."),
                io.Combo.Input(
                    "preset",
                    options=list(DEPTH_PRESETS),
                    default=DEPTH_PRESETS[0],
                    tooltip="Which level goes to the deep layers; uniform: the whole prompts in "
                    "all layers.",
                ),
                io.Int.Input(
                    "split_layer",
                    default=-1,
                    min=-1,
                    max=1000,
                    tooltip="First deep layer. -1: 21 of 40, the share of the paper's settings. "
                    "Not used by uniform.",
                ),
                share_input(
                    "base_ratio",
                    default=0.3,
                    tooltip="Share of the global prompt inside the regions. Not used when a rule "
                    "is connected.",
                ),
                Regional.Input(
                    "regional_high",
                    optional=True,
                    tooltip="From a Regional Conditioning with level high.",
                ),
                Regional.Input(
                    "regional_low",
                    optional=True,
                    tooltip="From a Regional Conditioning with level low that has the other's "
                    "positive as input.",
                ),
                Regional.Input(
                    "regional_whole",
                    optional=True,
                    tooltip="From a Regional Conditioning with level both; for uniform only.",
                ),
                RuleSocket.Input(
                    "rule", optional=True, tooltip="Another rule than 'couple', for both levels."
                ),
            ],
            outputs=patch_outputs(),
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        preset: DepthPreset,
        split_layer: int,
        base_ratio: float,
        regional_high: RegionalPrompts | None = None,
        regional_low: RegionalPrompts | None = None,
        regional_whole: RegionalPrompts | None = None,
        rule: Rule | None = None,
    ) -> io.NodeOutput:
        family = find_family(model.model)
        patches = depth_patches(
            preset,
            split_layer,
            family.n_layers(model.model),
            rule or family.default_rule(base_ratio),
            regional_high,
            regional_low,
            regional_whole,
        )
        reports = []
        for patch in patches:
            model, _, report = install_reported(model, patch, base_ratio if rule else None)
            reports.append(report)
        report = "\n\n".join(reports)
        return io.NodeOutput(model, report, ui=ui.PreviewText(report))

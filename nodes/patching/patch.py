"""Patch DiT Cross-Attention (layers a..b)."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui

from ...attention.calls.schedule import PercentRange, layer_range
from ...attention.families import find_family
from ...attention.rules import Rule
from ...attention.sampling.host import install, patches_of
from ...attention.sampling.report import patch_report
from ...attention.sampling.run import RegionalPatch
from ...attention.text.prompts import RegionalPrompts
from ..newer import newer
from ..types import CATEGORY, Regional, RuleSocket, percents_in_order, share_input
from .preflight import preflight


def patch_outputs() -> list[io.Output]:
    """The outputs of every node that patches a model."""
    return [
        io.Model.Output(display_name="model"),
        io.String.Output(display_name="report", tooltip="What was patched, in words."),
    ]


def install_reported(
    model: Any, patch: RegionalPatch, unused_base_ratio: float | None
) -> tuple[Any, RegionalPatch, str]:
    """A patched clone of the model, the patch with its rule fitted to the blocks, and the report.

    Args:
        model: the ModelPatcher.
        patch: to install.
        unused_base_ratio: the node's base ratio where a connected rule replaces it.
    """
    patched = install(model, patch)
    fitted = patches_of(patched)[-1]
    family = find_family(model.model)
    report = patch_report(family, family.n_layers(model.model), fitted, unused_base_ratio)
    return patched, fitted, report


class PatchCrossAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_PatchCrossAttention",
            display_name="Patch DiT Cross-Attention (layers a..b)",
            category=CATEGORY,
            description="Make the model follow one prompt per region, in a range of layers and in "
            "a part of the denoising. Connect the model to the sampler, and the positive output of "
            "Regional Conditioning to the sampler's positive. Several of these in a row compose; "
            "in a layer that two of them claim, the later one acts.",
            **newer(
                "attention couple",
                "regional attention",
                "regional prompter",
                "latent couple",
                "attention mask",
            ),
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A diffusion model with cross-attention (HunyuanDiT, PixArt, SDXL, "
                    "Wan ...) or joint attention (Flux, SD3.5, Qwen-Image ...).",
                ),
                Regional.Input("regional", tooltip="From Regional Conditioning."),
                io.Int.Input(
                    "first_layer",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="First transformer block that is patched, counted from 0.",
                ),
                io.Int.Input(
                    "last_layer",
                    default=-1,
                    min=-1,
                    max=1000,
                    tooltip="Last block that is patched. -1: what the rule asks for (most: all "
                    "blocks; rcac: 21 of 40).",
                ),
                share_input(
                    "start_percent",
                    default=0.0,
                    tooltip="Part of the denoising at which the patch begins, 0 = first step.",
                ),
                share_input(
                    "end_percent",
                    default=1.0,
                    tooltip="Part of the denoising at which the patch ends, 1 = last step.",
                ),
                share_input(
                    "base_ratio",
                    default=0.1,
                    tooltip="Share of the global prompt inside the regions. 0: regions see their "
                    "own prompt alone; higher: one coherent scene, less separation. Not used when "
                    "a rule is connected.",
                ),
                RuleSocket.Input(
                    "rule",
                    optional=True,
                    tooltip="Another rule than the default with the base ratio above: 'couple' for "
                    "cross-attention, 'bind' for joint attention.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The latent that will be sampled. Only for the report: the token grid "
                    "and how many tokens each region owns.",
                ),
            ],
            outputs=patch_outputs(),
        )

    @classmethod
    def validate_inputs(cls, start_percent: float, end_percent: float) -> bool | str:
        return percents_in_order(start_percent, end_percent)

    @classmethod
    def execute(
        cls,
        model: Any,
        regional: RegionalPrompts,
        first_layer: int,
        last_layer: int,
        start_percent: float,
        end_percent: float,
        base_ratio: float,
        rule: Rule | None = None,
        latent: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        family = find_family(model.model)
        n_layers = family.n_layers(model.model)
        used_rule = rule or family.default_rule(base_ratio)
        layers = layer_range(
            first_layer, last_layer, n_layers, used_rule.default_last_layer(n_layers)
        )
        patch = RegionalPatch(regional, used_rule, layers, PercentRange(start_percent, end_percent))
        patched, fitted, report = install_reported(model, patch, base_ratio if rule else None)
        report += "\n" + preflight(family, model.model, fitted, latent)
        return io.NodeOutput(patched, report, ui=ui.PreviewText(report))

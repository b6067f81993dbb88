"""Nodes that choose a rule for joint attention."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ...attention.errors import RegionalError
from ...attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux
from ...attention.rules.bias import LIMIT
from ...attention.rules.rpf import PRESETS, UNCOVERED, UNMASKED, Uncovered, Unmasked
from ..types import require_choice
from .cross import rule_schema

CUSTOM = "custom"


def _share(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


def _count(name: str, default: int, least: int, tooltip: str) -> io.Input:
    return io.Int.Input(name, default=default, min=least, max=1000, tooltip=tooltip)


class BindRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "Bind",
            "Bind (default for joint attention)",
            "Each regional prompt sees its region and nothing else, the image sees its own prompts "
            "and the whole image; early on, the middle layers keep the regions apart. For Flux, "
            "SD3, Qwen-Image and other models with joint attention.",
            [
                _share("base_ratio", 0.1, "Share of the global prompt inside the regions."),
                _share(
                    "isolate_until",
                    0.2,
                    "Part of the denoising during which, in the isolated layers, regions see "
                    "neither each other nor the global prompt. 0: never.",
                ),
                _share(
                    "release_at",
                    1.0,
                    "Part of the denoising from which on the model runs unpatched, on the global "
                    "prompt. 1: never. Less joins borders, and fades objects in drawn regions.",
                ),
                _count(
                    "first_isolated_layer",
                    -1,
                    -1,
                    "First layer that is isolated, from 0. -1 in both: the middle layers "
                    "(Flux 19 to 37).",
                ),
                _count("last_isolated_layer", -1, -1, "Last layer that is isolated."),
            ],
        )

    @classmethod
    def execute(
        cls,
        base_ratio: float,
        isolate_until: float,
        release_at: float,
        first_isolated_layer: int,
        last_isolated_layer: int,
    ) -> io.NodeOutput:
        layers = (first_isolated_layer, last_isolated_layer)
        if min(layers) < 0 <= max(layers):
            raise RegionalError(
                f"first_isolated_layer is {layers[0]} and last_isolated_layer is {layers[1]}: set "
                "both, or both to -1 for the middle layers."
            )
        isolated = None if max(layers) < 0 else layers
        return io.NodeOutput(Bind(base_ratio, isolate_until, release_at, isolated))


class RegionalPromptingFluxRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "RPF",
            "RPF (Regional Prompting FLUX)",
            "Regional Prompting for FLUX (arXiv 2411.02395), as the paper and its code have it: "
            "regions that see only themselves, mixed with what the global prompt alone does, in "
            "the first steps.",
            [
                io.Combo.Input(
                    "preset",
                    options=[CUSTOM, *PRESETS],
                    default=CUSTOM,
                    tooltip="Settings of a published example, made for 24 steps: they replace the "
                    "four numbers below. custom: the numbers as they stand.",
                ),
                _share(
                    "base_ratio",
                    0.2,
                    "Share of the global prompt's attention output. Less: regions follow their "
                    "prompts more closely, borders show more.",
                ),
                _count(
                    "inject_steps",
                    10,
                    0,
                    "Steps, from the first, in which regions act; the paper recommends 5 to 10 "
                    "of 24. More: more control, harder borders.",
                ),
                _count(
                    "double_interval", 1, 1, "Mask one of so many double blocks. 1: all of them."
                ),
                _count(
                    "single_interval",
                    1,
                    1,
                    "Mask one of so many single blocks. 2 where borders between regions show.",
                ),
                io.Combo.Input(
                    "unmasked",
                    options=list(UNMASKED),
                    default=UNMASKED[0],
                    tooltip="Blocks that the intervals leave out. leaking: as published, all "
                    "regional prompts act everywhere; pure base: the global prompt alone.",
                ),
                io.Combo.Input(
                    "uncovered",
                    options=list(UNCOVERED),
                    default=UNCOVERED[0],
                    tooltip="Canvas outside of all regions. global prompt: follows it; alone: sees "
                    "no regional prompt and no region, as the bare mask says.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        preset: str,
        base_ratio: float,
        inject_steps: int,
        double_interval: int,
        single_interval: int,
        unmasked: Unmasked,
        uncovered: Uncovered,
    ) -> io.NodeOutput:
        require_choice("preset", preset, [CUSTOM, *PRESETS])
        if preset == CUSTOM:
            rule = RegionalPromptingFlux(base_ratio, inject_steps, double_interval, single_interval)
        else:
            rule = PRESETS[preset]
        return io.NodeOutput(replace(rule, unmasked=unmasked, uncovered=uncovered))


class EliGenRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "EliGen",
            "EliGen",
            "The attention of EliGen (arXiv 2501.01097) without its trained weights: every place "
            "of the image sees the global prompt, its regional prompts and the whole image, at "
            "all steps. Soft masks act softly.",
            [],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(EliGen())


class BiasRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return rule_schema(
            "Bias",
            "Bias",
            "Everything sees everything; between image and regional prompts a number is added to "
            "the scores, more inside the region, less outside, as in FreeFuse (arXiv 2510.23515). "
            "The gentlest rule.",
            [
                io.Float.Input(
                    "own",
                    default=1.0,
                    min=0.0,
                    max=LIMIT,
                    step=0.1,
                    tooltip="Added between a region and its own prompt.",
                ),
                io.Float.Input(
                    "other",
                    default=-5.0,
                    min=-LIMIT,
                    max=0.0,
                    step=0.1,
                    tooltip="Added between a region and the prompts of others.",
                ),
                io.Boolean.Input(
                    "single_blocks",
                    default=False,
                    tooltip="Add it in single blocks as well (Flux: layers 19 to 56).",
                ),
            ],
        )

    @classmethod
    def execute(cls, own: float, other: float, single_blocks: bool) -> io.NodeOutput:
        return io.NodeOutput(Bias(own, other, single_blocks))


JOINT_RULE_NODES: list[type[io.ComfyNode]] = [
    BindRule,
    RegionalPromptingFluxRule,
    EliGenRule,
    BiasRule,
]

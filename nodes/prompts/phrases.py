"""Bind Phrases: which text tokens of the global prompt belong to which region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy_api.latest import io, ui

from ...attention.canvas.regions import RegionSet
from ...attention.errors import PromptError
from ...attention.phrases import (
    BoundPhrase,
    Phrase,
    bind_phrases,
    binding_report,
    parse_phrase_lines,
)
from ...attention.phrases.overwrite import matching_tokens, overwrite_spans
from ...attention.phrases.plain import fold
from ...attention.text.encode import Conditioning, encode_prompts
from ...attention.text.prompts import text_from_conditioning
from ...planner.compose import compose_prompt, contains_phrase
from ...planner.offline.phrase_roles import phrase_roles
from ...planner.plan import Plan, RegionPlan
from ..newer import newer
from ..regions.phrase_picture import binding_rows, draw_regions
from ..regions.preview import region_color
from ..types import CATEGORY, Phrases, PlanSocket, Regions


class BindPhrases(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_BindPhrases",
            display_name="Bind Phrases",
            category=CATEGORY,
            description="Find the text tokens of each region's phrase in the global prompt, with "
            "the model's own tokenizer, and tell the thing's noun from what is said of it. For "
            "rules that tune the attention of single words.",
            **newer("attribute binding", "token indices", "phrase tokens"),
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder that encoded the prompt."),
                Regions.Input("regions", tooltip="One region per phrase, such as from a sketch."),
                io.Conditioning.Input(
                    "positive", tooltip="The encoded prompt, from Regional Conditioning."
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="The global prompt, the very text that 'positive' was encoded from. It "
                    "must contain every phrase word for word.",
                ),
                io.String.Input(
                    "phrases",
                    default="",
                    multiline=True,
                    tooltip="One phrase per line, in the order of the regions. 'a red sports car | "
                    "sports car' names the thing, '| #2' means the second occurrence. Leave empty "
                    "when a plan is connected.",
                ),
                io.Boolean.Input(
                    "overwrite",
                    default=True,
                    tooltip="Put each phrase's own encoding into its place in the prompt, as in "
                    "the paper: less of the other regions' attributes leaks in.",
                ),
                io.Int.Input(
                    "preview_tokens",
                    default=64,
                    min=1,
                    max=256,
                    tooltip="Image tokens along the longer side of the preview's grid: pixels / 16 "
                    "for Flux, SD3.5 and Qwen-Image. For the picture only.",
                ),
                PlanSocket.Input(
                    "plan",
                    optional=True,
                    tooltip="Phrases, what they name and describe: from LLM Progressive Prompt.",
                ),
            ],
            outputs=[
                Phrases.Output(display_name="phrases", tooltip="For a rule that uses phrases."),
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Image.Output(
                    display_name="preview", tooltip="Regions on the token grid, phrases, tokens."
                ),
                io.String.Output(display_name="report", tooltip="The same in words."),
            ],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        regions: RegionSet,
        positive: Conditioning,
        prompt: str,
        phrases: str,
        overwrite: bool,
        preview_tokens: int,
        plan: Plan | None = None,
    ) -> io.NodeOutput:
        wanted = wanted_phrases(phrases, plan, prompt, len(regions))
        master = text_from_conditioning(positive, "the prompt")["cross_attn"]
        binding = bind_phrases(clip, prompt, master.shape[1], wanted, split_phrase)
        if overwrite:
            master = overwritten(clip, master, binding.phrases)
        report = binding_report(binding)
        colors = [_bytes(region_color(index)) for index in range(len(regions))]
        picture = draw_regions(regions, colors, binding_rows(binding, colors), preview_tokens)
        encoded = [[master, dict(positive[0][1])]]
        return io.NodeOutput(binding, encoded, picture, report, ui=ui.PreviewText(report))


def wanted_phrases(text: str, plan: Plan | None, prompt: str, n_regions: int) -> tuple[Phrase, ...]:
    """Phrases from exactly one source, one per region.

    Raises:
        PromptError: no source, both, or not one phrase per region.
    """
    if (plan is not None) == bool(text.strip()):
        got = "both the phrases box and a plan" if plan is not None else "nowhere"
        raise PromptError(
            f"The phrases come from {got}; expected exactly one: the phrases box (one per line) or "
            "a plan. Clear or disconnect the other."
        )
    if plan is None:
        phrases = parse_phrase_lines(text)
    else:
        phrases = tuple(_from_plan(region, prompt) for region in plan.regions)
    if len(phrases) != n_regions:
        raise PromptError(
            f"Got {len(phrases)} phrases for {n_regions} regions. Give exactly one per region, in "
            "the same order."
        )
    return phrases


def _from_plan(region: RegionPlan, prompt: str) -> Phrase:
    """The longest wording of a plan's region that stands in the prompt.

    A regional prompt also repeats background and style, which the global prompt says once.
    """
    wordings = [
        region.prompt(),
        compose_prompt(region.high_level, "", region.instance, region.attributes),
        compose_prompt(region.instance, "", region.instance, region.attributes),
        region.high_level,
        region.instance,
    ]
    whole = fold(prompt)
    text = next((w for w in wordings if w and fold(w) in whole), wordings[0])
    if not contains_phrase(text, region.instance):
        return Phrase(text)
    return Phrase(text, region.instance, region.attributes)


def split_phrase(
    text: str, phrase: Phrase
) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]:
    """Instance and attributes by the planner's word lists, where the phrase does not say them."""
    roles = phrase_roles(text, phrase.instance, phrase.attributes)
    return roles.instance, roles.attributes


def overwritten(clip: Any, master: torch.Tensor, phrases: Sequence[BoundPhrase]) -> torch.Tensor:
    """The master prompt with each phrase's own encoding in its span.

    Args:
        master: [1, T, C].
    """
    encoded = [c[0][0] for c in encode_prompts(clip, [p.text for p in phrases])]
    pairs = []
    for phrase, tensor in zip(phrases, encoded, strict=True):
        alone = bind_phrases(clip, phrase.text, tensor.shape[1], [Phrase(phrase.text)], no_roles)
        pairs.append(matching_tokens(phrase, alone.phrases[0]))
    return overwrite_spans(master, encoded, pairs)


def no_roles(
    text: str, phrase: Phrase
) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]:
    """For a phrase of which only the tokens matter."""
    return (), ()


def _bytes(color: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue

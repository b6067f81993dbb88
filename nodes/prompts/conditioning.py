"""Regional Conditioning, and the list of CONDITIONING it also accepts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from comfy_api.latest import io

from ...attention.canvas.regions import MAX_REGIONS, RegionSet
from ...attention.errors import PromptError
from ...attention.lora.spec import RegionLora
from ...attention.lora.text_encoder import encode_regions, lora_notes
from ...attention.text.encode import Conditioning
from ...attention.text.padding import trim_prompts
from ...attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from ...planner.plan import Plan
from ..newer import advanced, newer
from ..regional.drawn_loras import drawn_loras
from ..types import CATEGORY, Conditionings, Loras, PlanSocket, Regional, Regions, require_choice
from .negatives import encode_negatives, resolve_negatives
from .sources import parse_weights, resolve_prompts

GROWING = "region"  # sockets that the host adds are region0, region1 ...
LEVELS = ("both", "high", "low")


def whole_picture_inputs() -> list[io.String.Input]:
    """The prompt and the negative prompt of the whole picture."""
    return [
        io.String.Input(
            "global_prompt",
            default="",
            multiline=True,
            dynamic_prompts=True,
            tooltip="Prompt of the whole picture and of uncovered canvas. Empty: the "
            "plan's, or all regional prompts joined by commas.",
        ),
        io.String.Input(
            "negative_prompt",
            default="",
            multiline=True,
            dynamic_prompts=True,
            tooltip="What the picture must not show. Empty: the plan's.",
        ),
    ]


class RegionalConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionalConditioning",
            display_name="Regional Conditioning",
            category=CATEGORY,
            description="Encode the global prompt and one prompt per region with the model's own "
            "text encoder (HunyuanDiT: all in one batch). Prompts come from a plan, from the text "
            "box (one per line) or from a list of conditionings.",
            **newer(
                "regional prompt", "attention couple", "regional prompter", "area conditioning"
            ),
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder that was loaded with the model."),
                Regions.Input("regions", tooltip="From Region Split or Regions From Masks."),
                io.String.Input(
                    "prompts",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="One prompt per line, in the order of the regions. Leave empty when a "
                    "plan or conditionings are connected.",
                ),
                *whole_picture_inputs(),
                advanced(
                    io.Combo.Input(
                        "level",
                        options=list(LEVELS),
                        default=LEVELS[0],
                        tooltip="Part of a plan's regional prompts: high = content and layout, "
                        "low = colour, texture, style. Two of these nodes, joined by 'positive', "
                        "send each level to its own layers.",
                    )
                ),
                io.String.Input(
                    "weights",
                    default="",
                    tooltip="Strength per region, such as 1, 0.8, 1.2 (0 to 10). Below 1 the "
                    "global prompt keeps the rest. Empty: the plan's weights, or 1.",
                ),
                advanced(
                    io.Boolean.Input(
                        "trim_padding",
                        default=False,
                        tooltip="Drop the padding tokens of the regional prompts: with Flux by far "
                        "the largest saving of time, at the price of a slightly other picture. "
                        "Only where one text encoder pads (T5 of Flux); the patch's report says "
                        "what was dropped.",
                    )
                ),
                PlanSocket.Input("plan", optional=True, tooltip="From LLM Progressive Prompt."),
                Conditionings.Input(
                    "conditionings",
                    optional=True,
                    tooltip="One conditioning per region instead of texts, from Append Region "
                    "Conditioning.",
                ),
                io.Conditioning.Input(
                    "positive",
                    optional=True,
                    tooltip="The positive of another Regional Conditioning: these regional prompts "
                    "then belong to the same picture as its own, for a second patch in a row.",
                ),
                io.String.Input(
                    "negative_prompts",
                    default="",
                    multiline=True,
                    optional=True,
                    dynamic_prompts=True,
                    tooltip="What single regions must not show: one per line, in the order of the "
                    "regions, an empty line for a region without one. Empty: the plan's. Needs "
                    "cfg above 1.",
                ),
                Conditionings.Input(
                    "negative_conditionings",
                    optional=True,
                    tooltip="One negative conditioning per region instead of texts, from Append "
                    "Region Conditioning.",
                ),
                Loras.Input(
                    "loras",
                    optional=True,
                    tooltip="LoRAs of single regions, from Region LoRA. Those that the Region "
                    "Editor's regions name act without it.",
                ),
            ],
            outputs=[
                Regional.Output(display_name="regional", tooltip="For Patch DiT Cross-Attention."),
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="The global prompt, for the sampler. It carries the id of the regions.",
                ),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="For the sampler. Where regions have negative prompts it carries their "
                    "id.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        regions: RegionSet,
        prompts: str,
        global_prompt: str,
        negative_prompt: str,
        level: Literal["both", "high", "low"],
        weights: str,
        trim_padding: bool = False,
        plan: Plan | None = None,
        conditionings: tuple[Conditioning, ...] | None = None,
        positive: Conditioning | None = None,
        negative_prompts: str = "",
        negative_conditionings: tuple[Conditioning, ...] | None = None,
        loras: tuple[RegionLora, ...] = (),
    ) -> io.NodeOutput:
        require_choice("level", level, LEVELS)
        wanted = resolve_prompts(
            len(regions),
            prompts,
            global_prompt,
            negative_prompt,
            plan,
            conditionings,
            level,
            has_positive=positive is not None,
        )
        unwanted = resolve_negatives(len(regions), negative_prompts, plan, negative_conditionings)
        loras = (*loras, *drawn_loras(plan, regions))
        regions = regions.with_weights(parse_weights(weights, len(regions), plan))
        if positive is None:
            base, *encoded = encode_regions(
                clip, [wanted.base], wanted.regional, loras if wanted.regional else (), regions
            )
            uid = uuid.uuid4().hex
            positive = [[tensor, {**extra, MARKER: uid}] for tensor, extra in base]
        else:
            encoded = encode_regions(
                clip, [], wanted.regional, loras if wanted.regional else (), regions
            )
            uid = _uid_of(positive)
        negative, regional_negative = encode_negatives(
            clip,
            uid,
            regions,
            wanted.negative,
            unwanted,
            negative_conditionings,
            loras,
            trim_padding=trim_padding,
        )
        texts = conditionings or encoded
        notes: tuple[str, ...] = ()
        if trim_padding:
            texts, note = trim_prompts(clip, wanted.regional, texts)
            notes = (note,)
        notes += lora_notes(
            clip,
            loras,
            regions,
            encoded_here=conditionings is None,
            negatives=frozenset(index for index, text in enumerate(unwanted) if text),
        )
        regional = RegionalPrompts(
            uid=uid,
            regions=regions,
            texts=tuple(text_from_conditioning(c, f"region {i + 1}") for i, c in enumerate(texts)),
            prompts=wanted.labels,
            notes=notes,
            negative=regional_negative,
            loras=loras,
        )
        return io.NodeOutput(regional, positive, negative)


def _uid_of(positive: Conditioning) -> str:
    """The id of the regional prompts whose global prompt this is."""
    uids = {extra[MARKER] for _, extra in positive if MARKER in extra}
    if len(uids) != 1:
        raise PromptError(
            f"The connected positive belongs to {len(uids)} sets of regional prompts, expected "
            "one. Connect the 'positive' output of another Regional Conditioning."
        )
    return uids.pop()


class AppendRegionConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_AppendRegionConditioning",
            display_name="Append Region Conditioning",
            category=CATEGORY,
            description="Collect conditionings, one per region, in the order of the regions. "
            "Chain one of these per region, or connect all to one where it grows sockets, and "
            "connect the last to Regional Conditioning.",
            **newer("conditioning list", "combine regional prompts", "attention couple"),
            inputs=[
                io.Conditioning.Input(
                    "conditioning", tooltip="The next region's prompt, from any text encode."
                ),
                Conditionings.Input(
                    "previous", optional=True, tooltip="The regions before this one."
                ),
                *_growing_input(),
            ],
            outputs=[Conditionings.Output(display_name="conditionings")],
        )

    @classmethod
    def execute(
        cls,
        conditioning: Conditioning,
        previous: tuple[Conditioning, ...] | None = None,
        more: Mapping[str, Conditioning | None] | None = None,
    ) -> io.NodeOutput:
        following = [(more or {}).get(f"{GROWING}{index}") for index in range(MAX_REGIONS)]
        given = [c for c in following if c is not None]
        return io.NodeOutput((*(previous or ()), conditioning, *given))


def _growing_input() -> list[io.Input]:
    """Sockets that grow with what is connected, for the regions behind; older hosts have none."""
    autogrow = getattr(io, "Autogrow", None)
    if autogrow is None:
        return []
    template = autogrow.TemplatePrefix(
        io.Conditioning.Input("region", optional=True), GROWING, min=0, max=MAX_REGIONS - 1
    )
    tooltip = "The regions behind this one, in order, instead of a chain of these nodes."
    return [autogrow.Input("more", template, optional=True, tooltip=tooltip)]

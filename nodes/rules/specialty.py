"""Rule: Attention Specialty Tuning."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ...attention.phrases import PhraseBinding
from ...attention.rules import SpecialtyTuning
from ...attention.rules.specialty import FLUX_LAYERS, FORMS, class_layers
from ..types import Phrases, require_choice
from .cross import rule_schema


def _weight(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=20.0, step=0.1, tooltip=tooltip)


def _share(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


class SpecialtyTuningRule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        schema = rule_schema(
            "SpecialtyTuning",
            "Attention Specialty Tuning",
            "Pull each region to the words of its phrase, layer by layer: the thing's noun in "
            "early layers, the background in the middle, what is said of the thing in late ones "
            "(arXiv 2504.10148). The prompt stays one sentence that contains every phrase.",
            [
                Phrases.Input("phrases", tooltip="From Bind Phrases."),
                _weight("image_weight", 3.5, "Image to image: how much a region keeps to itself."),
                _weight("text_weight", 3.5, "Text to text: how much a phrase keeps to itself."),
                _weight("cross_weight", 5.0, "Image to text: how much a region is pulled to its "
                        "phrase."),
                _weight("decay", 3.0, "Exponent of sigma: the tuning fades as sigma^decay. 0: no "
                        "fading."),
                _share("tuned_share", 0.5, "Share of the steps that are tuned, from the first on; "
                       "the paper tunes 16 of 32."),
                io.Combo.Input(
                    "form",
                    options=list(FORMS),
                    default="additive",
                    tooltip="'additive' shifts the scores and keeps fused attention; 'exact' "
                    "multiplies the softmaxed map as in the paper, in slices: slower, same memory.",
                ),
                io.Boolean.Input(
                    "regional_text",
                    default=False,
                    tooltip="Also bind each region's own prompt to it, as the rule 'bind' does. "
                    "The paper has the one prompt only.",
                ),
                _share("base_ratio", 0.3, "Share of the global prompt inside the regions. Only "
                       "with regional_text."),
            ],
        )  # fmt: skip
        schema.outputs.append(
            io.String.Output(display_name="layers", tooltip="What each layer of Flux is tuned to.")
        )
        return schema

    @classmethod
    def execute(
        cls,
        phrases: PhraseBinding,
        image_weight: float,
        text_weight: float,
        cross_weight: float,
        decay: float,
        tuned_share: float,
        form: str,
        regional_text: bool,
        base_ratio: float,
    ) -> io.NodeOutput:
        require_choice("form", form, FORMS)
        rule = SpecialtyTuning(
            phrases,
            image_weight,
            text_weight,
            cross_weight,
            decay,
            tuned_share,
            FORMS[FORMS.index(form)],
            regional_text,
            base_ratio,
        )
        report = layers_report()
        return io.NodeOutput(rule, report, ui=ui.PreviewText(report))


def layers_report() -> str:
    """The table of layers in words, for Flux's 57."""
    lines = [
        f"  {first} to {last}: {name}" for name, (first, last) in class_layers(FLUX_LAYERS).items()
    ]
    return "\n".join([f"Layers of {FLUX_LAYERS}, scaled by depth in other models:", *lines])

"""Workflows for Attention Specialty Tuning: a painted sketch as the layout of one prompt."""

from __future__ import annotations

from dataclasses import dataclass

from common_nodes import BLUE, GREEN, GREY, VIOLET, add_conditioning, add_patch, show_text
from joint_models import NOTE_PX, Checkpoint, add_joint_latent, add_models, add_picture
from node_schemas import Schemas
from ui_graph import Graph

SKETCH_FILE = "regional_dit_sketch.png"


@dataclass(frozen=True, slots=True)
class Sketch:
    """A painted layout: legend, and a prompt that contains every phrase."""

    checkpoint: Checkpoint
    prompt: str
    legend: str
    prefix: str
    steps: int = 32
    seed: int = 1


def build_sketch(schemas: Schemas, setting: Sketch) -> Graph:
    """Attention Specialty Tuning: a painted layout and one prompt."""
    checkpoint = setting.checkpoint
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    graph.note(
        f"## {checkpoint.title}, a sketch as the layout\n{checkpoint.where()}\n\n"
        f"Drop *workflows/{SKETCH_FILE}* of this pack (or a sketch of your own) on *Load Image*. "
        "White is background; every other colour is a region, named in the legend.\n\n"
        "**Attention Specialty Tuning** (arXiv 2504.10148) pulls each region to the words of its "
        "phrase: the noun in early layers, the background in the middle, attributes in late ones, "
        "in the first half of the steps.\n\n"
        "- The prompt must contain every phrase of the legend word for word.\n"
        "- The sampler's positive is that of *Bind Phrases*.\n"
        "- Lower the weights where objects look cut out; raise them where they stray.",
        NOTE_PX + 25,
    )
    models = add_models(graph, checkpoint)
    latent = add_joint_latent(graph, checkpoint)
    graph.column("Sketch", 400, BLUE)
    image = graph.node("LoadImage", inputs={"image": SKETCH_FILE}, picture_px=260)
    sketch = graph.node(
        "RegionalDiT_RegionsFromSketch",
        inputs={"image": image.out("IMAGE"), "legend": setting.legend},
    )
    graph.node("PreviewImage", "Regions", inputs={"images": sketch.out("preview")}, picture_px=240)
    graph.column("Prompt and phrases", 430, GREEN)
    prompt = graph.node("PrimitiveStringMultiline", "Prompt", inputs={"value": setting.prompt})
    conditioning = add_conditioning(
        graph, models.clip, sketch,
        global_prompt=prompt.out("STRING"),
        prompts=sketch.out("phrases"),
        negative_prompt=checkpoint.negative_prompt,
    )  # fmt: skip
    bound = graph.node(
        "RegionalDiT_BindPhrases",
        inputs={
            "clip": models.clip,
            "regions": sketch.out("regions"),
            "positive": conditioning.out("positive"),
            "prompt": prompt.out("STRING"),
            "phrases": sketch.out("phrases"),
        },
        text_box_px=70,
    )
    show_text(graph, "Phrases and tokens", bound.out("report"), 220)
    graph.column("Regional prompting", 430, VIOLET)
    rule = graph.node("RegionalDiT_RuleSpecialtyTuning", inputs={"phrases": bound.out("phrases")})
    patch = add_patch(
        graph, models.model, conditioning, rule=rule.out("rule"), latent=latent.out("LATENT")
    )
    graph.node("PreviewImage", "Phrases", inputs={"images": bound.out("preview")}, picture_px=260)
    add_picture(
        graph, checkpoint, models, patch, conditioning, latent, setting.prefix,
        positive=bound.out("positive"),
        seed=setting.seed,
        steps=setting.steps,
    )  # fmt: skip
    return graph

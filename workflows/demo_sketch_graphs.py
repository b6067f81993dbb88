"""A workflow for the tiny Flux: one prompt, its phrases tuned to a layout."""

from __future__ import annotations

from dataclasses import dataclass

from common_nodes import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_drawing,
    add_image,
    add_latent,
    add_patch,
    add_saved,
    add_score,
    show_text,
)
from demo_graphs import SCHEDULERS
from node_schemas import Schemas
from ui_graph import Graph


@dataclass(frozen=True, slots=True)
class DemoSketch:
    """A layout for the tiny Flux: one prompt that contains every phrase, and the phrases' boxes."""

    phrases: tuple[tuple[str, tuple[float, float, float, float]], ...]
    prompt: str
    size_px: int = 256
    steps: int = 8
    image_weight: float = 2.0
    cfg: float = 4.0
    seed: int = 1


def build_demo_sketch(schemas: Schemas, sketch: DemoSketch) -> Graph:
    """Attention Specialty Tuning in the tiny Flux: one prompt, its phrases bound to a drawing."""
    n = len(sketch.phrases)
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(
        "## A layout for one prompt, in a tiny Flux\n"
        "The *Region Editor* holds the layout; the prompt stays **one sentence**. *Bind Phrases* "
        "finds each region's phrase in it, token by token.\n\n"
        "**Attention Specialty Tuning** (arXiv 2504.10148) pulls each region to the words of its "
        "phrase in the first half of the steps.\n\n"
        "- The prompt must contain every phrase word for word; for this model without articles.\n"
        "- The sampler's positive is that of *Bind Phrases*.\n"
        "- Drag a region and run again: its object follows.",
        300,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader", inputs={"model": "flux"})
    latent = add_latent(graph, sketch.size_px)
    graph.column("Layout", 540, BLUE)
    editor = add_drawing(graph, sketch.phrases, sketch.prompt, latent)
    graph.column("Prompt and phrases", 430, GREEN)
    conditioning = add_conditioning(graph, loader.out("CLIP"), editor, plan=editor.out("plan"))
    bound = graph.node(
        "RegionalDiT_BindPhrases",
        inputs={
            "clip": loader.out("CLIP"),
            "regions": editor.out("regions"),
            "positive": conditioning.out("positive"),
            "prompt": sketch.prompt,
            "phrases": "\n".join(phrase for phrase, _ in sketch.phrases),
        },
        text_box_px=120,
    )
    show_text(graph, "Phrases and tokens", bound.out("report"), 220)
    graph.column("Regional prompting", 430, VIOLET)
    rule = graph.node(
        "RegionalDiT_RuleSpecialtyTuning",
        inputs={"phrases": bound.out("phrases"), "image_weight": sketch.image_weight},
    )
    patch = add_patch(
        graph, loader.out("MODEL"), conditioning, rule=rule.out("rule"), latent=latent.out("LATENT")
    )
    graph.node("PreviewImage", "Phrases", inputs={"images": bound.out("preview")}, picture_px=260)
    graph.column("Sample", 360, AMBER)
    image = add_image(
        graph, patch.out("model"), conditioning, latent, loader.out("VAE"),
        positive=bound.out("positive"),
        seed=sketch.seed,
        steps=sketch.steps,
        cfg=sketch.cfg,
        scheduler=SCHEDULERS["flux"],
    )  # fmt: skip
    graph.column("Is the right object in the right region?", 460, BLUE)
    add_saved(graph, image, "demo_flux/sketch", 520)
    add_score(graph, image, editor, editor, 150 + 18 * n)
    return graph


DEMO_SKETCHES = {
    "demo_flux_sketch": DemoSketch(
        phrases=(
            ("red circle", (0.04, 0.08, 0.5, 0.58)),
            ("green triangle", (0.56, 0.04, 0.96, 0.44)),
            ("blue square", (0.5, 0.5, 0.96, 0.96)),
        ),
        prompt="red circle, green triangle, blue square, black background",
        seed=4,
    ),
}

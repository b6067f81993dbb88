"""Workflows for the demo models: regions of a grid, regions that are drawn, a tuned sketch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from common_nodes import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_image,
    add_images,
    add_latent,
    add_patch,
    add_planner,
    add_regions,
    add_saved,
    add_score,
    add_simple,
    show_text,
)
from node_schemas import Schemas
from ui_graph import Graph


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: the sentence, the grid and the settings that were measured to do best.

    ``folder`` is where pictures are saved, below the output folder.
    """

    sentence: str
    rows: int
    columns: int
    size_px: int
    model: str = "hunyuan_dit"
    folder: str = "demo"
    overlap: float = 0.0
    feather: float = 0.0
    base_ratio: float = 0.1
    start_percent: float = 0.0
    end_percent: float = 1.0
    steps: int = 40
    cfg: float = 4.0
    seed: int = 1


TINY_FLUX: dict[str, Any] = {
    "model": "flux", "folder": "demo_flux", "base_ratio": 0.3, "steps": 20
}  # fmt: skip
"""What a :class:`Demo` of the tiny Flux has else than one of the tiny HunyuanDiT."""
SCHEDULERS = {"hunyuan_dit": "sgm_uniform", "flux": "simple"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawing in the Region Editor for the demo model: prompts with their boxes."""

    regions: tuple[tuple[str, tuple[float, float, float, float]], ...]
    global_prompt: str
    size_px: int = 256
    base_ratio: float = 0.1
    steps: int = 40
    cfg: float = 4.0
    seed: int = 1


JOINT_HINT = "; another rule of joint attention, such as *Rule: RPF*, goes into its *rule*."


def build_demo(schemas: Schemas, demo: Demo) -> Graph:
    """The demo model twice with one seed: with the patch, and with the merged prompt alone."""
    n = demo.rows * demo.columns
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    flux = demo.model == "flux"
    graph.note(
        f"## {n} regions, {n} prompts{' in a tiny Flux' if flux else ''}\n"
        "Both samplers have the same seed, steps and prompt for the whole picture. The upper one "
        "also follows **one prompt per region**; the lower one shows what the merged prompt alone "
        "gives.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*: circles, squares and triangles in "
        "red, green, blue, yellow, purple, orange, cyan and white, on a black, gray, brown or pink "
        "background.\n"
        "- Change the split, the overlap and the feather in *Region Split*.\n"
        "- Raise *base_ratio* in *Patch DiT Cross-Attention* for less separation"
        f"{JOINT_HINT if flux else '.'}\n"
        "- Give both KSamplers the same new seed.",
        300,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader", inputs={"model": demo.model})
    latent = add_latent(graph, demo.size_px)
    split = add_regions(graph, demo.rows, demo.columns, demo.feather, demo.overlap)
    graph.column("Prompts", 430, GREEN)
    plan = add_planner(graph, demo.sentence, n, split)
    graph.column("Regional prompting", 400, VIOLET)
    conditioning = add_conditioning(graph, loader.out("CLIP"), split, plan=plan.out("plan"))
    patch = add_patch(
        graph, loader.out("MODEL"), conditioning,
        latent=latent.out("LATENT"),
        start_percent=demo.start_percent,
        end_percent=demo.end_percent,
        base_ratio=demo.base_ratio,
    )  # fmt: skip
    graph.column("Same seed, with and without the patch", 380, AMBER)
    images = add_images(
        graph,
        {
            "regional": (patch.out("model"), conditioning),
            "merged prompt": (loader.out("MODEL"), conditioning),
        },
        latent,
        loader.out("VAE"),
        seed=demo.seed,
        steps=demo.steps,
        cfg=demo.cfg,
        scheduler=SCHEDULERS[demo.model],
    )
    graph.column("Is the right object in the right region?", 600, BLUE)
    regional, merged = images["regional"], images["merged prompt"]
    add_saved(graph, regional, f"{demo.folder}/regional", 300, "Save, regional")
    add_saved(graph, merged, f"{demo.folder}/merged", 300, "Save, merged prompt")
    add_score(graph, regional, split, plan, 150 + 18 * n, merged=merged.out("IMAGE"))
    return graph


def build_drawn(schemas: Schemas, drawn: Drawn) -> Graph:
    """The demo model with regions from the Region Editor."""
    n = len(drawn.regions)
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(
        "## Draw the regions\n"
        "The *Region Editor* holds the drawing and the prompts: drag a region, pull its handles, "
        "click it and change its prompt, then run.\n\n"
        "- **Draw** another region by dragging over free canvas, or paint one with the brush.\n"
        "- *weights* shows which token of the model follows which prompt; striped canvas follows "
        "the prompt of the whole picture.\n"
        "- The demo model knows circles, squares and triangles in red, green, blue, yellow, "
        "purple, orange, cyan and white.",
        280,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader")
    latent = add_latent(graph, drawn.size_px)
    graph.column("Draw", 540, BLUE)
    regions = [
        {"high_level": prompt, "box": list(box), "order": index}
        for index, (prompt, box) in enumerate(drawn.regions)
    ]
    plan = {"version": 1, "global_prompt": drawn.global_prompt, "regions": regions}
    editor = graph.node(
        "RegionalDiT_RegionEditor",
        inputs={"plan_json": json.dumps(plan, indent=1), "latent": latent.out("LATENT")},
        text_box_px=690,
    )
    graph.column("Regional prompting", 400, VIOLET)
    conditioning = add_conditioning(graph, loader.out("CLIP"), editor, plan=editor.out("plan"))
    patch = add_patch(
        graph, loader.out("MODEL"), conditioning,
        latent=latent.out("LATENT"),
        base_ratio=drawn.base_ratio,
    )  # fmt: skip
    graph.column("Sample", 360, AMBER)
    graph.node("PreviewImage", "Weights", inputs={"images": editor.out("weights")}, picture_px=390)
    image = add_image(
        graph, patch.out("model"), conditioning, latent, loader.out("VAE"),
        seed=drawn.seed,
        steps=drawn.steps,
        cfg=drawn.cfg,
    )  # fmt: skip
    graph.column("Is the right object in the right region?", 460, BLUE)
    add_saved(graph, image, "drawn/regional", 520)
    add_score(graph, image, editor, editor, 150 + 18 * n)
    return graph


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
    regions = [
        {"high_level": phrase, "box": list(box), "order": index}
        for index, (phrase, box) in enumerate(sketch.phrases)
    ]
    plan = {"version": 1, "global_prompt": sketch.prompt, "regions": regions}
    editor = graph.node(
        "RegionalDiT_RegionEditor",
        inputs={"plan_json": json.dumps(plan, indent=1), "latent": latent.out("LATENT")},
        text_box_px=690,
    )
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


@dataclass(frozen=True, slots=True)
class Simple:
    """Lines of ``prompt @ place`` for the demo model, in one node."""

    lines: str
    global_prompt: str
    size_px: int = 256
    base_ratio: float = 0.1
    steps: int = 40
    cfg: float = 4.0
    seed: int = 2
    as_app: bool = False


def build_simple(schemas: Schemas, simple: Simple) -> Graph:
    """The demo model with one node between the loader and the KSampler."""
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(
        "## Regional prompts in one node\n"
        "Write one region per line, **prompt @ place**, and run. *Regional Prompt (simple)* stands "
        "between any loader and a KSampler: model, positive and negative are its three wires.\n\n"
        "- A place is *left*, *top right*, *center*, *left third* ..., or four numbers: "
        "*0 0 0.5 1*.\n"
        "- Connect the *plan* of a *Region Editor* or an import instead of lines.\n"
        "- The demo model knows circles, squares and triangles in red, green, blue, yellow, "
        "purple, orange, cyan and white; put your own loader in its place for more.",
        280,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader")
    latent = add_latent(graph, simple.size_px)
    graph.column("What goes where", 440, VIOLET)
    prompt = add_simple(
        graph, loader.out("MODEL"), loader.out("CLIP"), simple.lines,
        global_prompt=simple.global_prompt,
        base_ratio=simple.base_ratio,
    )  # fmt: skip
    graph.column("Sample", 360, AMBER)
    image = add_image(
        graph, prompt.out("model"), prompt, latent, loader.out("VAE"),
        seed=simple.seed,
        steps=simple.steps,
        cfg=simple.cfg,
    )  # fmt: skip
    graph.column("Picture", 420, BLUE)
    saved = add_saved(graph, image, "simple/regional", 420)
    if simple.as_app:
        shown = [(prompt, name) for name in ("prompts", "global_prompt", "base_ratio")]
        graph.as_app(shown, [saved])
    return graph

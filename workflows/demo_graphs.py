"""Workflows for the demo models: regions of a grid, and regions that are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from common_nodes import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_drawing,
    add_image,
    add_images,
    add_latent,
    add_patch,
    add_planner,
    add_regions,
    add_saved,
    add_score,
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
    "model": "flux", "folder": "demo_flux", "steps": 24, "cfg": 2.5
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
    editor = add_drawing(graph, drawn.regions, drawn.global_prompt, latent)
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


_TWO = Demo(
    sentence="a red circle on the left and a blue square on the right, black background",
    rows=1, columns=2, size_px=256, seed=2,
)  # fmt: skip
_FOUR = Demo(
    sentence="a red circle, a blue square, a green triangle and a yellow circle on gray "
    "background",
    rows=2, columns=2, size_px=256, seed=2,
)  # fmt: skip
_NINE = Demo(
    sentence="a red circle, a blue square, a green triangle, a yellow square, a purple "
    "triangle, an orange circle, a cyan triangle, a white circle and a red square on black "
    "background",
    rows=3, columns=3, size_px=384, seed=4,
)  # fmt: skip
DEMOS = {
    "demo_2_regions": _TWO,
    "demo_4_regions": _FOUR,
    "demo_9_regions": _NINE,
    "demo_flux_2_regions": replace(_TWO, **TINY_FLUX, seed=4),
    "demo_flux_4_regions": replace(_FOUR, **TINY_FLUX, seed=4),
    "demo_flux_9_regions": replace(_NINE, **TINY_FLUX, seed=7),
}

DRAWINGS = {
    "drawn_3_regions": Drawn(
        regions=(
            ("a red circle on black background", (0.04, 0.08, 0.5, 0.58)),
            ("a green triangle on black background", (0.56, 0.04, 0.96, 0.42)),
            ("a blue square on black background", (0.46, 0.46, 0.96, 0.96)),
        ),
        global_prompt="black background",
    ),
}

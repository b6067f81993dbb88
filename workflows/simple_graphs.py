"""Workflows with one node between the loader and the KSampler."""

from __future__ import annotations

from dataclasses import dataclass, replace

from common_nodes import AMBER, BLUE, GREY, VIOLET, add_image, add_latent, add_saved, add_simple
from node_schemas import Schemas
from ui_graph import Graph


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


TWO_SHAPES = Simple(
    lines="a red circle on black background @ left\na blue square on black background @ right",
    global_prompt="a red circle and a blue square on black background",
)

SIMPLE = {
    "simple_2_regions": TWO_SHAPES,
    "simple_2_regions.app": replace(TWO_SHAPES, as_app=True),
}

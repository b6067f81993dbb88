"""Workflows of the layer ablations: one picture per range of patched layers, all of one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common_nodes import (
    AMBER,
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_image,
    add_latent,
    add_patch,
    add_planner,
    add_regions,
    add_saved,
    add_score,
    show_text,
)
from hunyuan_graphs import (
    HUNYUAN_CHECKPOINT,
    HUNYUAN_NEGATIVE,
    HUNYUAN_SAMPLING,
    HUNYUAN_SIZE_PX,
)
from node_schemas import Schemas
from ui_graph import Graph, Node, Output

Layers = tuple[int, int]
"""First and last patched layer, 0-based and both included."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """One row of pictures: the sentence, and a range of layers for each picture.

    Attributes:
        sentence: to plan four regions from.
        ranges: patched layers; before them comes a picture without the patch.
        prefix: of the saved files.
        is_demo: the demo model and its score, or else HunyuanDiT 1.2 and seams.
        about: the note's first paragraph.
    """

    sentence: str
    ranges: tuple[Layers, ...]
    prefix: str
    is_demo: bool
    about: str
    seed: int = 1


_PREFIX = (
    "The paper's ablation (arXiv 2501.07070, Fig. 6): regional prompts alone in the first layers, "
    "the global prompt in all later ones. Depth and count grow together."
)
_WINDOW = (
    "A window of layers that slides: equally many layers are patched in each picture, so what "
    "changes is depth alone. The global prompt acts in all other layers."
)
_DEMO = "a red circle, a blue square, a green triangle and a yellow circle on gray background"
_ROOM = "green walls, an orange tree outside, a blue chair and a red chair, interior photograph"
_PAPER_COUNTS = (4, 8, 12, 16, 24, 32, 40)  # after 0, the picture without the patch

ABLATIONS = {
    "ablation_demo": Ablation(
        _DEMO, tuple((0, k - 1) for k in range(2, 9, 2)), "ablation/demo", True,
        f"{_PREFIX} The demo model has 8 layers where HunyuanDiT has 40.",
    ),
    "ablation_demo_window": Ablation(
        _DEMO, tuple((k, k + 1) for k in range(0, 8, 2)), "ablation/demo_window", True, _WINDOW,
    ),
    "ablation_hunyuan_dit": Ablation(
        _ROOM, tuple((0, k - 1) for k in _PAPER_COUNTS), "ablation/hunyuan_dit", False, _PREFIX,
    ),
    "ablation_hunyuan_dit_window": Ablation(
        _ROOM, tuple((k, k + 7) for k in range(0, 40, 8)), "ablation/hunyuan_dit_window", False,
        _WINDOW,
    ),
}  # fmt: skip


def build_ablation(schemas: Schemas, setting: Ablation) -> Graph:
    """A column for the model without the patch, and one for each range of layers."""
    graph = Graph(schemas)
    graph.column("Model and canvas", 380, GREY)
    needs = (
        "" if setting.is_demo else f" Put **{HUNYUAN_CHECKPOINT}** into *models/checkpoints* first."
    )
    graph.note(
        f"## Which layers count?\n{setting.about}{needs}\n\n"
        "- Give all KSamplers the same new seed to see another row.\n"
        "- For many seeds, means and plots: *python3 -m headless sweep*, with the files in "
        "*evaluation/sweeps*.",
        260,
    )
    if setting.is_demo:
        loader = graph.node("RegionalDiT_DemoDiTLoader")
    else:
        loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": HUNYUAN_CHECKPOINT})
    latent = add_latent(graph, 256 if setting.is_demo else HUNYUAN_SIZE_PX)
    split = add_regions(graph, 2, 2)
    graph.column("Prompts", 430, GREEN)
    more: dict[str, Any] = {}
    if not setting.is_demo:
        more = {"negative_prompt": HUNYUAN_NEGATIVE, "clip": loader.out("CLIP")}
    plan = add_planner(graph, setting.sentence, 4, split, **more)
    conditioning = add_conditioning(graph, loader.out("CLIP"), split, plan=plan.out("plan"))
    made = _Row(graph, setting, loader, latent, conditioning)
    graph.column("No layer", 380, AMBER)
    _measure(graph, setting, made.picture("no layer", loader.out("MODEL")), split, plan)
    for first, last in setting.ranges:
        name = f"layers {first} to {last}"
        graph.column(name.capitalize(), 400, VIOLET)
        patch = add_patch(
            graph, loader.out("MODEL"), conditioning,
            first_layer=first, last_layer=last, base_ratio=0.0,
        )  # fmt: skip
        _measure(graph, setting, made.picture(name, patch.out("model")), split, plan)
    return graph


@dataclass(frozen=True, slots=True)
class _Row:
    """What all pictures of a row have in common."""

    graph: Graph
    setting: Ablation
    loader: Node
    latent: Node
    conditioning: Node

    def picture(self, name: str, model: Output) -> Node:
        """Sample, decode and save one picture."""
        demo = {"steps": 12, "cfg": 4.0, "sampler_name": "dpmpp_2m"}
        image = add_image(
            self.graph, model, self.conditioning, self.latent, self.loader.out("VAE"), name,
            seed=self.setting.seed, **(demo if self.setting.is_demo else HUNYUAN_SAMPLING),
        )  # fmt: skip
        file_name = name.replace(" ", "_")
        add_saved(self.graph, image, f"{self.setting.prefix}/{file_name}", 330, f"Save, {name}")
        return image


def _measure(graph: Graph, setting: Ablation, image: Node, split: Node, plan: Node) -> None:
    """The demo's score, or the seams."""
    if setting.is_demo:
        add_score(graph, image, split, plan, 200)
        return
    found = graph.node(
        "RegionalDiT_SeamScore",
        inputs={"images": image.out("IMAGE"), "regions": split.out("regions")},
    )
    show_text(graph, "Seams", found.out("report"), 90)

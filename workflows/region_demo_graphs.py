"""Workflows for the demo model in which a region has more than a prompt: a negative, a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common_nodes import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_images,
    add_latent,
    add_patch,
    add_regions,
    add_saved,
)
from node_schemas import Schemas
from ui_graph import Graph, Node, Output

BASE_RATIO, STEPS, CFG = 0.1, 40, 4.0  # what the demo model does best with


@dataclass(frozen=True, slots=True)
class RegionDemo:
    """Columns of the demo model, with and without what the workflow shows.

    Attributes:
        title: heading of the note.
        explained: its text.
        prompts: one per column.
        global_prompt: of the whole picture.
        folder: of the saved pictures.
        negative_prompts: one per column, or none.
        schedules: settings of Region Schedule nodes, one behind the other.
        feather: of the columns.
        seed: of both samplers.
    """

    title: str
    explained: str
    prompts: tuple[str, ...]
    global_prompt: str
    folder: str
    negative_prompts: tuple[str, ...] = ()
    schedules: tuple[dict[str, Any], ...] = ()
    feather: float = 0.0
    seed: int = 1


def build_region_demo(schemas: Schemas, demo: RegionDemo) -> Graph:
    """The demo model twice with one seed; the lower one has the prompts alone."""
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(f"## {demo.title}\n{demo.explained}", 300)
    loader = graph.node("RegionalDiT_DemoDiTLoader")
    latent = add_latent(graph, 256)
    plain = add_regions(graph, 1, len(demo.prompts), demo.feather)
    changed = plain
    if demo.schedules:
        graph.column("When each region acts", 340, GREEN)
    for schedule in demo.schedules:
        changed = graph.node(
            "RegionalDiT_RegionSchedule",
            f"Region Schedule, region {schedule['which']}",
            inputs={"regions": changed.out("regions"), **schedule},
        )
    sampled: dict[str, tuple[Output, Node]] = {}
    for name, regions, unwanted in (
        (demo.folder, changed, demo.negative_prompts),
        ("prompts alone", plain, ()),
    ):
        graph.column(f"Regional prompting, {name}", 430, VIOLET)
        conditioning = add_conditioning(
            graph,
            loader.out("CLIP"),
            regions,
            f"Regional Conditioning, {name}",
            text_box_px=60,
            prompts="\n".join(demo.prompts),
            global_prompt=demo.global_prompt,
            negative_prompts="\n".join(unwanted),
        )
        patch = add_patch(
            graph, loader.out("MODEL"), conditioning,
            latent=latent.out("LATENT"), base_ratio=BASE_RATIO,
        )  # fmt: skip
        sampled[name] = patch.out("model"), conditioning
    graph.column("Same seed", 380, AMBER)
    images = add_images(
        graph, sampled, latent, loader.out("VAE"), seed=demo.seed, steps=STEPS, cfg=CFG
    )
    graph.column("Pictures", 420, BLUE)
    for name, image in images.items():
        prefix = f"region_{demo.folder}/{name.replace(' ', '_')}"
        add_saved(graph, image, prefix, 400, f"Save, {name}")
    return graph


REGION_DEMOS = {
    "region_negative": RegionDemo(
        "A negative prompt for one region",
        "Both columns ask for a red and a blue object. The upper sampler also has the negative "
        "**red** for the *left* column alone (*negative_prompts* of *Regional Conditioning*, one "
        "line per region, an empty line for none): red leaves the left half and stays in the "
        "right one.\n\n"
        "- Write the negative into the second line instead, or into both.\n"
        "- Negatives need cfg above 1, and the sampler the *negative* of the same node.\n"
        "- *negative_prompt* is that of the whole picture, as ever.",
        prompts=("a red triangle, a blue circle, black background",) * 2,
        global_prompt="a red triangle, a blue circle, black background",
        folder="negative",
        negative_prompts=("red", ""),
        seed=1,
    ),
    "region_schedule": RegionDemo(
        "A part of the denoising for each region",
        "The upper sampler gives the two columns unlike times and shares, in one patch: *Region "
        "Schedule* lets the **left** one act during the first half alone, fading out, and the "
        "**right** one all the time, with a base ratio of its own. The lower sampler has the same "
        "prompts without schedules.\n\n"
        "- *outside* keeps a part of a region's weight outside of its time.\n"
        "- Two regions that hand over take the same *ramp*, one ending where the other starts.\n"
        "- *which* lists the regions by number; empty: all of them.",
        prompts=("a yellow square, black background", "a purple circle, black background"),
        global_prompt="a yellow square, a purple circle, black background",
        folder="schedule",
        schedules=(
            {"which": "1", "end_percent": 0.5, "ramp": 0.2},
            {"which": "2", "base_ratio": 0.4},
        ),
        seed=1,
    ),
}

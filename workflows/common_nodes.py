"""The nodes that most of the workflows have in common, with what is connected to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ui_graph import Graph, Node, Output

# Group colours as the editor's own menu offers them.
BLUE, GREEN, VIOLET, AMBER, GREY = "#3f789e", "#88AA88", "#8888AA", "#b58b2a", "#777777"
REPORT_PX = 310  # room below the patch for what it says after a run
SPLITS = {1: "W (columns)", 2: "grid", 3: "grid"}  # by number of rows
Box = tuple[float, float, float, float]
SAMPLING = {"sampler_name": "euler", "scheduler": "sgm_uniform", "denoise": 1.0}


def add_latent(graph: Graph, size_px: int, kind: str = "EmptyLatentImage") -> Node:
    """A square canvas."""
    return graph.node(kind, inputs={"width": size_px, "height": size_px})


def add_drawing(
    graph: Graph,
    regions: Sequence[tuple[str, Box]],
    global_prompt: str,
    latent: Node,
    *,
    overlap: str = "front",
    negative_prompt: str = "",
) -> Node:
    """The Region Editor with prompts and their boxes, the later ones in front."""
    drawn = [
        {"high_level": prompt, "box": list(box), "order": index}
        for index, (prompt, box) in enumerate(regions)
    ]
    plan: dict[str, Any] = {"version": 1, "global_prompt": global_prompt, "regions": drawn}
    if negative_prompt:
        plan["negative_prompt"] = negative_prompt
    return graph.node(
        "RegionalDiT_RegionEditor",
        inputs={
            "plan_json": json.dumps(plan, indent=1),
            "latent": latent.out("LATENT"),
            "overlap": overlap,
        },
        text_box_px=690,
    )


def add_regions(
    graph: Graph, rows: int, columns: int, feather: float = 0.0, overlap: float = 0.0
) -> Node:
    """A column with the split and its picture."""
    graph.column("Regions", 340, BLUE)
    split = graph.node(
        "RegionalDiT_RegionSplit",
        inputs={
            "split": SPLITS[rows],
            "n": rows * columns,
            "rows": max(rows, 2),  # without effect on a split along the width
            "columns": columns,
            "feather": feather,
            "overlap": overlap,
        },
    )
    graph.node("PreviewImage", "Regions", inputs={"images": split.out("preview")}, picture_px=330)
    return split


def add_planner(graph: Graph, sentence: str, n: int, split: Node, **settings: Any) -> Node:
    """The node that makes one prompt per region out of a sentence."""
    return graph.node(
        "RegionalDiT_LLMProgressivePrompt",
        inputs={
            "prompt": sentence,
            "n": n,
            "regions": split.out("regions"),
            **settings,
        },
    )


def add_simple(graph: Graph, model: Output, clip: Output, lines: str, **settings: Any) -> Node:
    """Regional prompting in one node, with room for the report below."""
    return graph.node(
        "RegionalDiT_RegionalPrompt",
        inputs={"model": model, "clip": clip, "prompts": lines, **settings},
        picture_px=REPORT_PX,
    )


def add_conditioning(
    graph: Graph,
    clip: Output,
    regions: Node,
    title: str = "",
    *,
    text_box_px: int = 70,
    **prompts: Any,
) -> Node:
    """The texts of the regions and of the whole picture, encoded."""
    return graph.node(
        "RegionalDiT_RegionalConditioning",
        title,
        inputs={"clip": clip, "regions": regions.out("regions"), **prompts},
        text_box_px=text_box_px,
    )


def add_patch(graph: Graph, model: Output, conditioning: Node, **settings: Any) -> Node:
    """The patch, with room for the report that it shows below itself."""
    return graph.node(
        "RegionalDiT_PatchCrossAttention",
        inputs={
            "model": model,
            "regional": conditioning.out("regional"),
            **settings,
        },
        picture_px=REPORT_PX,
    )


def add_images(
    graph: Graph,
    sampled: Mapping[str, tuple[Output, Node]],
    latent: Node,
    vae: Output,
    **settings: Any,
) -> dict[str, Node]:
    """One image by each (model, conditioning): all KSamplers, then all VAE Decodes.

    Args:
        graph: gets the nodes.
        sampled: name -> model, and the node whose positive and negative it follows; a name goes
            into the titles unless it is empty.
        latent: of all of them.
        vae: of all of them.
        settings: inputs of the KSamplers that differ from ``SAMPLING``.
    """
    samplers = {
        name: graph.node(
            "KSampler",
            name and f"KSampler, {name}",
            inputs={
                "model": model,
                "positive": conditioning.out("positive"),
                "negative": conditioning.out("negative"),
                "latent_image": latent.out("LATENT"),
                **SAMPLING,
                **settings,
            },
        )
        for name, (model, conditioning) in sampled.items()
    }
    return {
        name: graph.node(
            "VAEDecode",
            name and f"VAE Decode, {name}",
            inputs={"samples": sampler.out("LATENT"), "vae": vae},
        )
        for name, sampler in samplers.items()
    }


def add_image(
    graph: Graph,
    model: Output,
    conditioning: Node,
    latent: Node,
    vae: Output,
    name: str = "",
    **settings: Any,
) -> Node:
    """One image; the arguments are those of ``add_images``."""
    return add_images(graph, {name: (model, conditioning)}, latent, vae, **settings)[name]


def add_saved(graph: Graph, image: Node, prefix: str, picture_px: int, title: str = "") -> Node:
    """The node that saves and shows an image."""
    return graph.node(
        "SaveImage",
        title,
        inputs={"images": image.out("IMAGE"), "filename_prefix": prefix},
        picture_px=picture_px,
    )


def add_score(
    graph: Graph, image: Node, regions: Node, plan: Node, height_px: int, **settings: Any
) -> None:
    """Which objects a picture of the demo model has where, as a table."""
    score = graph.node(
        "RegionalDiT_ScoreDemoScene",
        inputs={
            "regional": image.out("IMAGE"),
            "regions": regions.out("regions"),
            "plan": plan.out("plan"),
            **settings,
        },
    )
    show_text(graph, "Score", score.out("table"), height_px)


def show_text(graph: Graph, title: str, text: Any, height_px: int) -> None:
    """A node that shows a text after the run."""
    graph.node("PreviewAny", title, inputs={"source": text}, picture_px=height_px)

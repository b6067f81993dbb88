"""Workflows for Flux in which a region has a reference picture or a ControlNet of its own."""

from __future__ import annotations

from typing import NamedTuple

from common_nodes import (
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_patch,
    add_planner,
    add_regions,
)
from joint_graphs import CONTROLNET, JointRegions
from joint_models import (
    FLUX,
    KONTEXT,
    NOTE_PX,
    LoadedModels,
    add_joint_latent,
    add_models,
    add_picture,
)
from node_schemas import Schemas
from ui_graph import Graph, Node

EXAMPLE = "example.png"  # comes with ComfyUI

REGION_JOINT = {
    "flux_region_controlnets": JointRegions(
        FLUX, 1, 2,
        "a stone tower on a hill on the left and a wooden windmill on the right, photograph",
        "flux/region_controlnets",
    ),
    "flux_kontext_region_references": JointRegions(
        KONTEXT, 1, 2,
        "a man in a red coat on the left and a woman in a green dress on the right, photograph",
        "flux/region_references",
    ),
}  # fmt: skip


class Patched(NamedTuple):
    """A patched model and what it stands on."""

    models: LoadedModels
    latent: Node
    split: Node
    conditioning: Node
    patch: Node


def add_patched(graph: Graph, setting: JointRegions) -> Patched:
    """Models, canvas, regions, planned prompts and the patch with its default rule."""
    checkpoint, n = setting.checkpoint, setting.rows * setting.columns
    models = add_models(graph, checkpoint)
    latent = add_joint_latent(graph, checkpoint)
    split = add_regions(graph, setting.rows, setting.columns)
    graph.column("Prompts", 430, GREEN)
    plan = add_planner(
        graph, setting.sentence, n, split, negative_prompt=checkpoint.negative_prompt
    )
    graph.column("Regional prompting", 430, VIOLET)
    conditioning = add_conditioning(graph, models.clip, split, plan=plan.out("plan"))
    patch = add_patch(graph, models.model, conditioning, latent=latent.out("LATENT"))
    return Patched(models, latent, split, conditioning, patch)


def build_region_controlnets(schemas: Schemas, setting: JointRegions) -> Graph:
    """One ControlNet per column: the host's Apply ControlNet, then Region ControlNet, twice."""
    checkpoint, n = setting.checkpoint, setting.rows * setting.columns
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    graph.note(
        f"## {checkpoint.title}, {n} regions, a ControlNet for each\n"
        f"{checkpoint.where()}\n\n"
        f"The ControlNet is **{CONTROLNET[0]}** from "
        f"[{CONTROLNET[1]}](https://huggingface.co/{CONTROLNET[1]}) in *models/controlnet*.\n\n"
        "Each picture's edges steer one column: *Region ControlNet* multiplies what the ControlNet "
        "before it adds to each token by what its region owns of it. Load two pictures of your "
        "own. The prompts follow the rule **bind**.\n\n"
        "- The picture is stretched over the whole canvas; its content must lie in the column.\n"
        "- Strength and percents are those of *Apply ControlNet*.",
        NOTE_PX + 110,
    )
    models, latent, split, conditioning, patch = add_patched(graph, setting)
    graph.column("Edges of one picture per region", 360, GREEN)
    net = graph.node("ControlNetLoader", inputs={"control_net_name": CONTROLNET[0]})
    edges = []
    for region in range(1, n + 1):
        image = graph.node(
            "LoadImage", f"Load Image, region {region}", inputs={"image": EXAMPLE}, picture_px=240
        )
        edges.append(graph.node("Canny", inputs={"image": image.out("IMAGE")}))
    graph.column("ControlNets", 360, GREEN)
    for region, edge in enumerate(edges, start=1):
        applied = graph.node(
            "ControlNetApplyAdvanced",
            f"Apply ControlNet, region {region}",
            inputs={
                "positive": conditioning.out("positive"),
                "negative": conditioning.out("negative"),
                "control_net": net.out("CONTROL_NET"),
                "image": edge.out("IMAGE"),
                "strength": 0.6,
                "end_percent": 0.5,
                "vae": models.vae,
            },
        )
        conditioning = graph.node(
            "RegionalDiT_RegionControlNet",
            f"Region ControlNet, region {region}",
            inputs={
                "positive": applied.out("positive"),
                "negative": applied.out("negative"),
                "regions": split.out("regions"),
                "which": str(region),
            },
        )
    add_picture(
        graph, checkpoint, models, patch, conditioning, latent, setting.prefix, seed=setting.seed
    )
    return graph


def build_region_references(schemas: Schemas, setting: JointRegions) -> Graph:
    """One reference picture per column, seen by its own region alone."""
    checkpoint, n = setting.checkpoint, setting.rows * setting.columns
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    graph.note(
        f"## {checkpoint.title}, {n} regions, a picture for each\n"
        f"{checkpoint.where()}\n\n"
        "Each *Region Reference* gives a picture to one column: its tokens are seen by the image "
        "and the text of that region and by nothing else, so that two persons do not mix. Load two "
        "pictures of your own. The prompts follow the rule **bind**.\n\n"
        "- Set *region* to 0 for a picture that all regions see.\n"
        "- Leave the prompts short: they say what to do with the picture.",
        NOTE_PX + 60 + 25 * len(checkpoint.files),
    )
    models, latent, _, conditioning, patch = add_patched(graph, setting)
    graph.column("A picture per region", 360, GREEN)
    pictures = []
    for region in range(1, n + 1):
        image = graph.node(
            "LoadImage", f"Load Image, region {region}", inputs={"image": EXAMPLE}, picture_px=240
        )
        scaled = graph.node("FluxKontextImageScale", inputs={"image": image.out("IMAGE")})
        encoded = {"pixels": scaled.out("IMAGE"), "vae": models.vae}
        pictures.append(graph.node("VAEEncode", inputs=encoded))
    graph.column("Which region sees which", 340, GREEN)
    positive = conditioning.out("positive")
    for region, picture in enumerate(pictures, start=1):
        positive = graph.node(
            "RegionalDiT_RegionReference",
            f"Region Reference, region {region}",
            inputs={
                "conditioning": positive, "region": region, "latent": picture.out("LATENT")
            },
        ).out("conditioning")  # fmt: skip
    add_picture(
        graph, checkpoint, models, patch, conditioning, latent, setting.prefix,
        seed=setting.seed, positive=positive,
    )  # fmt: skip
    return graph


BUILD_REGION_JOINT = {
    "flux_region_controlnets": build_region_controlnets,
    "flux_kontext_region_references": build_region_references,
}

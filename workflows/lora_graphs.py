"""A workflow for LoRAs of single regions, on the demo model."""

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
from ui_graph import Graph, Node


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA file with what it looks best with."""

    name: str
    strength: float
    negative: bool = True


@dataclass(frozen=True, slots=True)
class RegionLoras:
    """Two columns, with a prompt and a LoRA each."""

    prompts: tuple[str, str]
    loras: tuple[LoraFile, LoraFile]
    size_px: int = 256
    base_ratio: float = 0.1
    steps: int = 40
    cfg: float = 4.0
    seed: int = 4


def build_region_loras(schemas: Schemas, setting: RegionLoras) -> Graph:
    """Each LoRA in its own region, and beside it both on the whole picture."""
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(
        "## 2 regions, 2 LoRAs\n"
        "The demo model knows neither stripes nor outlines: they come from two small LoRA files. "
        "In the upper row each LoRA acts **in its own region only**; in the lower row both act "
        "everywhere, as two LoRA loaders in a row would have it. Seed and prompts are the same.\n\n"
        "- *regions* of *Region LoRA*: a number, several divided by commas, or *all*.\n"
        "- Chain as many as you like; the last one goes into *Regional Conditioning*.\n"
        "- No weight is merged: the model stays as it is, in any format.",
        270,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader")
    latent = add_latent(graph, setting.size_px)
    split = add_regions(graph, 1, 2)
    graph.column("LoRAs", 330, GREEN)
    own = _chain(graph, setting, ("1", "2"), "its own region")
    everywhere = _chain(graph, setting, ("all", "all"), "everywhere")
    graph.column("Regional prompting", 400, VIOLET)
    sampled = {}
    for name, loras in (("each in its region", own), ("both everywhere", everywhere)):
        conditioning = add_conditioning(
            graph, loader.out("CLIP"), split, f"Regional Conditioning, {name}",
            prompts="\n".join(setting.prompts),
            loras=loras.out("loras"),
        )  # fmt: skip
        patch = add_patch(
            graph, loader.out("MODEL"), conditioning,
            latent=latent.out("LATENT"),
            base_ratio=setting.base_ratio,
        )  # fmt: skip
        sampled[name] = (patch.out("model"), conditioning)
    graph.column("Same seed", 380, AMBER)
    images = add_images(
        graph, sampled, latent, loader.out("VAE"),
        seed=setting.seed,
        steps=setting.steps,
        cfg=setting.cfg,
    )  # fmt: skip
    graph.column("Pictures", 380, BLUE)
    add_saved(graph, images["each in its region"], "lora/regional", 330, "Save, each in its region")
    add_saved(graph, images["both everywhere"], "lora/everywhere", 330, "Save, both everywhere")
    return graph


def _chain(graph: Graph, setting: RegionLoras, regions: tuple[str, str], where: str) -> Node:
    node = None
    for lora, own in zip(setting.loras, regions, strict=True):
        inputs: dict[str, Any] = {
            "lora_name": lora.name,
            "regions": own,
            "strength": lora.strength,
            "negative": lora.negative,
        }
        if node is not None:
            inputs["loras"] = node.out("loras")
        node = graph.node("RegionalDiT_RegionLora", f"Region LoRA, {where}", inputs=inputs)
    assert node is not None
    return node


LORAS = {
    "lora_demo": RegionLoras(
        prompts=(
            "a striped red circle on gray background",
            "an outlined blue square on gray background",
        ),
        loras=(LoraFile("demo striped", 0.9, negative=False), LoraFile("demo outlined", 1.0)),
    ),
}

"""Workflows for what the first paper compares: depth, the merged prompt, and Couple on SDXL."""

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
    add_planner,
    add_regions,
    add_saved,
)
from hunyuan_graphs import (
    FIND_HUNYUAN,
    HUNYUAN_CHECKPOINT,
    HUNYUAN_NEGATIVE,
    HUNYUAN_SAMPLING,
    HUNYUAN_SIZE_PX,
)
from node_schemas import Schemas
from ui_graph import Graph, Node, Output

SDXL_CHECKPOINT = "sd_xl_base_1.0.safetensors"
SDXL_SOURCE = "stabilityai/stable-diffusion-xl-base-1.0"
# Of the public SDXL workflow of arXiv 2501.07070.
SDXL_SAMPLING = {
    "steps": 30,
    "cfg": 6.5,
    "sampler_name": "dpm_2",
    "scheduler": "ddim_uniform",
    "denoise": 0.98,
}
FIRST_DEEP_LAYER, LAST_LAYER = 21, 39  # of HunyuanDiT's 40


@dataclass(frozen=True, slots=True)
class TwoColumns:
    """Two regions beside each other: the sentence to plan, and the border between them."""

    sentence: str
    feather: float = 0.1
    base_ratio: float = 0.3
    seed: int = 1


@dataclass(frozen=True, slots=True)
class _Start:
    """The nodes that all of these workflows begin with."""

    loader: Node
    latent: Node
    regions: Node
    plan: Node


def build_depth(schemas: Schemas, setting: TwoColumns) -> Graph:
    """High-level prompts in the deep layers, low-level prompts in the shallow ones."""
    graph = Graph(schemas)
    start = _start(
        graph,
        setting,
        HUNYUAN_CHECKPOINT,
        "## HunyuanDiT 1.2, progressive depth\n" + FIND_HUNYUAN + "The plan has two levels per "
        "region: *high* (content, layout) and *low* (colour, texture, style). Both act at once, "
        "each in its own layers, as the abstract of *Progressive Prompts* (arXiv 2501.07070) has "
        f"it: low in layers 0 to {FIRST_DEEP_LAYER - 1}, high in {FIRST_DEEP_LAYER} to "
        f"{LAST_LAYER}.\n\n"
        "- The second *Regional Conditioning* has the first one's *positive* as input: both "
        "belong to one picture.\n"
        "- Swap the layers of the two patches for the inverted order; give each its own percents.\n"
        "- *Progressive Depth (preset)* does the same in one node; its help page says what the "
        "paper leaves open.",
    )
    graph.column("Two levels of prompts", 420, VIOLET)
    high = _conditioning(graph, start, "Regional Conditioning, high level", level="high")
    low = _conditioning(
        graph,
        start,
        "Regional Conditioning, low level",
        level="low",
        positive=high.out("positive"),
    )
    graph.column("Each level in its layers", 420, VIOLET)
    shallow = add_patch(
        graph, start.loader.out("MODEL"), low,
        first_layer=0, last_layer=FIRST_DEEP_LAYER - 1, base_ratio=setting.base_ratio,
    )  # fmt: skip
    deep = add_patch(
        graph, shallow.out("model"), high,
        first_layer=FIRST_DEEP_LAYER, last_layer=LAST_LAYER, base_ratio=setting.base_ratio,
    )  # fmt: skip
    sampled = {"": (deep.out("model"), high)}
    _pictures(graph, start, sampled, HUNYUAN_SAMPLING, setting.seed, "hunyuan_dit/depth")
    return graph


def build_merged(schemas: Schemas, setting: TwoColumns) -> Graph:
    """The baseline: all prompts merged into one, beside the regional picture of the same seed."""
    graph = Graph(schemas)
    start = _start(
        graph,
        setting,
        HUNYUAN_CHECKPOINT,
        "## HunyuanDiT 1.2, the merged prompt as baseline\n" + FIND_HUNYUAN + "Both samplers have "
        "the same seed, settings and prompt for the whole picture, which merges all regional "
        "prompts into one sentence. The upper one also follows **one prompt per region**; the "
        "lower one gets the model without the patch.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*.\n"
        "- Connect another rule to the patch to compare it with the same baseline.\n"
        "- Give both KSamplers the same new seed.",
    )
    graph.column("Regional prompting", 420, VIOLET)
    conditioning = _conditioning(graph, start, "Regional Conditioning")
    model = start.loader.out("MODEL")
    patch = add_patch(graph, model, conditioning, base_ratio=setting.base_ratio)
    sampled = {
        "regional": (patch.out("model"), conditioning),
        "merged prompt": (model, conditioning),
    }
    _pictures(graph, start, sampled, HUNYUAN_SAMPLING, setting.seed, "hunyuan_dit/baseline")
    return graph


def build_sdxl(schemas: Schemas, setting: TwoColumns) -> Graph:
    """Attention couple on SDXL, the paper's own baseline on a UNet."""
    graph = Graph(schemas)
    start = _start(
        graph,
        setting,
        SDXL_CHECKPOINT,
        "## SDXL, attention couple\n"
        f"Put **{SDXL_CHECKPOINT}** (6.9 GB, from "
        f"[{SDXL_SOURCE}](https://huggingface.co/{SDXL_SOURCE})) into *models/checkpoints*. "
        "The default rule, **couple**, acts in every cross-attention of the UNet, with the masks "
        "resized to each level. Settings as in the SDXL workflow of *Progressive Prompts* (arXiv "
        "2501.07070): 30 steps, dpm_2, ddim_uniform, cfg 6.5, denoise 0.98, 1024 x 1024.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*, or name an endpoint there.\n"
        "- Raise *base_ratio* for one coherent scene, lower it for more separation.\n"
        "- Connect *Rule: Omost*, *DenseDiffusion*, *RPG* or *LaRender* to compare.",
    )
    graph.column("Regional prompting", 420, VIOLET)
    conditioning = _conditioning(graph, start, "Regional Conditioning")
    patch = add_patch(graph, start.loader.out("MODEL"), conditioning, base_ratio=setting.base_ratio)
    sampled = {"": (patch.out("model"), conditioning)}
    _pictures(graph, start, sampled, SDXL_SAMPLING, setting.seed, "sdxl/couple")
    return graph


def _start(graph: Graph, setting: TwoColumns, checkpoint: str, note: str) -> _Start:
    graph.column("Model and canvas", 380, GREY)
    graph.note(note, 370)
    loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": checkpoint})
    latent = add_latent(graph, HUNYUAN_SIZE_PX)
    split = add_regions(graph, 1, 2, setting.feather)
    graph.column("Prompts", 430, GREEN)
    limit = {"negative_prompt": HUNYUAN_NEGATIVE, "clip": loader.out("CLIP")}
    plan = add_planner(graph, setting.sentence, 2, split, **limit)
    return _Start(loader, latent, split, plan)


def _conditioning(graph: Graph, start: _Start, title: str, **settings: Any) -> Node:
    plan = start.plan.out("plan")
    return add_conditioning(
        graph, start.loader.out("CLIP"), start.regions, title, plan=plan, **settings
    )


def _pictures(
    graph: Graph,
    start: _Start,
    sampled: dict[str, tuple[Output, Node]],
    sampling: dict[str, Any],
    seed: int,
    prefix: str,
) -> None:
    """One sampler and one picture for each (model, conditioning), named by the keys."""
    graph.column(
        "Same seed, with and without the patch" if len(sampled) > 1 else "Sample", 380, AMBER
    )
    vae = start.loader.out("VAE")
    images = add_images(graph, sampled, start.latent, vae, seed=seed, **sampling)
    graph.column("Picture" if len(sampled) == 1 else "Pictures", 560, BLUE)
    for name, image in images.items():
        suffix = f"_{name.split()[0]}" if name else ""
        picture_px = 560 if len(images) == 1 else 400
        add_saved(graph, image, prefix + suffix, picture_px, name and f"Save Image, {name}")

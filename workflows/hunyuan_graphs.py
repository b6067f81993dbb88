"""Workflows for HunyuanDiT 1.2 with the settings of the paper."""

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
    add_image,
    add_latent,
    add_patch,
    add_planner,
    add_regions,
    add_saved,
)
from node_schemas import Schemas
from ui_graph import Graph

# Steps, sampler, scheduler, cfg, denoise and size are those of arXiv 2501.07070, III-A (its
# public workflows use 30 steps).
HUNYUAN_STEPS, HUNYUAN_CFG, HUNYUAN_SIZE_PX = 30, 6.0, 1024
HUNYUAN_CHECKPOINT = "hunyuan_dit_1.2.safetensors"
HUNYUAN_SOURCE = "comfyanonymous/hunyuan_dit_comfyui"
HUNYUAN_NEGATIVE = "blurry, low quality, distorted, watermark, text"
HUNYUAN_SAMPLING = {"steps": HUNYUAN_STEPS, "cfg": HUNYUAN_CFG}
FIND_HUNYUAN = (
    f"Put **{HUNYUAN_CHECKPOINT}** (8.2 GB, from "
    f"[{HUNYUAN_SOURCE}](https://huggingface.co/{HUNYUAN_SOURCE})) into *models/checkpoints*. "
)


@dataclass(frozen=True, slots=True)
class Hunyuan:
    """One HunyuanDiT workflow: a sentence for the planner, or written prompts; and its rule."""

    rows: int
    columns: int
    rule: str
    sentence: str = ""
    global_prompt: str = ""
    prompts: tuple[str, ...] = ()
    feather: float = 0.0
    base_ratio: float = 0.3


def build_hunyuan(schemas: Schemas, setting: Hunyuan) -> Graph:
    """HunyuanDiT 1.2 with the paper's settings."""
    n = setting.rows * setting.columns
    graph = Graph(schemas)
    graph.column("Model and canvas", 380, GREY)
    source = (
        "Change the sentence in *LLM Progressive Prompt*, or name an endpoint there"
        if setting.sentence
        else "Change the prompts in *Regional Conditioning*: one per line, in the order of the "
        "numbers in *Regions*"
    )
    rule = (
        "**RCAC**, the paper's rule: regional prompts alone in layers 0 to 20 of 40, the global "
        "prompt after. Disconnect it for the default rule, *couple*, with *base_ratio*"
        if setting.rule == "rcac"
        else "the default, **couple**: all layers, with a share of the global prompt "
        "(*base_ratio*). Connect *Rule: RCAC (Progressive Prompts)* for the paper's"
    )
    graph.note(
        f"## HunyuanDiT 1.2, {n} regions\n"
        f"{FIND_HUNYUAN}Settings as in *Progressive Prompts* (arXiv 2501.07070): "
        f"{HUNYUAN_STEPS} steps, euler, sgm_uniform, cfg {HUNYUAN_CFG:g}, {HUNYUAN_SIZE_PX} x "
        f"{HUNYUAN_SIZE_PX}.\n\n"
        f"- {source}.\n"
        f"- The rule is {rule}.\n"
        "- For a softer border raise *feather* in *Region Split*; 0 is the fastest.",
        310,
    )
    loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": HUNYUAN_CHECKPOINT})
    latent = add_latent(graph, HUNYUAN_SIZE_PX)
    split = add_regions(graph, setting.rows, setting.columns, setting.feather)
    prompts: dict[str, Any] = {
        "prompts": "\n".join(setting.prompts),
        "global_prompt": setting.global_prompt,
        "negative_prompt": HUNYUAN_NEGATIVE,
    }
    if setting.sentence:
        graph.column("Prompts", 430, GREEN)
        limit = {"negative_prompt": HUNYUAN_NEGATIVE, "clip": loader.out("CLIP")}
        plan = add_planner(graph, setting.sentence, n, split, **limit)
        prompts = {"plan": plan.out("plan")}
    graph.column("Regional prompting", 420, VIOLET)
    text_box_px = 70 if setting.sentence else 130
    conditioning = add_conditioning(
        graph, loader.out("CLIP"), split, text_box_px=text_box_px, **prompts
    )
    settings: dict[str, Any] = {
        "latent": latent.out("LATENT"),
        "base_ratio": setting.base_ratio,
    }
    if setting.rule == "rcac":
        settings["rule"] = graph.node("RegionalDiT_RuleRCAC").out("rule")
    patch = add_patch(graph, loader.out("MODEL"), conditioning, **settings)
    graph.column("Sample", 380, AMBER)
    image = add_image(
        graph, patch.out("model"), conditioning, latent, loader.out("VAE"),
        seed=1, **HUNYUAN_SAMPLING,
    )  # fmt: skip
    graph.column("Picture", 560, BLUE)
    add_saved(graph, image, f"hunyuan_dit/{n}_regions", 560)
    return graph

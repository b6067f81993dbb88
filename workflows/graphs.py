"""The two kinds of shipped workflow: the demo model's, and HunyuanDiT's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ui_graph import Graph, Node, Output, Schemas

# Group colours as the editor's own menu offers them.
BLUE, GREEN, VIOLET, AMBER, GREY = "#3f789e", "#88AA88", "#8888AA", "#b58b2a", "#777777"
REPORT_PX = 310  # room below the patch for what it says after a run
SPLITS = {1: "W (columns)", 2: "grid", 3: "grid"}  # by number of rows

# Steps, sampler, scheduler, cfg, denoise and size are those of arXiv 2501.07070, III-A (its
# public workflows use 30 steps).
HUNYUAN_STEPS, HUNYUAN_CFG, HUNYUAN_SIZE_PX = 30, 6.0, 1024
HUNYUAN_CHECKPOINT = "hunyuan_dit_1.2.safetensors"
HUNYUAN_SOURCE = "comfyanonymous/hunyuan_dit_comfyui"
HUNYUAN_NEGATIVE = "blurry, low quality, distorted, watermark, text"


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: the sentence, the grid and the settings that were measured to do best."""

    sentence: str
    rows: int
    columns: int
    size_px: int
    overlap: float = 0.0
    feather: float = 0.0
    base_ratio: float = 0.1
    start_percent: float = 0.0
    end_percent: float = 1.0
    steps: int = 40
    cfg: float = 4.0
    seed: int = 1


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


def build_demo(schemas: Schemas, demo: Demo) -> Graph:
    """The demo model twice with one seed: with the patch, and with the merged prompt alone."""
    n = demo.rows * demo.columns
    graph = Graph(schemas)
    graph.column("Model and canvas", 360, GREY)
    graph.note(
        f"## {n} regions, {n} prompts\n"
        "Both samplers have the same seed, steps and prompt for the whole picture. The upper one "
        "also follows **one prompt per region**; the lower one shows what the merged prompt alone "
        "gives.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*: circles, squares and triangles in "
        "red, green, blue, yellow, purple, orange, cyan and white, on a black, gray, brown or pink "
        "background.\n"
        "- Change the split, the overlap and the feather in *Region Split*.\n"
        "- Raise *base_ratio* in *Patch DiT Cross-Attention* for less separation.\n"
        "- Give both KSamplers the same new seed.",
        300,
    )
    loader = graph.node("RegionalDiT_DemoDiTLoader")
    latent = graph.node("EmptyLatentImage", inputs={"width": demo.size_px, "height": demo.size_px})
    split = add_regions(graph, demo.rows, demo.columns, demo.feather, demo.overlap)
    graph.column("Prompts", 430, GREEN)
    plan = add_planner(graph, demo.sentence, n, split)
    graph.column("Regional prompting", 400, VIOLET)
    conditioning = graph.node(
        "RegionalDiT_RegionalConditioning",
        inputs={
            "clip": loader.out("CLIP"),
            "regions": split.out("regions"),
            "plan": plan.out("plan"),
        },
        text_box_px=70,
    )
    patch = add_patch(
        graph, loader.out("MODEL"), conditioning,
        latent=latent.out("LATENT"),
        start_percent=demo.start_percent,
        end_percent=demo.end_percent,
        base_ratio=demo.base_ratio,
    )  # fmt: skip
    graph.column("Same seed, with and without the patch", 380, AMBER)
    samplers = {
        kind: graph.node(
            "KSampler",
            title,
            inputs={
                "model": model,
                "positive": conditioning.out("positive"),
                "negative": conditioning.out("negative"),
                "latent_image": latent.out("LATENT"),
                "seed": demo.seed,
                "steps": demo.steps,
                "cfg": demo.cfg,
                "sampler_name": "euler",
                "scheduler": "sgm_uniform",
                "denoise": 1.0,
            },
        )
        for kind, title, model in (
            ("regional", "KSampler, regional", patch.out("model")),
            ("merged", "KSampler, merged prompt", loader.out("MODEL")),
        )
    }
    images = {
        kind: graph.node(
            "VAEDecode",
            title,
            inputs={"samples": samplers[kind].out("LATENT"), "vae": loader.out("VAE")},
        )
        for kind, title in (
            ("regional", "VAE Decode, regional"),
            ("merged", "VAE Decode, merged prompt"),
        )
    }
    graph.column("Is the right object in the right region?", 600, BLUE)
    for kind, title in (("regional", "Save, regional"), ("merged", "Save, merged prompt")):
        graph.node(
            "SaveImage",
            title,
            inputs={"images": images[kind].out("IMAGE"), "filename_prefix": f"demo/{kind}"},
            picture_px=300,
        )
    score = graph.node(
        "RegionalDiT_ScoreDemoScene",
        inputs={
            "regional": images["regional"].out("IMAGE"),
            "regions": split.out("regions"),
            "plan": plan.out("plan"),
            "merged": images["merged"].out("IMAGE"),
        },
    )
    show_text(graph, "Score", score.out("table"), 150 + 18 * n)
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
    size = {"width": drawn.size_px, "height": drawn.size_px}
    latent = graph.node("EmptyLatentImage", inputs=size)
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
    conditioning = graph.node(
        "RegionalDiT_RegionalConditioning",
        inputs={
            "clip": loader.out("CLIP"),
            "regions": editor.out("regions"),
            "plan": editor.out("plan"),
        },
        text_box_px=70,
    )
    patch = add_patch(
        graph, loader.out("MODEL"), conditioning,
        latent=latent.out("LATENT"),
        base_ratio=drawn.base_ratio,
    )  # fmt: skip
    graph.column("Sample", 360, AMBER)
    graph.node("PreviewImage", "Weights", inputs={"images": editor.out("weights")}, picture_px=390)
    sampler = graph.node(
        "KSampler",
        inputs={
            "model": patch.out("model"),
            "positive": conditioning.out("positive"),
            "negative": conditioning.out("negative"),
            "latent_image": latent.out("LATENT"),
            "seed": drawn.seed,
            "steps": drawn.steps,
            "cfg": drawn.cfg,
            "sampler_name": "euler",
            "scheduler": "sgm_uniform",
            "denoise": 1.0,
        },
    )
    image = graph.node(
        "VAEDecode", inputs={"samples": sampler.out("LATENT"), "vae": loader.out("VAE")}
    )
    graph.column("Is the right object in the right region?", 460, BLUE)
    graph.node(
        "SaveImage",
        inputs={"images": image.out("IMAGE"), "filename_prefix": "drawn/regional"},
        picture_px=520,
    )
    score = graph.node(
        "RegionalDiT_ScoreDemoScene",
        inputs={
            "regional": image.out("IMAGE"),
            "regions": editor.out("regions"),
            "plan": editor.out("plan"),
        },
    )
    show_text(graph, "Score", score.out("table"), 150 + 18 * n)
    return graph


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
        f"Put **{HUNYUAN_CHECKPOINT}** (8.2 GB, from "
        f"[{HUNYUAN_SOURCE}](https://huggingface.co/{HUNYUAN_SOURCE})) into *models/checkpoints*. "
        f"Settings as in *Progressive Prompts* (arXiv 2501.07070): {HUNYUAN_STEPS} steps, euler, "
        f"sgm_uniform, cfg {HUNYUAN_CFG:g}, {HUNYUAN_SIZE_PX} x {HUNYUAN_SIZE_PX}.\n\n"
        f"- {source}.\n"
        f"- The rule is {rule}.\n"
        "- For a softer border raise *feather* in *Region Split*; 0 is the fastest.",
        310,
    )
    loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": HUNYUAN_CHECKPOINT})
    size = {"width": HUNYUAN_SIZE_PX, "height": HUNYUAN_SIZE_PX}
    latent = graph.node("EmptyLatentImage", inputs=size)
    split = add_regions(graph, setting.rows, setting.columns, setting.feather, 0.0)
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
    conditioning = graph.node(
        "RegionalDiT_RegionalConditioning",
        inputs={"clip": loader.out("CLIP"), "regions": split.out("regions"), **prompts},
        text_box_px=70 if setting.sentence else 130,
    )
    settings: dict[str, Any] = {
        "latent": latent.out("LATENT"),
        "base_ratio": setting.base_ratio,
    }
    if setting.rule == "rcac":
        settings["rule"] = graph.node("RegionalDiT_RuleRCAC").out("rule")
    patch = add_patch(graph, loader.out("MODEL"), conditioning, **settings)
    graph.column("Sample", 380, AMBER)
    sampler = graph.node(
        "KSampler",
        inputs={
            "model": patch.out("model"),
            "positive": conditioning.out("positive"),
            "negative": conditioning.out("negative"),
            "latent_image": latent.out("LATENT"),
            "seed": 1,
            "steps": HUNYUAN_STEPS,
            "cfg": HUNYUAN_CFG,
            "sampler_name": "euler",
            "scheduler": "sgm_uniform",
            "denoise": 1.0,
        },
    )
    image = graph.node(
        "VAEDecode", inputs={"samples": sampler.out("LATENT"), "vae": loader.out("VAE")}
    )
    graph.column("Picture", 560, BLUE)
    graph.node(
        "SaveImage",
        inputs={"images": image.out("IMAGE"), "filename_prefix": f"hunyuan_dit/{n}_regions"},
        picture_px=560,
    )
    return graph


def add_regions(graph: Graph, rows: int, columns: int, feather: float, overlap: float) -> Node:
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


def show_text(graph: Graph, title: str, text: Any, height_px: int) -> None:
    """A node that shows a text after the run."""
    graph.node("PreviewAny", title, inputs={"source": text}, picture_px=height_px)

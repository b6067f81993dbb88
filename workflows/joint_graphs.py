"""Workflows for joint-attention models with the regions of a grid, by the rule 'bind'."""

from __future__ import annotations

from dataclasses import dataclass

from common_nodes import (
    GREEN,
    GREY,
    VIOLET,
    add_conditioning,
    add_patch,
    add_planner,
    add_regions,
)
from joint_models import NOTE_PX, Checkpoint, add_joint_latent, add_models, add_picture
from node_schemas import Schemas
from ui_graph import Graph, Node, Output

LORA = ("realism_lora_comfy_converted.safetensors", "XLabs-AI/flux-lora-collection")
ELIGEN = ("qwen_image_eligen_v2.safetensors", "DiffSynth-Studio/Qwen-Image-EliGen-V2")
CONTROLNET = ("flux-canny-controlnet-v3.safetensors", "XLabs-AI/flux-controlnet-collections")


@dataclass(frozen=True, slots=True)
class JointRegions:
    """Regions of a grid, prompts planned from a sentence."""

    checkpoint: Checkpoint
    rows: int
    columns: int
    sentence: str
    prefix: str
    with_lora_and_controlnet: bool = False
    with_eligen: bool = False
    seed: int = 1


def build_joint(schemas: Schemas, setting: JointRegions) -> Graph:
    """One prompt per cell of a grid, by the rule 'bind'."""
    checkpoint, n = setting.checkpoint, setting.rows * setting.columns
    graph = Graph(schemas)
    extra = ""
    if setting.with_lora_and_controlnet:
        extra = (
            f"The LoRA is **{LORA[0]}** from [{LORA[1]}](https://huggingface.co/{LORA[1]}) in "
            f"*models/loras*, the ControlNet **{CONTROLNET[0]}** from "
            f"[{CONTROLNET[1]}](https://huggingface.co/{CONTROLNET[1]}) in *models/controlnet*; "
            "the edges of the picture that you load steer the whole canvas, the prompts its "
            "regions. Both act on regional and global text alike.\n\n"
        )
    graph.column("Model and canvas", 400, GREY)
    title = f"## {checkpoint.title}, {n} regions{', LoRA and ControlNet' if extra else ''}"
    about = _about_eligen() if setting.with_eligen else _about_bind(checkpoint)
    graph.note(
        f"{title}{', EliGen' if setting.with_eligen else ''}\n"
        f"{checkpoint.where()}\n\n{extra}{about}",
        NOTE_PX + 25 * len(checkpoint.files) + (60 if extra else 0),
    )
    models = add_models(graph, checkpoint)
    model, clip = models.model, models.clip
    if setting.with_lora_and_controlnet:
        lora = graph.node("LoraLoader", inputs={"model": model, "clip": clip, "lora_name": LORA[0]})
        model, clip = lora.out("MODEL"), lora.out("CLIP")
    if setting.with_eligen:
        lora = graph.node("LoraLoaderModelOnly", inputs={"model": model, "lora_name": ELIGEN[0]})
        model = lora.out("MODEL")
    latent = add_joint_latent(graph, checkpoint)
    split = add_regions(graph, setting.rows, setting.columns)
    graph.column("Prompts", 430, GREEN)
    plan = add_planner(
        graph, setting.sentence, n, split, negative_prompt=checkpoint.negative_prompt
    )
    graph.column("Regional prompting", 430, VIOLET)
    conditioning = add_conditioning(graph, clip, split, plan=plan.out("plan"))
    rule = {}
    if setting.with_eligen:
        rule = {"rule": graph.node("RegionalDiT_RuleEliGen").out("rule")}
    patch = add_patch(graph, model, conditioning, latent=latent.out("LATENT"), **rule)
    if setting.with_lora_and_controlnet:
        conditioning = _add_controlnet(graph, models.vae, conditioning)
    add_picture(
        graph, checkpoint, models, patch, conditioning, latent, setting.prefix, seed=setting.seed
    )
    return graph


def _about_bind(checkpoint: Checkpoint) -> str:
    """What the note says of the default rule."""
    return (
        "The rule is the default, **bind**: each region's text and image see each other, the "
        "global prompt keeps its share (*base_ratio*), the image stays open to itself except in "
        "the middle layers during the first fifth of the denoising.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*, or name an endpoint there.\n"
        "- If borders show connect *Rule: Bind* with *release_at* 0.5.\n"
        "- *Rule: RPF* is the paper's rule (arXiv 2411.02395) with its published presets."
        + ("\n- *trim_padding* in *Regional Conditioning* is faster." if checkpoint.pads else "")
    )


def _about_eligen() -> str:
    """What the note says of EliGen's rule and LoRA."""
    return (
        f"The LoRA is **{ELIGEN[0]}**, the file *model.safetensors* of "
        f"[{ELIGEN[1]}](https://huggingface.co/{ELIGEN[1]}) under this name in *models/loras*. It "
        "was trained for the attention of **Rule: EliGen** (arXiv 2501.01097): every place sees "
        "the global prompt, its regional prompts and the whole image.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*; for free boxes put the *Region Editor* "
        "in place of the split.\n"
        "- Without the LoRA, disconnect the rule: the default needs no training."
    )


def _add_controlnet(graph: Graph, vae: Output, conditioning: Node) -> Node:
    """Edges of a loaded picture, through the host's own ControlNet nodes."""
    graph.column("ControlNet", 360, GREEN)
    image = graph.node("LoadImage", inputs={"image": "example.png"}, picture_px=240)
    edges = graph.node("Canny", inputs={"image": image.out("IMAGE")})
    net = graph.node("ControlNetLoader", inputs={"control_net_name": CONTROLNET[0]})
    return graph.node(
        "ControlNetApplyAdvanced",
        inputs={
            "positive": conditioning.out("positive"),
            "negative": conditioning.out("negative"),
            "control_net": net.out("CONTROL_NET"),
            "image": edges.out("IMAGE"),
            "strength": 0.6,
            "end_percent": 0.5,
            "vae": vae,
        },
    )

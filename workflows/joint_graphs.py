"""Workflows for joint-attention models: Flux, SD3.5 and Qwen-Image, and sketches as layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphs import AMBER, BLUE, GREEN, GREY, VIOLET, add_patch, add_planner, add_regions, show_text
from ui_graph import Graph, Node, Output, Schemas

SKETCH_FILE = "regional_dit_sketch.png"
QWEN_SOURCE = "Comfy-Org/Qwen-Image_ComfyUI"
NOTE_PX = 270  # a note without the lines that name files
NEGATIVE = "blurry, low quality, watermark, text"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A public model and how its makers sample it.

    Attributes:
        title: for people.
        files: (file name, folder below ``models/``, size in GB, repository on Hugging Face).
        steps, cfg, size_px: of the KSampler and the latent.
        guidance: of FluxGuidance, or None where the model has no such input.
        shift: (node, value) of the sigma shift that its own workflow sets, or None.
        pads: whether its text encoder fills short prompts up to hundreds of tokens.
    """

    title: str
    files: tuple[tuple[str, str, float, str], ...]
    steps: int
    cfg: float
    size_px: int = 1024
    guidance: float | None = None
    shift: tuple[str, float] | None = None
    pads: bool = False

    def where(self) -> str:
        """Which files to put where."""
        lines = [
            f"**{name}** ({size:g} GB, from [{source}](https://huggingface.co/{source})) into "
            f"*models/{folder}*"
            for name, folder, size, source in self.files
        ]
        return "Put " + ",\n".join(lines) + "."


FLUX = Checkpoint(
    "Flux.1 dev",
    (("flux1-dev-fp8.safetensors", "checkpoints", 17.2, "Comfy-Org/flux1-dev"),),
    steps=24, cfg=1.0, guidance=3.5, pads=True,
)  # fmt: skip
SD35 = Checkpoint(
    "SD3.5 large",
    (
        (
            "sd3.5_large_fp8_scaled.safetensors", "checkpoints", 14.9,
            "Comfy-Org/stable-diffusion-3.5-fp8",
        ),
    ),
    steps=28, cfg=4.5, shift=("ModelSamplingSD3", 3.0),
)  # fmt: skip
QWEN = Checkpoint(
    "Qwen-Image",
    (
        ("qwen_image_fp8_e4m3fn.safetensors", "diffusion_models", 20.4, QWEN_SOURCE),
        ("qwen_2.5_vl_7b_fp8_scaled.safetensors", "text_encoders", 9.4, QWEN_SOURCE),
        ("qwen_image_vae.safetensors", "vae", 0.25, QWEN_SOURCE),
    ),
    steps=20, cfg=2.5, size_px=1328, shift=("ModelSamplingAuraFlow", 3.1),
)  # fmt: skip
LORA = ("realism_lora_comfy_converted.safetensors", "XLabs-AI/flux-lora-collection")
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
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sketch:
    """A painted layout: legend, and a prompt that contains every phrase."""

    checkpoint: Checkpoint
    prompt: str
    legend: str
    prefix: str
    steps: int = 32
    seed: int = 1


@dataclass(frozen=True, slots=True)
class _Models:
    model: Output
    clip: Output
    vae: Output


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
    graph.note(
        f"## {checkpoint.title}, {n} regions{', LoRA and ControlNet' if extra else ''}\n"
        f"{checkpoint.where()}\n\n{extra}"
        "The rule is the default, **bind**: each region's text and image see each other, the "
        "global prompt keeps its share (*base_ratio*), the image stays open to itself except in "
        "the middle layers during the first fifth of the denoising; in the second half the model "
        "runs unpatched.\n\n"
        "- Change the sentence in *LLM Progressive Prompt*, or name an endpoint there.\n"
        "- For attributes that must not mix connect *Rule: Bind* with *release_at* 1.\n"
        "- *Rule: RPF* is the paper's rule (arXiv 2411.02395) with its published presets."
        + ("\n- *trim_padding* in *Regional Conditioning* is faster." if checkpoint.pads else ""),
        NOTE_PX + 25 * len(checkpoint.files) + (60 if extra else 0),
    )
    models = _models(graph, checkpoint)
    model, clip = models.model, models.clip
    if setting.with_lora_and_controlnet:
        lora = graph.node("LoraLoader", inputs={"model": model, "clip": clip, "lora_name": LORA[0]})
        model, clip = lora.out("MODEL"), lora.out("CLIP")
    latent = _latent(graph, checkpoint)
    split = add_regions(graph, setting.rows, setting.columns, 0.0, 0.0)
    graph.column("Prompts", 430, GREEN)
    plan = add_planner(graph, setting.sentence, n, split, negative_prompt=_negative(checkpoint))
    graph.column("Regional prompting", 430, VIOLET)
    conditioning = graph.node(
        "RegionalDiT_RegionalConditioning",
        inputs={"clip": clip, "regions": split.out("regions"), "plan": plan.out("plan")},
        text_box_px=70,
    )
    patch = add_patch(graph, model, conditioning, latent=latent.out("LATENT"))
    positive, negative = conditioning.out("positive"), conditioning.out("negative")
    if setting.with_lora_and_controlnet:
        positive, negative = _controlled(graph, models, positive, negative)
    _sampled(graph, setting, models, patch, positive, negative, latent)
    return graph


def build_sketch(schemas: Schemas, setting: Sketch) -> Graph:
    """Attention Specialty Tuning: a painted layout and one prompt."""
    checkpoint = setting.checkpoint
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    graph.note(
        f"## {checkpoint.title}, a sketch as the layout\n{checkpoint.where()}\n\n"
        f"Drop *workflows/{SKETCH_FILE}* of this pack (or a sketch of your own) on *Load Image*. "
        "White is background; every other colour is a region, named in the legend.\n\n"
        "**Attention Specialty Tuning** (arXiv 2504.10148) pulls each region to the words of its "
        "phrase: the noun in early layers, the background in the middle, attributes in late ones, "
        "in the first half of the steps.\n\n"
        "- The prompt must contain every phrase of the legend word for word.\n"
        "- The sampler's positive is that of *Bind Phrases*.\n"
        "- Lower the weights where objects look cut out; raise them where they stray.",
        NOTE_PX + 25,
    )
    models = _models(graph, checkpoint)
    latent = _latent(graph, checkpoint)
    graph.column("Sketch", 400, BLUE)
    image = graph.node("LoadImage", inputs={"image": SKETCH_FILE}, picture_px=260)
    sketch = graph.node(
        "RegionalDiT_RegionsFromSketch",
        inputs={"image": image.out("IMAGE"), "legend": setting.legend},
    )
    graph.node("PreviewImage", "Regions", inputs={"images": sketch.out("preview")}, picture_px=240)
    graph.column("Prompt and phrases", 430, GREEN)
    prompt = graph.node("PrimitiveStringMultiline", "Prompt", inputs={"value": setting.prompt})
    conditioning = graph.node(
        "RegionalDiT_RegionalConditioning",
        inputs={
            "clip": models.clip,
            "regions": sketch.out("regions"),
            "global_prompt": prompt.out("STRING"),
            "prompts": sketch.out("phrases"),
            "negative_prompt": _negative(checkpoint),
        },
        text_box_px=70,
    )
    bound = graph.node(
        "RegionalDiT_BindPhrases",
        inputs={
            "clip": models.clip,
            "regions": sketch.out("regions"),
            "positive": conditioning.out("positive"),
            "prompt": prompt.out("STRING"),
            "phrases": sketch.out("phrases"),
        },
        text_box_px=70,
    )
    show_text(graph, "Phrases and tokens", bound.out("report"), 220)
    graph.column("Regional prompting", 430, VIOLET)
    rule = graph.node("RegionalDiT_RuleSpecialtyTuning", inputs={"phrases": bound.out("phrases")})
    patch = add_patch(
        graph, models.model, conditioning, rule=rule.out("rule"), latent=latent.out("LATENT")
    )
    graph.node("PreviewImage", "Phrases", inputs={"images": bound.out("preview")}, picture_px=260)
    _sampled(
        graph,
        setting,
        models,
        patch,
        bound.out("positive"),
        conditioning.out("negative"),
        latent,
        steps=setting.steps,
    )
    return graph


def _models(graph: Graph, checkpoint: Checkpoint) -> _Models:
    names = [name for name, *_ in checkpoint.files]
    if len(names) == 1:
        loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": names[0]})
        model, clip, vae = (loader.out(kind) for kind in ("MODEL", "CLIP", "VAE"))
    else:
        model = graph.node("UNETLoader", inputs={"unet_name": names[0]}).out("MODEL")
        text = graph.node("CLIPLoader", inputs={"clip_name": names[1], "type": "qwen_image"})
        clip = text.out("CLIP")
        vae = graph.node("VAELoader", inputs={"vae_name": names[2]}).out("VAE")
    if checkpoint.shift is not None:
        node, shift = checkpoint.shift
        model = graph.node(node, inputs={"model": model, "shift": shift}).out("MODEL")
    return _Models(model, clip, vae)


def _latent(graph: Graph, checkpoint: Checkpoint) -> Node:
    size = {"width": checkpoint.size_px, "height": checkpoint.size_px}
    return graph.node("EmptySD3LatentImage", inputs=size)


def _negative(checkpoint: Checkpoint) -> str:
    return "" if checkpoint.cfg == 1.0 else NEGATIVE


def _controlled(
    graph: Graph, models: _Models, positive: Output, negative: Output
) -> tuple[Output, Output]:
    """Edges of a loaded picture, through the host's own ControlNet nodes."""
    graph.column("ControlNet", 360, GREEN)
    image = graph.node("LoadImage", inputs={"image": "example.png"}, picture_px=240)
    edges = graph.node("Canny", inputs={"image": image.out("IMAGE")})
    net = graph.node("ControlNetLoader", inputs={"control_net_name": CONTROLNET[0]})
    applied = graph.node(
        "ControlNetApplyAdvanced",
        inputs={
            "positive": positive,
            "negative": negative,
            "control_net": net.out("CONTROL_NET"),
            "image": edges.out("IMAGE"),
            "strength": 0.6,
            "end_percent": 0.5,
            "vae": models.vae,
        },
    )
    return applied.out("positive"), applied.out("negative")


def _sampled(
    graph: Graph,
    setting: JointRegions | Sketch,
    models: _Models,
    patch: Node,
    positive: Output,
    negative: Output,
    latent: Node,
    **sampling: Any,
) -> None:
    checkpoint = setting.checkpoint
    graph.column("Sample", 380, AMBER)
    if checkpoint.guidance is not None:
        guided = graph.node(
            "FluxGuidance", inputs={"conditioning": positive, "guidance": checkpoint.guidance}
        )
        positive = guided.out("CONDITIONING")
    sampler = graph.node(
        "KSampler",
        inputs={
            "model": patch.out("model"),
            "positive": positive,
            "negative": negative,
            "latent_image": latent.out("LATENT"),
            "seed": setting.seed,
            "steps": checkpoint.steps,
            "cfg": checkpoint.cfg,
            "sampler_name": "euler",
            "scheduler": "sgm_uniform",
            "denoise": 1.0,
            **sampling,
        },
    )
    image = graph.node("VAEDecode", inputs={"samples": sampler.out("LATENT"), "vae": models.vae})
    graph.column("Picture", 480, BLUE)
    graph.node(
        "SaveImage",
        inputs={"images": image.out("IMAGE"), "filename_prefix": setting.prefix},
        picture_px=480,
    )

"""Public joint-attention models: where their files are, how they are loaded and sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common_nodes import AMBER, BLUE, add_image, add_latent, add_saved
from ui_graph import Graph, Node, Output

QWEN_SOURCE = "Comfy-Org/Qwen-Image_ComfyUI"
FLUX2_SCHEDULER = "Flux2Scheduler"
NOTE_PX = 270  # a note without the lines that name files
NEGATIVE = "blurry, low quality, watermark, text"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A public model and how its makers sample it.

    Attributes:
        title: for people.
        files: (file name, folder below ``models/``, size in GB, repository on Hugging Face); size 0
            where it is not known.
        steps, cfg, size_px: of the KSampler and the latent.
        guidance: of FluxGuidance, or None where the model has no such input.
        shift: (node, value) of the sigma shift that its own workflow sets, or None.
        pads: whether its text encoder fills short prompts up to hundreds of tokens.
        clip_type: of CLIPLoader, where the text encoder is a file of its own.
        sampler: sampler and scheduler of the KSampler; "Flux2Scheduler" stands for the node of that
            name, with a sampler of single nodes.
        latent: node that makes its empty latents.
    """

    title: str
    files: tuple[tuple[str, str, float, str], ...]
    steps: int
    cfg: float
    size_px: int = 1024
    guidance: float | None = None
    shift: tuple[str, float] | None = None
    pads: bool = False
    clip_type: str = ""
    sampler: tuple[str, str] = ("euler", "sgm_uniform")
    latent: str = "EmptySD3LatentImage"  # 16 channels

    @property
    def negative_prompt(self) -> str:
        """Empty where cfg 1 leaves it without effect."""
        return "" if self.cfg == 1.0 else NEGATIVE

    def where(self) -> str:
        """Which files to put where."""
        lines = [
            f"**{name}** ({f'{size:g} GB, ' if size else ''}from "
            f"[{source}](https://huggingface.co/{source})) into *models/{folder}*"
            for name, folder, size, source in self.files
        ]
        return "Put " + ",\n".join(lines) + "."


FLUX = Checkpoint(
    "Flux.1 dev",
    (("flux1-dev-fp8.safetensors", "checkpoints", 17.2, "Comfy-Org/flux1-dev"),),
    steps=24, cfg=1.0, guidance=3.5, pads=True,
)  # fmt: skip
KONTEXT = Checkpoint(
    "Flux.1 Kontext dev",
    (
        (
            "flux1-dev-kontext_fp8_scaled.safetensors", "diffusion_models", 11.9,
            "Comfy-Org/flux1-kontext-dev_ComfyUI",
        ),
        ("clip_l.safetensors", "text_encoders", 0.25, "comfyanonymous/flux_text_encoders"),
        (
            "t5xxl_fp8_e4m3fn_scaled.safetensors", "text_encoders", 5.2,
            "comfyanonymous/flux_text_encoders",
        ),
        ("ae.safetensors", "vae", 0.34, "Comfy-Org/Lumina_Image_2.0_Repackaged"),
    ),
    steps=20, cfg=1.0, guidance=2.5, pads=True,
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
    steps=20, cfg=2.5, size_px=1328, shift=("ModelSamplingAuraFlow", 3.1), clip_type="qwen_image",
)  # fmt: skip
Z_IMAGE_SOURCE = "Comfy-Org/z_image_turbo"
Z_IMAGE = Checkpoint(
    "Z-Image Turbo",
    (
        ("z_image_turbo_bf16.safetensors", "diffusion_models", 12.3, Z_IMAGE_SOURCE),
        ("qwen_3_4b.safetensors", "text_encoders", 8.0, Z_IMAGE_SOURCE),
        ("ae.safetensors", "vae", 0.33, Z_IMAGE_SOURCE),
    ),
    steps=8, cfg=1.0, shift=("ModelSamplingAuraFlow", 3.0), clip_type="lumina2",
    sampler=("res_multistep", "simple"),
)  # fmt: skip
KLEIN = Checkpoint(
    "Flux.2 Klein 4B",
    (
        (
            "flux-2-klein-4b.safetensors", "diffusion_models", 0,
            "Comfy-Org/flux2-klein",
        ),
        ("qwen_3_4b.safetensors", "text_encoders", 8.0, Z_IMAGE_SOURCE),
        ("flux2-vae.safetensors", "vae", 0.34, "Comfy-Org/flux2-dev"),
    ),
    steps=4, cfg=1.0, clip_type="flux2", sampler=("euler", FLUX2_SCHEDULER),
    latent="EmptyFlux2LatentImage",
)  # fmt: skip
KREA_SOURCE = "Comfy-Org/Krea-2"
KREA2 = Checkpoint(
    "Krea 2 Turbo",
    (
        ("krea2_turbo_fp8_scaled.safetensors", "diffusion_models", 0, KREA_SOURCE),
        ("qwen3vl_4b_fp8_scaled.safetensors", "text_encoders", 0, KREA_SOURCE),
        ("qwen_image_vae.safetensors", "vae", 0.25, QWEN_SOURCE),
    ),
    steps=8, cfg=1.0, clip_type="krea2", sampler=("euler", "simple"),
)  # fmt: skip
WAN_SOURCE = "Comfy-Org/Wan_2.1_ComfyUI_repackaged"
WAN = Checkpoint(
    "Wan 2.1 1.3B",
    (
        ("wan2.1_t2v_1.3B_fp16.safetensors", "diffusion_models", 2.8, WAN_SOURCE),
        ("umt5_xxl_fp8_e4m3fn_scaled.safetensors", "text_encoders", 6.7, WAN_SOURCE),
        ("wan_2.1_vae.safetensors", "vae", 0.25, WAN_SOURCE),
    ),
    steps=30, cfg=6.0, shift=("ModelSamplingSD3", 8.0), clip_type="wan",
    sampler=("uni_pc", "simple"), latent="EmptyHunyuanLatentVideo",
)  # fmt: skip
LTX2 = Checkpoint(
    "LTX-2 19B distilled",
    (
        ("ltx-2-19b-distilled.safetensors", "checkpoints", 0, "Lightricks/LTX-2"),
        ("gemma_3_12B_it_fp4_mixed.safetensors", "text_encoders", 0, "Comfy-Org/ltx-2"),
    ),
    steps=8, cfg=1.0, sampler=("euler_ancestral", "ManualSigmas"), latent="EmptyLTXVLatentVideo",
)  # fmt: skip
LTX2_SIGMAS = "1., 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0"


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """What a checkpoint's loaders give."""

    model: Output
    clip: Output
    vae: Output


def add_models(graph: Graph, checkpoint: Checkpoint) -> LoadedModels:
    """The loaders, and the shift of the sigmas."""
    names = [name for name, *_ in checkpoint.files]
    if len(names) == 1:
        loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": names[0]})
        model, clip, vae = (loader.out(kind) for kind in ("MODEL", "CLIP", "VAE"))
    else:
        unet, *texts, autoencoder = names
        model = graph.node("UNETLoader", inputs={"unet_name": unet}).out("MODEL")
        if len(texts) == 2:
            encoders = {"clip_name1": texts[0], "clip_name2": texts[1], "type": "flux"}
            text = graph.node("DualCLIPLoader", inputs=encoders)
        else:
            text = graph.node(
                "CLIPLoader", inputs={"clip_name": texts[0], "type": checkpoint.clip_type}
            )
        clip = text.out("CLIP")
        vae = graph.node("VAELoader", inputs={"vae_name": autoencoder}).out("VAE")
    if checkpoint.shift is not None:
        node, shift = checkpoint.shift
        model = graph.node(node, inputs={"model": model, "shift": shift}).out("MODEL")
    return LoadedModels(model, clip, vae)


def add_joint_latent(graph: Graph, checkpoint: Checkpoint) -> Node:
    """A square canvas of the channels that the model has."""
    return add_latent(graph, checkpoint.size_px, checkpoint.latent)


def add_picture(
    graph: Graph,
    checkpoint: Checkpoint,
    models: LoadedModels,
    patch: Node,
    conditioning: Node,
    latent: Node,
    prefix: str,
    **settings: Any,
) -> None:
    """Sample with the checkpoint's settings and save the picture.

    Args:
        graph: gets the nodes.
        checkpoint: whose steps, cfg and guidance are taken.
        models: its loaders.
        patch: the node with the patched model.
        conditioning: the node whose positive and negative are followed.
        latent: the canvas.
        prefix: of the saved file.
        settings: inputs of the KSampler that replace those.
    """
    graph.column("Sample", 380, AMBER)
    if checkpoint.guidance is not None:
        positive = settings.get("positive", conditioning.out("positive"))
        guided = graph.node(
            "FluxGuidance", inputs={"conditioning": positive, "guidance": checkpoint.guidance}
        )
        settings["positive"] = guided.out("CONDITIONING")
    sampler, scheduler = checkpoint.sampler
    if scheduler == FLUX2_SCHEDULER:
        image = _add_flux2_image(graph, checkpoint, models, patch, conditioning, latent, **settings)
    else:
        sampling: dict[str, Any] = {
            "steps": checkpoint.steps, "cfg": checkpoint.cfg,
            "sampler_name": sampler, "scheduler": scheduler, **settings,
        }  # fmt: skip
        image = add_image(graph, patch.out("model"), conditioning, latent, models.vae, **sampling)
    graph.column("Picture", 480, BLUE)
    add_saved(graph, image, prefix, 480)


def _add_flux2_image(
    graph: Graph,
    checkpoint: Checkpoint,
    models: LoadedModels,
    patch: Node,
    conditioning: Node,
    latent: Node,
    seed: int,
) -> Node:
    """Flux.2's own sigmas, which depend on the size of the picture."""
    size = {"width": checkpoint.size_px, "height": checkpoint.size_px}
    sigmas = graph.node(FLUX2_SCHEDULER, inputs={"steps": checkpoint.steps, **size})
    sampled = add_guided(
        graph, patch.out("model"), conditioning, latent.out("LATENT"), sigmas,
        sampler=checkpoint.sampler[0], cfg=checkpoint.cfg, seed=seed,
    )  # fmt: skip
    return graph.node("VAEDecode", inputs={"samples": sampled.out("output"), "vae": models.vae})


def add_guided(
    graph: Graph,
    model: Output,
    conditioning: Node,
    latent: Output,
    sigmas: Node,
    *,
    sampler: str,
    cfg: float,
    seed: int,
) -> Node:
    """Sampling through single nodes, for models with sigmas of their own."""
    noise = graph.node("RandomNoise", inputs={"noise_seed": seed})
    guider = graph.node(
        "CFGGuider",
        inputs={
            "model": model,
            "positive": conditioning.out("positive"),
            "negative": conditioning.out("negative"),
            "cfg": cfg,
        },
    )
    chosen = graph.node("KSamplerSelect", inputs={"sampler_name": sampler})
    return graph.node(
        "SamplerCustomAdvanced",
        inputs={
            "noise": noise.out("NOISE"),
            "guider": guider.out("GUIDER"),
            "sampler": chosen.out("SAMPLER"),
            "sigmas": sigmas.out("SIGMAS"),
            "latent_image": latent,
        },
    )

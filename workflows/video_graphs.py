"""Workflows for video models: prompts by place and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from common_nodes import (
    AMBER,
    BLUE,
    GREY,
    VIOLET,
    Box,
    add_conditioning,
    add_drawing,
    add_image,
    add_patch,
)
from joint_models import (
    LTX2,
    LTX2_SIGMAS,
    NOTE_PX,
    WAN,
    Checkpoint,
    LoadedModels,
    add_guided,
    add_models,
)
from node_schemas import Schemas
from ui_graph import Graph, Node, Output


@dataclass(frozen=True, slots=True)
class VideoRegions:
    """Drawn regions, each with its part of the video.

    Attributes:
        regions: (prompt, box, "start:end" in shares of the video).
        softness: of the ranges' ends, share of the video.
        length: frames of the video, of which ``fps`` make a second.
    """

    checkpoint: Checkpoint
    regions: tuple[tuple[str, Box, str], ...]
    global_prompt: str
    prefix: str
    softness: float = 0.06
    width_px: int = 832
    height_px: int = 480
    length: int = 81
    fps: float = 16.0
    seed: int = 1


class Timed(NamedTuple):
    """Prompts by place and time, and the model patched with them."""

    editor: Node
    conditioning: Node
    patch: Node


def add_timed(graph: Graph, setting: VideoRegions, models: LoadedModels, latent: Node) -> Timed:
    """Two columns: the drawing, and the times of its regions with the patch."""
    graph.column("Where", 540, BLUE)
    boxes = [(prompt, box) for prompt, box, _ in setting.regions]
    editor = add_drawing(
        graph, boxes, setting.global_prompt, latent,
        overlap="blend", negative_prompt=setting.checkpoint.negative_prompt,
    )  # fmt: skip
    graph.column("When, and which prompt", 430, VIOLET)
    frames = graph.node(
        "RegionalDiT_RegionFrames",
        inputs={
            "regions": editor.out("regions"),
            "frames": ", ".join(frames for *_, frames in setting.regions),
            "softness": setting.softness,
        },
    )
    conditioning = add_conditioning(graph, models.clip, frames, plan=editor.out("plan"))
    patch = add_patch(graph, models.model, conditioning, latent=latent.out("LATENT"))
    return Timed(editor, conditioning, patch)


def add_video(
    graph: Graph, setting: VideoRegions, timed: Timed, images: Node, **more: Output
) -> None:
    """The video, below what its regions are."""
    regions = {"images": timed.editor.out("weights")}
    graph.node("PreviewImage", "Regions", inputs=regions, picture_px=330)
    frames = {"images": images.out("IMAGE"), "fps": setting.fps, **more}
    video = graph.node("CreateVideo", inputs=frames)
    graph.node(
        "SaveVideo",
        inputs={"video": video.out("VIDEO"), "filename_prefix": setting.prefix},
        picture_px=300,
    )


def add_note(graph: Graph, setting: VideoRegions, title: str, about: str) -> None:
    """What the workflow is, and where its files are."""
    checkpoint = setting.checkpoint
    graph.note(
        f"## {checkpoint.title}, {title}\n{checkpoint.where()}\n\n{about}\n\n"
        "- *frames* has one range per region, in the order of the drawing.\n"
        "- Raise *softness* for slower changes, set it to 0 for cuts.",
        NOTE_PX + 25 * len(checkpoint.files) + 60,
    )


def build_wan(schemas: Schemas, setting: VideoRegions) -> Graph:
    """Two prompts in each half of the picture, one after the other."""
    checkpoint = setting.checkpoint
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    add_note(
        graph, setting, "two places, two times",
        "The *Region Editor* holds two boxes in each half, one for the beginning and one for the "
        "end. *Region Frames* gives each its part of the video: they fade over as in Prompt Relay "
        "(arXiv 2604.10030), but each in its own place. Other checkpoints of Wan 2.1 and 2.2 go "
        "into *Load Diffusion Model*, the two models of 14B each through a patch of its own.",
    )  # fmt: skip
    models = add_models(graph, checkpoint)
    size = {"width": setting.width_px, "height": setting.height_px, "length": setting.length}
    latent = graph.node(checkpoint.latent, inputs=size)
    timed = add_timed(graph, setting, models, latent)
    graph.column("Sample", 380, AMBER)
    sampler, scheduler = checkpoint.sampler
    images = add_image(
        graph, timed.patch.out("model"), timed.conditioning, latent, models.vae,
        seed=setting.seed,
        steps=checkpoint.steps,
        cfg=checkpoint.cfg,
        sampler_name=sampler,
        scheduler=scheduler,
    )  # fmt: skip
    graph.column("Video", 480, BLUE)
    add_video(graph, setting, timed, images)
    return graph


def build_ltx2(schemas: Schemas, setting: VideoRegions) -> Graph:
    """A video with sound, by the distilled model's own sigmas, in one stage."""
    checkpoint = setting.checkpoint
    main, encoder = (name for name, *_ in checkpoint.files)
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    add_note(
        graph, setting, "two places, with sound",
        "The left region lasts for the whole video, the right one joins later: *Region Frames* "
        "says when, and lets it fade in as in Prompt Relay (arXiv 2604.10030). The sound follows "
        "the global prompt. ComfyUI 0.33 or later.",
    )  # fmt: skip
    loader = graph.node("CheckpointLoaderSimple", inputs={"ckpt_name": main})
    text = graph.node("LTXAVTextEncoderLoader", inputs={"text_encoder": encoder, "ckpt_name": main})
    models = LoadedModels(loader.out("MODEL"), text.out("CLIP"), loader.out("VAE"))
    audio_vae = graph.node("LTXVAudioVAELoader", inputs={"ckpt_name": main}).out("Audio VAE")
    size = {"width": setting.width_px, "height": setting.height_px, "length": setting.length}
    latent = graph.node(checkpoint.latent, inputs=size)
    length = {"frames_number": setting.length, "frame_rate": setting.fps}
    sound = graph.node("LTXVEmptyLatentAudio", inputs={**length, "audio_vae": audio_vae})
    timed = add_timed(graph, setting, models, latent)
    graph.column("Sample", 380, AMBER)
    both = graph.node(
        "LTXVConcatAVLatent",
        inputs={"video_latent": latent.out("LATENT"), "audio_latent": sound.out("Latent")},
    )
    paced = graph.node(
        "LTXVConditioning",
        inputs={
            "positive": timed.conditioning.out("positive"),
            "negative": timed.conditioning.out("negative"),
            "frame_rate": setting.fps,
        },
    )
    sigmas = graph.node("ManualSigmas", inputs={"sigmas": LTX2_SIGMAS})
    sampled = add_guided(
        graph, timed.patch.out("model"), paced, both.out("latent"), sigmas,
        sampler=checkpoint.sampler[0], cfg=checkpoint.cfg, seed=setting.seed,
    )  # fmt: skip
    graph.column("Video", 480, BLUE)
    apart = graph.node("LTXVSeparateAVLatent", inputs={"av_latent": sampled.out("output")})
    images = graph.node(
        "VAEDecode", inputs={"samples": apart.out("video_latent"), "vae": models.vae}
    )
    heard = graph.node(
        "LTXVAudioVAEDecode",
        inputs={"samples": apart.out("audio_latent"), "audio_vae": audio_vae},
    )
    add_video(graph, setting, timed, images, audio=heard.out("Audio"))
    return graph


LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)

VIDEOS = {
    "wan_2_places_2_times": VideoRegions(
        WAN,
        (
            ("a red fox sits in tall green grass", LEFT, "0:0.5"),
            ("a bare apple tree in a meadow", RIGHT, "0:0.5"),
            ("a red fox jumps up and runs", LEFT, "0.5:1"),
            ("an apple tree full of white blossom in a meadow", RIGHT, "0.5:1"),
        ),
        "a fox and an apple tree in a meadow in spring, fixed camera, film",
        "video/wan_regions",
    ),
    "ltx2_2_regions": VideoRegions(
        LTX2,
        (
            ("an old man in a straw hat plays the guitar on a porch", LEFT, "0:1"),
            ("a little girl in a yellow dress comes in and dances", RIGHT, "0.4:1"),
        ),
        "a wooden porch in the evening, fixed camera, slow guitar music",
        "video/ltx2_regions",
        width_px=768, height_px=512, length=121, fps=25.0,
    ),
}  # fmt: skip
BUILD_VIDEO = {"wan_2_places_2_times": build_wan, "ltx2_2_regions": build_ltx2}

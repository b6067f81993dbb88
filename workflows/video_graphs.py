"""Workflows for video models: prompts by place and time."""

from __future__ import annotations

from dataclasses import dataclass

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
from joint_models import NOTE_PX, WAN, Checkpoint, add_models
from node_schemas import Schemas
from ui_graph import Graph


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


def build_video(schemas: Schemas, setting: VideoRegions) -> Graph:
    """Prompts in places and times, over the rule 'couple'."""
    checkpoint = setting.checkpoint
    graph = Graph(schemas)
    graph.column("Model and canvas", 400, GREY)
    graph.note(
        f"## {checkpoint.title}, two places, two times\n"
        f"{checkpoint.where()}\n\n"
        "The *Region Editor* holds two boxes in each half, one for the beginning and one for the "
        "end. *Region Frames* gives each its part of the video: they fade over as in Prompt Relay "
        "(arXiv 2604.10030), but each in its own place.\n\n"
        "- *frames* has one range per region, in the order of the drawing.\n"
        "- Raise *softness* for slower changes, set it to 0 for cuts.\n"
        "- Other checkpoints of Wan 2.1 and 2.2 go into *Load Diffusion Model* (the two models "
        "of 14B each through a patch of its own).",
        NOTE_PX + 25 * len(checkpoint.files) + 60,
    )
    models = add_models(graph, checkpoint)
    size = {"width": setting.width_px, "height": setting.height_px, "length": setting.length}
    latent = graph.node(checkpoint.latent, inputs=size)
    graph.column("Where", 540, BLUE)
    boxes = [(prompt, box) for prompt, box, _ in setting.regions]
    editor = add_drawing(
        graph, boxes, setting.global_prompt, latent,
        overlap="blend", negative_prompt=checkpoint.negative_prompt,
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
    graph.column("Sample", 380, AMBER)
    sampler, scheduler = checkpoint.sampler
    images = add_image(
        graph, patch.out("model"), conditioning, latent, models.vae,
        seed=setting.seed,
        steps=checkpoint.steps,
        cfg=checkpoint.cfg,
        sampler_name=sampler,
        scheduler=scheduler,
    )  # fmt: skip
    graph.column("Video", 480, BLUE)
    graph.node("PreviewImage", "Regions", inputs={"images": editor.out("weights")}, picture_px=330)
    video = graph.node("CreateVideo", inputs={"images": images.out("IMAGE"), "fps": setting.fps})
    graph.node(
        "SaveVideo",
        inputs={"video": video.out("VIDEO"), "filename_prefix": setting.prefix},
        picture_px=300,
    )
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
}

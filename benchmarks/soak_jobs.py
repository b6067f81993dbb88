"""Random jobs for ``soak.py``: rules, regions and settings drawn with a seed, some of them bad."""

from __future__ import annotations

import random
from typing import Any

Graph = dict[str, dict[str, Any]]

OBJECTS = ("a red circle", "a blue square", "a green triangle", "a yellow star", "a white circle")
RULES: dict[str, dict[str, tuple[Any, ...]]] = {
    "": {},
    "RCAC": {},
    "RCACLiteral": {},
    "Joint": {"base_ratio": (0.0, 0.3, 1.0), "length_compensation": (True, False)},
    "Omost": {},
    "Dense": {"strength": (0.5, 1.0), "end_percent": (0.3, 1.0)},
    "RPG": {"base_ratio": (0.35, 0.5)},
    "LaRender": {"opacity": (0.5, 0.8), "schedule": ("falling", "constant")},
}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "too many prompts": ("conditioning", {"prompts": "a\n" * 9}),
    "layers that do not exist": ("patch", {"last_layer": 40}),
    "end before start": ("patch", {"start_percent": 0.9, "end_percent": 0.1}),
    "sizes that do not fit": ("regions", {"split": "W (columns)", "n": 2, "column_sizes": "1:2:1"}),
    "weights that are no numbers": ("conditioning", {"weights": "heavy"}),
    "impossible picture": ("latent", {"width": -64}),
    "unknown rule input": ("patch", {"rule": ["model", 0]}),
}


def graph(rng: random.Random, number: int) -> Graph:
    """A job with random settings that should run, or be refused with a sentence."""
    n = rng.randint(1, 6)
    prompts = "\n".join(rng.choice(OBJECTS) for _ in range(n))
    regions = {
        "split": "W (columns)", "n": n, "rows": 2, "columns": 2, "column_sizes": "",
        "row_sizes": "", "feather": rng.choice([0.0, 0.1, 0.3]),
        "overlap": rng.choice([0.0, 0.1, -0.05]),
    }  # fmt: skip
    conditioning = {
        "clip": ["model", 1], "regions": ["regions", 0], "prompts": prompts,
        "global_prompt": rng.choice(["", "black background"]), "negative_prompt": "",
        "level": "both", "weights": rng.choice(["", ", ".join(["1.5"] * n)]), "trim_padding": False,
    }  # fmt: skip
    start = rng.choice([0.0, 0.0, 0.2])
    patch = {
        "model": ["model", 0], "regional": ["conditioning", 0], "first_layer": rng.choice([0, 2]),
        "last_layer": rng.choice([-1, 5]), "start_percent": start,
        "end_percent": rng.choice([1.0, 0.7]), "base_ratio": rng.choice([0.0, 0.1, 0.3, 1.0]),
    }  # fmt: skip
    latent = {
        "width": rng.choice([128, 144, 192]), "height": rng.choice([128, 160, 192]),
        "batch_size": rng.choice([1, 1, 2, 3]),
    }  # fmt: skip
    sampler = {
        "model": ["patch" if rng.random() < 0.85 else "model", 0], "seed": number,
        "steps": rng.randint(2, 4), "cfg": rng.choice([1.0, 4.0]),
        "sampler_name": rng.choice(["euler", "heun", "dpmpp_2m"]), "scheduler": "sgm_uniform",
        "positive": ["conditioning", 1], "negative": ["conditioning", 2],
        "latent_image": ["latent", 0], "denoise": 1.0,
    }  # fmt: skip
    nodes = {
        "model": ("RegionalDiT_DemoDiTLoader", {}),
        "latent": ("EmptyLatentImage", latent),
        "regions": ("RegionalDiT_RegionSplit", regions),
        "conditioning": ("RegionalDiT_RegionalConditioning", conditioning),
        "patch": ("RegionalDiT_PatchCrossAttention", patch),
        "sampler": ("KSampler", sampler),
        "decode": ("VAEDecode", {"samples": ["sampler", 0], "vae": ["model", 2]}),
        "save": ("SaveImage", {"images": ["decode", 0], "filename_prefix": f"soak-{number:04d}"}),
    }
    rule = rng.choice(list(RULES))
    if rule:
        values = {name: rng.choice(options) for name, options in RULES[rule].items()}
        nodes["rule"] = (f"RegionalDiT_Rule{rule}", values)
        patch["rule"] = ["rule", 0]
    return {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}


def make_jobs(n: int, seed: int) -> list[tuple[str, Graph]]:
    """(kind, graph) of each job; kind is "good", "interrupted" or what is bad about it."""
    rng = random.Random(seed)
    jobs = []
    for number in range(n):
        job, dice = graph(rng, number), rng.random()
        kind = "good"
        if dice < 0.15:
            kind = rng.choice(list(BAD))
            node, inputs = BAD[kind]
            job[node]["inputs"].update(inputs)
            job["sampler"]["inputs"]["model"] = ["patch", 0]
        elif dice < 0.22:
            kind = "interrupted"
            job["sampler"]["inputs"].update(steps=200, model=["patch", 0])
        jobs.append((kind, job))
    return jobs

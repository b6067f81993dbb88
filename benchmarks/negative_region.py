"""Does a region's negative prompt act in its region, and only there? On the trained demo models.

Each scene has two columns that both ask for the same two objects, a red one and one of another
colour. It is sampled three times from one seed with ComfyUI's own sampler: without a negative, with
"red" as the negative of the left column, and with the same negative for the whole picture. Counted
is the share of red among the object-coloured pixels of each column, and in how many scenes a column
has any red object. Intervals are two standard errors of the mean over scenes; Wilson's for counts.

    python3 -m headless run benchmarks/negative_region.py --scenes 60
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host

SIDES = ("left", "right")
KINDS = ("none", "left", "whole picture")  # who has the negative
SIZE = 256
SETTINGS = {"hunyuan_dit": ("euler", "sgm_uniform", 40), "flux": ("euler", "simple", 12)}


def prompt_of(rng: random.Random) -> tuple[str, str]:
    """(objects, background): a red object and one of another colour."""
    from regional_dit.demo_model.world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES

    other = rng.choice([color for color in COLOR_NAMES if color != "red"])
    pair = [f"a red {rng.choice(list(SHAPES))}", f"a {other} {rng.choice(list(SHAPES))}"]
    rng.shuffle(pair)
    return ", ".join(pair), rng.choice(list(BACKGROUND_NAMES))


def red_by_side(picture: Any) -> tuple[list[float], list[int]]:
    """Share of red among the object-coloured pixels, and number of red objects, left and right."""
    from regional_dit.demo_model.detector import detect
    from regional_dit.demo_model.world import COLOR_NAMES

    found = detect(picture)
    middle = found.colors.shape[1] // 2
    shares, counts = [], []
    for index, half in enumerate((found.colors[:, :middle], found.colors[:, middle:])):
        drawn = (half >= 0).sum()
        red = (half == list(COLOR_NAMES).index("red")).sum()
        shares.append(float(red / drawn) if drawn else 0.0)
        counts.append(sum(o.color == "red" and (o.x_frac >= 0.5) == index for o in found.objects))
    return shares, counts


def negatives(kind: str, args: argparse.Namespace) -> dict[str, str]:
    """Inputs of Regional Conditioning."""
    return {
        "negative_prompt": args.negative if kind == "whole picture" else "",
        "negative_prompts": args.negative if kind == "left" else "",
    }


def scene(seed: int, models: tuple[Any, Any, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Picture by kind."""
    import comfy.sample
    import torch
    from regional_dit.nodes.patching.patch import PatchCrossAttention
    from regional_dit.nodes.prompts.conditioning import RegionalConditioning
    from regional_dit.nodes.regions.split import RegionSplit

    model, clip, vae = models
    objects, background = prompt_of(random.Random(seed))
    prompt = f"{objects}, {background} background"
    regions = RegionSplit.execute("W (columns)", 2, 1, 2, "", "", 0.0, 0.0)[0]
    sampler, scheduler, steps = SETTINGS[args.model]
    made = {}
    for kind in KINDS:
        regional, positive, negative = RegionalConditioning.execute(
            clip, regions, f"{prompt}\n{prompt}", prompt, level="both", weights="",
            **negatives(kind, args),
        ).args  # fmt: skip
        patched = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, args.base_ratio)[0]
        latent = torch.zeros(1, 4, SIZE // 8, SIZE // 8)
        noise = comfy.sample.prepare_noise(latent, seed)
        sampled = comfy.sample.sample(
            patched, noise, steps, args.cfg, sampler, scheduler, positive, negative, latent,
            disable_pbar=True, seed=seed,
        )  # fmt: skip
        made[kind] = vae.decode(sampled)[0].numpy()
    return made


def summarise(found: dict[str, list[tuple[list[float], list[int]]]]) -> dict[str, Any]:
    import numpy as np
    from regional_dit.demo_model.score import wilson_interval

    result: dict[str, Any] = {}
    for kind, scenes in found.items():
        shares = np.array([shares for shares, _ in scenes])
        drawn = np.array([counts for _, counts in scenes]) > 0
        error = shares.std(0, ddof=1) / len(scenes) ** 0.5
        result[kind] = {
            side: {
                "red_share": round(float(shares[:, i].mean()), 4),
                "two_errors": round(2 * float(error[i]), 4),
                "scenes_with_red": round(float(drawn[:, i].mean()), 4),
                "interval": [
                    round(x, 4) for x in wilson_interval(int(drawn[:, i].sum()), len(scenes))
                ],
            }
            for i, side in enumerate(SIDES)
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(SETTINGS), default="hunyuan_dit")
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--negative", default="red")
    parser.add_argument("--base-ratio", type=float, default=0.1)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--keep", type=int, default=6, help="scenes on the contact sheet")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, the sheet beside them")
    args = parser.parse_args()
    host.load()
    import torch
    from demo_accuracy import save_report
    from regional_dit.demo_model.loader import load_demo

    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    sheet: list[tuple[str, Any]] = []
    with torch.inference_mode():
        models = load_demo(args.model)
        for number in range(args.scenes):
            made = scene(args.first_seed + number, models, args)
            for kind, picture in made.items():
                found[kind].append(red_by_side(picture))
                if number < args.keep:
                    sheet.append((kind, picture))
            if (number + 1) % 10 == 0:
                print(f"{number + 1}/{args.scenes}", file=sys.stderr, flush=True)
    result = summarise(found)
    print(json.dumps(result, indent=1))
    save_report(args, result, sheet, KINDS)


if __name__ == "__main__":
    main()

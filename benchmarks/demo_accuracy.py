"""How well the demo model's regions follow their prompts, with the patch and without it.

Random scenes of the synthetic world: one object per region, all of different kinds, on one
background. Each scene is planned by the offline planner from a plain list, and sampled twice from
the same seed with ComfyUI's own sampler: with the regional patch, and with the merged (global)
prompt alone. A third figure scores the regional pictures against the regions' prompts shifted by
one region, as a control of the score itself. Intervals are Wilson's, 95 %.

    python3 -m headless run benchmarks/demo_accuracy.py --n 2 4 9 --scenes 100
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host

GRIDS = {2: (1, 2, 256), 4: (2, 2, 256), 9: (3, 3, 384)}  # rows, columns, picture size in pixels


def random_sentence(rng: random.Random, n: int) -> str:
    """A list of n objects, all of different kinds, and a background."""
    from regional_dit.demo_model.world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES

    kinds = [(color, shape) for color in COLOR_NAMES for shape in SHAPES]
    if n <= len(COLOR_NAMES):  # all colours differ, so that no object can stand in for another
        colors = rng.sample(list(COLOR_NAMES), n)
        chosen = [(color, rng.choice(list(SHAPES))) for color in colors]
    else:
        chosen = rng.sample(kinds, n)
    objects = [f"a {color} {shape}" for color, shape in chosen]
    background = rng.choice(list(BACKGROUND_NAMES))
    listed = ", ".join(objects[:-1]) + f" and {objects[-1]}"
    return f"{listed} on {background} background"


def sample(model: Any, positive: Any, negative: Any, size: int, seed: int, args: Any) -> Any:
    import comfy.sample
    import torch

    latent = torch.zeros(1, 4, size // 8, size // 8)
    noise = comfy.sample.prepare_noise(latent, seed)
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            noise,
            args.steps,
            args.cfg,
            "euler",
            "sgm_uniform",
            positive,
            negative,
            latent,
            disable_pbar=True,
            seed=seed,
        )


def run(n: int, args: argparse.Namespace) -> dict[str, Any]:
    from regional_dit.demo_model.loader import DemoTextEncoder, DemoVAE, load_model
    from regional_dit.demo_model.score import score_picture
    from regional_dit.nodes.patching.patch import PatchCrossAttention
    from regional_dit.nodes.prompts.conditioning import RegionalConditioning
    from regional_dit.nodes.prompts.planner import LLMProgressivePrompt
    from regional_dit.nodes.regions.split import RegionSplit
    from regional_dit.nodes.rules.cross import RCACRule

    model = load_model(path=args.weights)
    clip, vae = DemoTextEncoder(), DemoVAE()
    rows, columns, size = GRIDS[n]
    split = "W (columns)" if rows == 1 else "grid"
    regions = RegionSplit.execute(split, n, rows, columns, "", "", args.feather, args.overlap)[0]
    cells = RegionSplit.execute(split, n, rows, columns, "", "", 0.0, 0.0)[0]
    boxes = [r.bounds for r in cells.regions]  # an object may reach into the gap of its own cell
    rule = RCACRule.execute()[0] if args.rule == "rcac" else None
    counts = {
        name: {"present": 0, "dominates": 0, "foreign": 0}
        for name in ("regional", "merged", "control")
    }
    all_right = {"regional": 0, "merged": 0}
    pictures: list[Any] = []
    started = time.monotonic()
    for scene in range(args.scenes):
        seed = args.first_seed + scene
        sentence = random_sentence(random.Random(seed * 1000 + n), n)
        plan = LLMProgressivePrompt.execute(
            sentence, n, "offline", 0, 0.0, "", "", regions=regions
        )[0]
        regional, positive, negative = RegionalConditioning.execute(
            clip, regions, "", args.global_prompt, "", "both", "", plan=plan
        ).args
        patched = PatchCrossAttention.execute(
            model, regional, 0, -1, 0.0, args.end_percent, args.base_ratio, rule
        )[0]
        prompts = [r.prompt() for r in plan.regions]
        made = {"regional": sample(patched, positive, negative, size, seed, args)}
        if not args.no_merged:
            made["merged"] = sample(model, positive, negative, size, seed, args)
        for name, latent in made.items():
            picture = vae.decode(latent)[0].numpy()
            if scene < args.keep:
                pictures.append((name, picture))
            scores = score_picture(picture, boxes, prompts)
            add(counts[name], scores)
            all_right[name] += all(s.present for s in scores)
            if name == "regional":
                add(counts["control"], score_picture(picture, boxes, prompts[1:] + prompts[:1]))
        if (scene + 1) % 10 == 0:
            done = counts["regional"]["present"] / ((scene + 1) * n)
            print(f"N={n} {scene + 1}/{args.scenes} regional {done:.3f}", file=sys.stderr)
    if args.out and pictures:
        save_sheet(pictures, args.out.with_name(f"{args.out.stem}_{n}.png"))
    return summarise(n, args, counts, all_right, time.monotonic() - started)


def add(count: dict[str, int], scores: Any) -> None:
    count["present"] += sum(s.present for s in scores)
    count["dominates"] += sum(s.dominates for s in scores)
    count["foreign"] += sum(s.foreign_objects > 0 for s in scores)


def summarise(n: int, args: Any, counts: Any, all_right: Any, seconds: float) -> dict[str, Any]:
    from regional_dit.demo_model.score import wilson_interval

    total = args.scenes * n
    result: dict[str, Any] = {"n": n, "scenes": args.scenes, "seconds": round(seconds)}
    for name, count in counts.items():
        if name == "merged" and args.no_merged:
            continue
        result[name] = {
            key: {
                "share": round(value / total, 4),
                "interval": [round(x, 4) for x in wilson_interval(value, total)],
            }
            for key, value in count.items()
        }
        if name in all_right:
            result[name]["whole_picture_right"] = round(all_right[name] / args.scenes, 4)
    shown = {
        name: {key: value["share"] for key, value in result[name].items() if "whole" not in key}
        for name in counts
        if name in result
    }
    print(f"N={n} scenes={args.scenes} {json.dumps(shown)}", flush=True)
    return result


def save_report(
    args: argparse.Namespace, results: Any, sheet: list[Any], kinds: Sequence[str]
) -> None:
    """Figures and settings into ``args.out``, the pictures beside it; nothing without it."""
    if not args.out:
        return
    settings = {k: v for k, v in vars(args).items() if k not in ("out", "keep")}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"settings": settings, "results": results}
    args.out.write_text(json.dumps(report, indent=2) + "\n")
    save_sheet(sheet, args.out.with_suffix(".png"), kinds)


def save_sheet(
    pictures: list[Any], path: Path, kinds: Sequence[str] = ("regional", "merged")
) -> None:
    """One row of pictures per kind, the first one above."""
    import numpy as np
    from PIL import Image

    rows = [
        np.concatenate([p for name, p in pictures if name == wanted], axis=1)
        for wanted in kinds
        if any(name == wanted for name, _ in pictures)
    ]
    sheet = (np.concatenate(rows, axis=0).clip(0, 1) * 255).astype(np.uint8)
    Image.fromarray(sheet).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[2, 4, 9], choices=list(GRIDS))
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--rule", choices=["couple", "rcac"], default="couple")
    parser.add_argument("--overlap", type=float, default=0.0)
    parser.add_argument("--feather", type=float, default=0.0)
    parser.add_argument("--base-ratio", type=float, default=0.1)
    parser.add_argument("--end-percent", type=float, default=1.0)
    parser.add_argument("--global-prompt", default="", help="instead of the plan's")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--weights", type=Path, help="another checkpoint of the demo model")
    parser.add_argument("--no-merged", action="store_true")
    parser.add_argument("--keep", type=int, default=8, help="pictures on the contact sheet")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    host.load()
    import torch

    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        results = [run(n, args) for n in args.n]
    if args.out:
        settings = {k: v for k, v in vars(args).items() if k not in ("out", "weights")}
        report = {"settings": settings, "results": results}
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

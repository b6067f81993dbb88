"""Does a region's own guidance scale act in its region, and only there? On the demo models.

Scenes of the semantic benchmark, the patch node's default rule, ComfyUI's own sampling. Each scene
is sampled three times from one seed: with one cfg everywhere, with another one in the first region
(Region Guidance), and with that other one everywhere. Counted are, in the first region and in the
rest apart: regions with the right object, the mean chroma of the pixels (largest less smallest
channel, 0..1), and how far the picture lies from the first one (mean absolute difference, 0..1).
Intervals are two standard errors of the mean over scenes; Wilson's for shares.

    python3 -m headless run benchmarks/region_guidance.py --scenes 24
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
from semantic import sample
from semantic_methods import REFERENCES, find_methods, prepare
from semantic_scenes import LAYOUTS, Scene, make_scene

SETTINGS = {"hunyuan_dit": ("dpmpp_2m", "sgm_uniform", 12), "flux": ("euler", "simple", 12)}
KINDS = ("everywhere", "first region", "other everywhere")


def measure(picture: Any, plain: Any, scene: Scene) -> dict[str, list[Any]]:
    """For each region: right object, mean chroma, distance from the plain picture."""
    import numpy as np
    from regional_dit.demo_model.score import region_mask, score_picture

    background = scene.background
    prompts = [f"{phrase} on {background} background" for phrase in scene.phrases]
    inside = [region_mask(region, *picture.shape[:2]) for region in scene.scored]
    chroma, away = picture.max(-1) - picture.min(-1), np.abs(picture - plain).mean(-1)
    found = score_picture(picture, scene.scored, prompts)
    return {
        "object": [int(region.present) for region in found],
        "chroma": [float(chroma[mask].mean()) for mask in inside],
        "away": [float(away[mask].mean()) for mask in inside],
    }


def sampled(model: Any, kind: str, scene: Scene, sides: tuple[Any, Any], args: Any) -> Any:
    from regional_dit.nodes.regional.guidance import RegionGuidanceNode

    used, settings = model, argparse.Namespace(**vars(args))
    settings.sampler, settings.scheduler, settings.steps = SETTINGS[args.model]
    if kind == "first region":
        used = RegionGuidanceNode.execute(model, scene.regions, "1", args.other, 0.0, 1.0)[0]
    elif kind == "other everywhere":
        settings.cfg = args.other
    return sample(used, *sides, scene, settings)


def summarise(
    found: list[dict[str, list[Any]]], plain: list[dict[str, list[Any]]], seconds: list[float]
) -> dict[str, Any]:
    """First region and the others, over all scenes; changes against the plain pictures."""
    import numpy as np
    from regional_dit.demo_model.score import wilson_interval

    result: dict[str, Any] = {"seconds": round(median(seconds), 3)}
    for name, part in (("first", slice(0, 1)), ("others", slice(1, None))):
        hits = [hit for scene in found for hit in scene["object"][part]]
        low, high = wilson_interval(sum(hits), len(hits))
        cell: dict[str, Any] = {
            "object": round(sum(hits) / len(hits), 3),
            "interval": [round(low, 3), round(high, 3)],
        }
        pairs = list(zip(found, plain, strict=True))
        for measure in ("object", "chroma"):
            cell[f"{measure}_change"] = mean_and_error(
                [np.mean(a[measure][part]) - np.mean(b[measure][part]) for a, b in pairs]
            )
        for measure in ("chroma", "away"):
            cell[measure] = mean_and_error([np.mean(scene[measure][part]) for scene in found])
        result[name] = cell
    return result


def mean_and_error(values: list[Any]) -> list[float]:
    """Mean over scenes, and two standard errors of it."""
    import numpy as np

    error = np.std(values, ddof=1) / len(values) ** 0.5
    return [round(float(np.mean(values)), 4), round(2 * float(error), 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(SETTINGS), default="hunyuan_dit")
    parser.add_argument("--layouts", nargs="+", default=["W2", "grid4"], choices=list(LAYOUTS))
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--other", type=float, default=1.5, help="cfg of the first region")
    parser.add_argument("--keep", type=int, default=4, help="scenes on the contact sheet")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, the sheet beside them")
    args = parser.parse_args()
    host.load()
    import torch
    from demo_accuracy import save_report
    from regional_dit.demo_model.loader import load_demo

    (method,) = find_methods([REFERENCES[args.model]])
    result: dict[str, Any] = {}
    sheet: list[tuple[str, Any]] = []
    with torch.inference_mode():
        model, clip, vae = load_demo(args.model)
        for layout in args.layouts:
            found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
            seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for number in range(args.scenes):
                scene = make_scene(LAYOUTS[layout], number)
                patched, *sides = prepare(method, scene, model, clip)
                plain = None
                for kind in KINDS:
                    started = time.process_time()
                    latent = sampled(patched, kind, scene, tuple(sides), args)
                    seconds[kind].append(time.process_time() - started)
                    picture = vae.decode(latent)[0].numpy()
                    plain = picture if plain is None else plain
                    found[kind].append(measure(picture, plain, scene))
                    if number < args.keep:
                        sheet.append((kind, picture))
            result[layout] = {
                kind: summarise(found[kind], found[KINDS[0]], seconds[kind]) for kind in KINDS
            }
            print(layout, json.dumps(result[layout], indent=1), flush=True)
    save_report(args, result, sheet, KINDS)


if __name__ == "__main__":
    main()

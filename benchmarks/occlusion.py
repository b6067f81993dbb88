"""Two objects that overlap, one in front: who draws the front one whole and the rear one behind it?

Scenes and scores: ``occlusion_scenes.py``. Compared are the patch node's default rule with overlaps
shared ("blend") and given to the front region ("front"), ComfyUI's own ConditioningSetMask, and a
layered beginning after LayerBind (arXiv 2603.05769), as far as it can be had around a sampler: in
the first steps a branch of the latent for the background and for each region alone, whose canvas
outside of its region is the background branch's after each step; then all become one latent, back
to front, by their boxes or by what each branch has drawn ("cut"), and sampling goes on with
overlaps given to the front region. LayerBind itself shares the background's keys and values in each
layer, and goes on with a layered attention path: neither is done here. The demo models have never
seen one object behind another, so this says whether an order of layers is kept, hardly whether a
model that knows occlusion would draw it. No way was ahead of the default rule with overlaps in
front by more than the interval (``results/occlusion_*.json``).

    python3 -m headless run benchmarks/occlusion.py --model flux --scenes 24
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
from occlusion_scenes import look, scene_of
from semantic_methods import REFERENCES, Method, encode, find_methods, prepare
from semantic_paired import QUANTILE
from semantic_scenes import Scene

SETTINGS = {"hunyuan_dit": ("euler", "sgm_uniform", 20), "flux": ("euler", "simple", 12)}
DRAWN = 0.5  # of the largest difference from the background branch
CONTINUED = "front"


class Studio:
    """A demo model, and how it is sampled.

    Args:
        name: of the demo model.
        cfg: guidance scale.
    """

    def __init__(self, name: str, cfg: float) -> None:
        import comfy.samplers
        from regional_dit.demo_model.loader import load_demo

        self.model, self.clip, self.vae = load_demo(name)
        (self.rule,) = find_methods([REFERENCES[name]])
        sampler, scheduler, steps = SETTINGS[name]
        self.cfg = cfg
        self.sampler = comfy.samplers.sampler_object(sampler)
        sampling = self.model.get_model_object("model_sampling")
        self.sigmas = comfy.samplers.calculate_sigmas(sampling, scheduler, steps)

    def part(self, prepared: tuple[Any, Any, Any], scene: Scene, latent: Any, steps: slice) -> Any:
        """(latent, last denoised one) of a part of the steps."""
        import comfy.sample
        import torch

        model, positive, negative = prepared
        noise = torch.zeros_like(latent)
        if steps.start == 0:
            noise = comfy.sample.prepare_noise(latent, scene.seed)
        seen: list[Any] = []
        sampled = comfy.sample.sample_custom(
            model, noise, self.cfg, self.sampler, self.sigmas[steps.start : steps.stop + 1],
            positive, negative, latent, disable_pbar=True, seed=scene.seed,
            callback=lambda step, denoised, x, total: seen.append(denoised),
        )  # fmt: skip
        return sampled, seen[-1]

    def whole(self, prepared: tuple[Any, Any, Any], scene: Scene) -> Any:
        return self.part(prepared, scene, empty(scene), slice(0, len(self.sigmas) - 1))[0]


def empty(scene: Scene) -> Any:
    import torch

    return torch.zeros(1, 4, scene.size_px // 8, scene.size_px // 8)


def ordered(scene: Scene, overlap: str, regions: Any = None) -> Scene:
    return replace(scene, regions=replace(regions or scene.regions, overlap=overlap))


def plain(studio: Studio, scene: Scene, method: Method, overlap: str) -> Any:
    return studio.whole(prepare(method, ordered(scene, overlap), studio.model, studio.clip), scene)


def layered(studio: Studio, scene: Scene, steps: int, cut: bool, follow: bool) -> Any:
    """Sampled with a layered beginning.

    Args:
        studio: model and sampler.
        scene: with two regions or more; the last one lies in front.
        steps: of the beginning.
        cut: whether branches are joined by what they have drawn, not by their boxes.
        follow: whether the regions then are what was drawn.
    """
    import torch

    clip = studio.clip
    background = (studio.model, encode(clip, scene.base), encode(clip, ""))
    branches = [background, *(alone(studio, scene, r) for r in range(len(scene.prompts)))]
    latents = [empty(scene)] * len(branches)
    boxes = [mask > 0.5 for mask in scene.regions.masks(*empty(scene).shape[-2:])]
    denoised = list(latents)
    for step in range(steps):
        made = [
            studio.part(branch, scene, latent, slice(step, step + 1))
            for branch, latent in zip(branches, latents, strict=True)
        ]
        latents, denoised = (list(each) for each in zip(*made, strict=True))
        ground = latents[0]
        latents[1:] = [
            torch.where(box, latent, ground) for box, latent in zip(boxes, latents[1:], strict=True)
        ]
    drawn = [box & differs(own, denoised[0]) for box, own in zip(boxes, denoised[1:], strict=True)]
    joined = latents[0]
    for mask, latent in zip(drawn if cut else boxes, latents[1:], strict=True):
        joined = torch.where(mask, latent, joined)
    regions = None
    if follow:
        regions = type(scene.regions).from_masks([mask.float() for mask in drawn])
    rest = prepare(studio.rule, ordered(scene, CONTINUED, regions), studio.model, clip)
    return studio.part(rest, scene, joined, slice(steps, len(studio.sigmas) - 1))[0]


def alone(studio: Studio, scene: Scene, index: int) -> tuple[Any, Any, Any]:
    """The default rule with one of the regions."""
    one = replace(scene.regions, regions=(scene.regions.regions[index],))
    changed = replace(scene, regions=one, prompts=(scene.prompts[index],))
    return prepare(studio.rule, changed, studio.model, studio.clip)


def differs(own: Any, background: Any) -> Any:
    """Where a branch has drawn something: bool [h, w]."""
    away = (own - background).abs().amax((0, 1))
    return away > DRAWN * away.max()


def ways(studio: Studio, steps: list[int]) -> dict[str, Callable[[Studio, Scene], Any]]:
    """Name -> what makes the latent of a scene."""
    merged, setmask = find_methods(["merged", "setmask"])
    rule = studio.rule
    bare = replace(rule, settings={**rule.settings, "base_ratio": 0.0})
    made: dict[str, Callable[[Studio, Scene], Any]] = {
        "merged prompt, no patch": partial(plain, method=merged, overlap="blend"),
        "ConditioningSetMask": partial(plain, method=setmask, overlap="blend"),
        "ConditioningSetMask, front": partial(plain, method=setmask, overlap="front"),
        "default rule, blend": partial(plain, method=rule, overlap="blend"),
        "default rule, front": partial(plain, method=rule, overlap="front"),
        "base ratio 0, front": partial(plain, method=bare, overlap="front"),
    }
    for k in steps:
        for name, cut, follow in (
            ("boxes", False, False), ("cut", True, False), ("cut, regions follow", True, True),
        ):  # fmt: skip
            made[f"layered {k}, {name}"] = partial(layered, steps=k, cut=cut, follow=follow)
    return made


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Way -> shares with Wilson's intervals, and the lead of each over "default rule, front"."""
    from regional_dit.demo_model.score import wilson_interval

    by_way: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        by_way.setdefault(row["way"], {})[row["scene"]] = row
    result: dict[str, dict[str, Any]] = {}
    for way, scenes in by_way.items():
        cell: dict[str, Any] = {"scenes": len(scenes)}
        for measure in ("front", "rear", "both", "occluded"):
            hits = sum(row[measure] for row in scenes.values())
            low, high = wilson_interval(hits, len(scenes))
            cell[measure] = [round(x, 3) for x in (hits / len(scenes), low, high)]
        for measure in ("hidden", "front_in_shared", "foreign", "seconds"):
            cell[measure] = round(fmean(row[measure] for row in scenes.values()), 3)
        base = by_way.get("default rule, front", {})
        gains = [row["both"] - base[n]["both"] for n, row in scenes.items() if n in base]
        if len(gains) > 1:
            mean, reach = fmean(gains), QUANTILE * sqrt(variance(gains) / len(gains))
            cell["both_lead"] = [round(x, 3) for x in (mean, mean - reach, mean + reach)]
        result[way] = cell
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(SETTINGS), default="hunyuan_dit")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--first-scene", type=int, default=0)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--steps", type=int, nargs="*", default=[2, 4], help="layered ones")
    parser.add_argument("--ways", nargs="*", help="only those with one of these texts in the name")
    parser.add_argument("--keep", type=int, default=6, help="scenes on the contact sheet")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, the sheet beside them")
    args = parser.parse_args()
    host.load()
    import torch
    from demo_accuracy import save_report
    from occlusion_scenes import SEEN_AS_HIDDEN

    rows: list[dict[str, Any]] = []
    sheet: list[tuple[str, Any]] = []
    with torch.inference_mode():
        studio = Studio(args.model, args.cfg)
        chosen = ways(studio, args.steps)
        if args.ways:
            chosen = {n: way for n, way in chosen.items() if any(text in n for text in args.ways)}
        for number in range(args.first_scene, args.first_scene + args.scenes):
            scene = scene_of(number)
            for name, way in chosen.items():
                started = time.process_time()
                latent = way(studio, scene)
                seconds = time.process_time() - started
                picture = studio.vae.decode(latent)[0].numpy()
                seen = look(picture, scene)
                both = seen.front and seen.rear
                occluded = both and seen.hidden >= SEEN_AS_HIDDEN
                row = {"both": both, "occluded": occluded, "seconds": seconds, **asdict(seen)}
                rows.append({"scene": number, "way": name, **row})
                if number < args.first_scene + args.keep:
                    sheet.append((name, picture))
            print(f"scene {number}", file=sys.stderr, flush=True)
    result = summarise(rows)
    print(json.dumps(result, indent=1))
    save_report(args, result, sheet, tuple(chosen))


if __name__ == "__main__":
    main()

"""Right object in the right region? Every method on the same scenes of the demo model, offline.

Pictures are sampled one by one with ComfyUI's own sampler and scored at once; each result is one
line appended to a file. Stopped at any moment and started again it goes on where it was, and scenes
are gone through method by method, so that all cells have about the same number at any time.

    python3 -m headless run benchmarks/semantic.py --scenes 200
    python3 -m headless run benchmarks/semantic.py --methods prefix window --layouts W2
    python3 -m headless run benchmarks/semantic.py --model flux --methods joint-attention \\
        bind-settings --sampler euler_ancestral --scheduler simple --steps 24 --cfg 2.5 \\
        --name semantic_flux
    python3 -m headless run benchmarks/semantic.py --cost 5 --layouts W2 grid4 boxes2
    python3 -m headless run benchmarks/semantic.py --table
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host
import semantic_paired
import semantic_table
from semantic_methods import Method, find_methods, is_available, prepare
from semantic_scenes import LAYOUTS, Scene, make_scene

RESULTS = host.ROOT / "benchmarks" / "results"
CLEAN_SHARE = 0.9
"""Uncovered canvas counts as kept when at least this share of it shows the background."""


def sample(model: Any, positive: Any, negative: Any, scene: Scene, args: Any) -> Any:
    import comfy.sample
    import torch

    latent = torch.zeros(1, 4, scene.size_px // 8, scene.size_px // 8)
    noise = comfy.sample.prepare_noise(latent, scene.seed)
    return comfy.sample.sample(
        model, noise, args.steps, args.cfg, args.sampler, args.scheduler, positive, negative,
        latent, disable_pbar=True, seed=scene.seed,
    )  # fmt: skip


def score(picture: Any, scene: Scene) -> dict[str, Any]:
    """What one picture shows; see ``semantic_table`` for the measures."""
    import numpy as np
    from regional_dit.demo_model.detector import detect
    from regional_dit.demo_model.score import parse_prompt, region_mask, score_region
    from regional_dit.demo_model.world import BACKGROUND_NAMES

    found = detect(picture)
    regions = [
        score_region(found, region, parse_prompt(f"{phrase} on {scene.background} background"))
        for region, phrase in zip(scene.scored, scene.phrases, strict=True)
    ]
    height, width = found.instances.shape
    covered = np.zeros((height, width), bool)
    for region in scene.scored:
        covered |= region_mask(region, height, width)
    wanted = BACKGROUND_NAMES.index(scene.background)
    kept = all(r.background_right for r in regions)
    if not covered.all():
        kept = kept and float(np.mean(found.backgrounds[~covered] == wanted)) >= CLEAN_SHARE
    return {
        "colour": [int(r.dominates) for r in regions],
        "object": [int(r.present) for r in regions],
        "foreign": [int(r.foreign_objects > 0) for r in regions],
        "leak": [round(r.leak_share, 3) for r in regions],
        "background": int(kept),
        **seam(picture, scene),
    }


def seam(picture: Any, scene: Scene) -> dict[str, float]:
    """How visible the borders between regions are (``evaluation/seam.py``); 1 = not at all."""
    import torch
    from regional_dit.evaluation.seam import seam_score

    if len(scene.regions.regions) < 2:
        return {}
    return {"seam": round(seam_score(torch.as_tensor(picture)[None], scene.regions)[0], 3)}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All results so far; a line that a kill cut short is dropped, and the file repaired."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def run(args: argparse.Namespace, path: Path) -> None:
    import torch
    from regional_dit.demo_model.loader import DemoTextEncoder, DemoVAE, load_model

    model, clip, vae = load_model(args.model, args.weights), DemoTextEncoder(args.model), DemoVAE()
    methods = [m for m in find_methods(args.methods) if is_available(m)]
    done = {(r["layout"], r["method"], r["scene"]) for r in read_lines(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out, torch.inference_mode():
        for number in range(args.first_scene, args.scenes):
            started = time.monotonic()
            made = 0
            for name in args.layouts:
                scene = make_scene(LAYOUTS[name], number)
                for method in methods:
                    if (name, method.name, number) in done:
                        continue
                    result = one(method, scene, model, clip, vae, args)
                    row = {"layout": name, "method": method.name, "scene": number, **result}
                    out.write(json.dumps(row, separators=(",", ":")) + "\n")
                    out.flush()
                    made += 1
            if made:
                seconds = (time.monotonic() - started) / made
                print(f"scene {number}: {made} pictures, {seconds:.2f} s each", flush=True)


def one(
    method: Method, scene: Scene, model: Any, clip: Any, vae: Any, args: argparse.Namespace
) -> dict[str, Any]:
    used, positive, negative = prepare(method, scene, model, clip)
    started = time.process_time()
    latent = sample(used, positive, negative, scene, args)
    seconds = time.process_time() - started
    picture = vae.decode(latent)[0].numpy()
    if args.pictures:
        save(picture, args.pictures / f"{method.name}_{len(scene.prompts)}_{scene.seed}.png")
    return {**score(picture, scene), "cpu_s": round(seconds, 3)}


def measure_costs(args: argparse.Namespace, path: Path) -> None:
    """Processor seconds per picture, all methods in turn, round after round."""
    import torch
    from regional_dit.demo_model.loader import DemoTextEncoder, DemoVAE, load_model

    model, clip, vae = load_model(args.model, args.weights), DemoTextEncoder(args.model), DemoVAE()
    methods = [m for m in find_methods(args.methods) if is_available(m)]
    seconds: dict[str, dict[str, list[float]]] = {}
    with torch.inference_mode():
        for number in range(-1, args.cost):  # the first round warms up and is not counted
            for name in args.layouts:
                scene = make_scene(LAYOUTS[name], 0)
                for method in methods:
                    found = one(method, scene, model, clip, vae, args)["cpu_s"]
                    if number >= 0:
                        seconds.setdefault(name, {}).setdefault(method.name, []).append(found)
            print(f"round {number + 1} of {args.cost}", flush=True)
    path.write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")


def save(picture: Any, path: Path) -> None:
    import numpy as np
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="hunyuan_dit", choices=("hunyuan_dit", "flux"))
    parser.add_argument(
        "--weights", type=Path, help="of another training run, instead of the pack's"
    )
    parser.add_argument("--scenes", type=int, default=200, help="per cell")
    parser.add_argument("--first-scene", type=int, default=0)
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    parser.add_argument("--methods", nargs="+", default=["main"], help="groups or methods")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--scheduler", default="sgm_uniform")
    parser.add_argument("--name", default="semantic", help="of the result files")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="keep the pictures too")
    parser.add_argument("--cost", type=int, metavar="ROUNDS", help="measure the cost, and end")
    parser.add_argument("--table", action="store_true", help="summarise what is there, and end")
    args = parser.parse_args()
    host.load()
    path = args.results / f"{args.name}.jsonl"
    settings = {k: getattr(args, k) for k in ("steps", "cfg", "sampler", "scheduler")}
    if args.model != "hunyuan_dit":
        settings["model"] = args.model
    if args.weights:
        settings["weights"] = args.weights.name
    costs = path.with_name(f"{args.name}_cost.json")
    if args.cost:
        measure_costs(args, costs)
    elif not args.table:
        semantic_table.require_same_settings(path.with_suffix(".json"), settings)
        run(args, path)
    seconds = json.loads(costs.read_text(encoding="utf-8")) if costs.is_file() else {}
    ratios = semantic_table.relative_costs(seconds)
    if (args.table or args.cost) and path.with_suffix(".json").is_file():
        settings = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["settings"]
    report = semantic_table.summarise(read_lines(path), settings, ratios)
    path.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    leads = semantic_paired.markdown(report["differences"])
    tables = f"{semantic_table.overview(report)}\n\n{leads}\n\n{semantic_table.markdown(report)}\n"
    path.with_suffix(".md").write_text(f"{semantic_table.head(report)}\n\n{tables}", "utf-8")
    print(tables)


if __name__ == "__main__":
    main()

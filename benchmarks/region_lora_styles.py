"""Whether a LoRA acts in its own region and in no other, on pictures of the demo model.

Random scenes of two columns, an object of another colour in each, "striped" on one side and
"outlined" on the other: words that the model does not know, looks that come from two small LoRA
files. Each scene is sampled from one seed with each LoRA in its own region, with both loaded for
the whole picture by the host's loader (the regional prompts are the same), and without any. A style
counts as drawn in a half where its dark bands or its white rim cover enough of what is drawn there
(``demo_model/styles.py``). Intervals are Wilson's, 95 %.

    python3 -m headless run benchmarks/region_lora_styles.py --scenes 100
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host

RUNS = ("by region", "both on the whole picture", "no LoRA")
STRENGTH = {"striped": 0.9, "outlined": 1.0}
NEGATIVE = {"striped": False, "outlined": True}
"""By region: whether it also acts where the negative prompt is computed, as the loader does."""


class Scenes:
    """The model with its nodes, and random prompts."""

    def __init__(self, args: argparse.Namespace) -> None:
        from regional_dit.demo_model.loader import load_demo
        from regional_dit.nodes.regions.split import RegionSplit

        self.args = args
        self.model, self.clip, self.vae = load_demo()
        self.regions = RegionSplit.execute("W (columns)", 2, 2, 2, "", "", 0.0, 0.0)[0]

    def prompts(self, rng: random.Random) -> tuple[list[str], str, tuple[str, str]]:
        """Prompts, background and style of either half."""
        from regional_dit.demo_model.world import BACKGROUND_NAMES, COLOR_NAMES, SHAPES, STYLES

        colors = rng.sample([name for name in COLOR_NAMES if name != "white"], 2)
        background = rng.choice([name for name in BACKGROUND_NAMES if name != "black"])
        styles = rng.sample(STYLES, 2)
        texts = [
            f"a {style} {color} {rng.choice(SHAPES)}, {background} background"
            for style, color in zip(styles, colors, strict=True)
        ]
        return texts, background, (styles[0], styles[1])

    def picture(self, run: str, texts: list[str], styles: tuple[str, str], seed: int) -> Any:
        """[H, W, 3] in 0..1."""
        import comfy.sample
        import comfy.sd
        import comfy.utils
        import torch
        from regional_dit.nodes.patching.patch import PatchCrossAttention
        from regional_dit.nodes.prompts.conditioning import RegionalConditioning
        from regional_dit.nodes.regional.lora import RegionLoraNode, lora_path

        model, loras = self.model, ()
        for region, style in enumerate(styles, start=1):
            strength = self.args.strength * STRENGTH[style]
            if run == RUNS[0]:
                loras = RegionLoraNode.execute(
                    f"demo {style}", str(region), strength, 0.0, 1.0, NEGATIVE[style], loras
                )[0]
            elif run == RUNS[1]:
                tensors = comfy.utils.load_torch_file(str(lora_path(f"demo {style}")))
                model = comfy.sd.load_lora_for_models(model, None, tensors, strength, 0.0)[0]
        regional, positive, negative = RegionalConditioning.execute(
            self.clip, self.regions, "\n".join(texts), "", "", "both", "", loras=loras
        ).args
        patched = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.1)[0]
        latent = torch.zeros(1, 4, 32, 32)
        noise = comfy.sample.prepare_noise(latent, seed)
        with torch.inference_mode():
            out = comfy.sample.sample(
                patched, noise, self.args.steps, 4.0, "euler_ancestral", "sgm_uniform",
                positive, negative, latent, disable_pbar=True, seed=seed,
            )  # fmt: skip
        return self.vae.decode(out)[0].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--strength", type=float, default=1.0, help="times each LoRA's own")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for the first eight pictures")
    args = parser.parse_args()
    host.load()
    from regional_dit.demo_model.score import score_picture
    from regional_dit.demo_model.styles import style_shares

    scenes = Scenes(args)
    halves = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]
    counts = {run: {"own": 0, "other": 0, "color": 0} for run in args.runs}
    kinds: dict[str, dict[str, list[int]]] = {run: {} for run in args.runs}
    started = time.monotonic()
    for index in range(args.scenes):
        texts, background, styles = scenes.prompts(random.Random(1000 + index))
        for run in args.runs:
            picture = scenes.picture(run, texts, styles, index)
            found = score_picture(picture, halves, texts)
            for half, style in enumerate(styles):
                width = picture.shape[1] // 2
                part = picture[:, half * width : (half + 1) * width]
                shares = style_shares(part, background)
                counts[run]["own"] += shares.shows(style)
                shape = texts[half].split(",")[0].split()[-1]
                for kind in (style, shape):
                    kinds[run].setdefault(kind, []).append(int(shares.shows(style)))
                counts[run]["other"] += shares.shows(styles[1 - half])
                counts[run]["color"] += found[half].color_present
            if args.pictures and index < 8:
                _save(picture, args.pictures / f"{index:02d} {run}.png")
        if index % 10 == 9 or index == args.scenes - 1:
            print(f"{index + 1} scenes, {time.monotonic() - started:.0f} s", flush=True)
            report = {"scenes": index + 1, "strength": args.strength, "steps": args.steps}
            report.update(_shares(counts, 2 * (index + 1)))
            report["own by kind"] = {
                run: {kind: [sum(shown), len(shown)] for kind, shown in sorted(found.items())}
                for run, found in kinds.items()
            }
            if args.out:
                args.out.write_text(json.dumps(report, indent=1) + "\n")


def _shares(counts: dict[str, dict[str, int]], total: int) -> dict[str, Any]:
    """Share and interval of every count, also printed as a table."""
    from regional_dit.demo_model.score import wilson_interval

    found: dict[str, Any] = {}
    print("| | own style | the other's style | right colour |\n|---|---|---|---|")
    for run, counted in counts.items():
        found[run] = {what: (n / total, *wilson_interval(n, total)) for what, n in counted.items()}
        cells = [
            f"{100 * share:.1f} % ({100 * low:.0f} to {100 * high:.0f})"
            for share, low, high in found[run].values()
        ]
        print(f"| {run} | {' | '.join(cells)} |", flush=True)
    return found


def _save(picture: Any, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * picture).astype("uint8")).save(path)


if __name__ == "__main__":
    main()

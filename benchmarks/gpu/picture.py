"""A picture of the demo model with four regions, and one without, into a file; for ``correct``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import host

PROMPTS = "a red circle\na blue square\na green triangle\na yellow star"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    host.load(backend="pytorch", cpu=args.cpu or None)
    import demo_accuracy
    import numpy as np
    import torch
    from regional_dit.demo_model.loader import DemoTextEncoder, DemoVAE, load_model
    from regional_dit.nodes.patching.patch import PatchCrossAttention
    from regional_dit.nodes.prompts.conditioning import RegionalConditioning
    from regional_dit.nodes.regions.split import RegionSplit

    settings = argparse.Namespace(steps=8, cfg=4.0)
    with torch.inference_mode():
        model, clip, vae = load_model(), DemoTextEncoder(), DemoVAE()
        regions = RegionSplit.execute("grid", 4, 2, 2, "", "", 0.0, 0.0)[0]
        regional, positive, negative = RegionalConditioning.execute(
            clip, regions, PROMPTS, "black background", "", "both", "", None
        ).args
        patched = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.1, None)[0]
        found = [
            vae.decode(demo_accuracy.sample(m, positive, negative, 256, 1, settings))[0]
            .cpu()
            .numpy()
            for m in (patched, model)
        ]
    np.save(args.out, np.stack(found))


if __name__ == "__main__":
    main()

"""The nodes' own work: folders they may read, reports, values for sweeps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import PromptError
from regional_dit.evaluation import fidelity
from regional_dit.evaluation.errors import EvaluationError
from regional_dit.nodes.measure import evaluate
from regional_dit.nodes.measure.evaluate_demo import DemoConfusion
from regional_dit.planner.plan import Plan, RegionPlan


def test_compare_images_reports_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(fidelity, "weights_folder", lambda: tmp_path)
    pictures = torch.rand(2, 32, 32, 3)
    psnr, ssim, lpips, report = evaluate.CompareImages.execute(pictures, pictures, "alex").args
    assert psnr == math.inf and ssim == pytest.approx(1) and math.isnan(lpips)
    assert "python -" in report and "2 pictures" in report
    assert "LPIPS" not in evaluate.CompareImages.execute(pictures, pictures, "none").args[3]


def test_folders_below_output_and_input_only(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "out"))
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path / "in"))
    for side in ("a", "b"):
        (tmp_path / "out" / side).mkdir(parents=True)
        for index in range(2):
            pixels = np.full((24, 24, 3), 40 * index + ord(side), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "out" / side / f"{index}.png")
    monkeypatch.setattr("regional_dit.evaluation.folders.weights_folder", lambda: tmp_path)
    fid, report = evaluate.CompareFolders.execute("output/a", "output/b", "none").args
    assert math.isnan(fid) and "2 pairs: PSNR" in report and "FID needs" in report
    for name in ("/etc", "output/../..", "temp/a", ""):
        with pytest.raises(EvaluationError, match="no folder in ComfyUI"):
            evaluate.CompareFolders.execute(name, "output/b", "none")


def test_seam_and_confusion_nodes():
    pictures = torch.zeros(1, 64, 64, 3)
    pictures[:, :, 32:] = torch.tensor([35, 70, 225]) / 255
    score, report = evaluate.SeamScore.execute(pictures, split_canvas(1, 2)).args
    assert score > 4 and "Seam score" in report
    plan = Plan("two halves", regions=(RegionPlan("a red circle"), RegionPlan("a blue square")))
    found = DemoConfusion.execute(pictures, split_canvas(1, 2), plan).args
    assert json.loads(found[4]) == [[0.0, 0.0], [0.0, 1.0]]
    assert found[0] >= 0.5 and "| 2. a blue square |" in found[3]


def test_alignment_needs_prompts():
    with pytest.raises(PromptError, match="no prompts"):
        evaluate.RegionAlignment.execute(
            torch.rand(1, 8, 8, 3), split_canvas(1, 2), None, None, " \n"
        )

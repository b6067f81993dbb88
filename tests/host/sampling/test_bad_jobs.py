"""A real server that gets bad jobs answers each with a clear node error and runs the next one."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from regional_dit.headless.errors import HeadlessError
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue.client import Client
from regional_dit.headless.server.start import Server

PATCH, REGIONS, PLAN, CONDITIONING, SAMPLER = "5", "2", "3", "4", "7"


@pytest.fixture(scope="module")
def workflow(repo):
    """The demo for two regions, cut down to the patched half and four steps."""
    nodes = json.loads((repo / "workflows" / "api" / "demo_2_regions.json").read_text("utf-8"))
    by_title = {node["_meta"]["title"]: key for key, node in nodes.items()}
    keep = {
        by_title[title]: new
        for title, new in {
            "Demo DiT Loader": "1",
            "Region Split (H/W, N)": REGIONS,
            "LLM Progressive Prompt": PLAN,
            "Regional Conditioning": CONDITIONING,
            "Patch DiT Cross-Attention (layers a..b)": PATCH,
            "Empty Latent Image": "6",
            "KSampler, regional": SAMPLER,
            "VAE Decode, regional": "8",
            "Save, regional": "9",
        }.items()
    }
    cut = {}
    for old, new in keep.items():
        node = copy.deepcopy(nodes[old])
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                node["inputs"][name] = [keep[value[0]], value[1]]
        cut[new] = node
    cut[SAMPLER]["inputs"]["steps"] = 4
    return cut


def run(server: Server, workflow: dict, out: Path) -> list[Path]:
    client = Client(server.url, Progress(io.StringIO()))
    return [file for files in client.run(workflow, out).files.values() for file in files]


def masks_from(workflow: dict, mask: dict) -> dict:
    """The workflow with a left and a given mask in place of the split."""
    changed = copy.deepcopy(workflow)
    changed["20"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 32, "height": 32}}
    changed["21"] = mask
    changed["22"] = {
        "class_type": "MaskComposite",
        "inputs": {
            "destination": ["20", 0],
            "source": ["21", 0],
            "x": 0,
            "y": 0,
            "operation": "multiply",
        },
    }
    changed[REGIONS] = {
        "class_type": "RegionalDiT_RegionsFromMasks",
        "inputs": {"masks": ["22", 0], "feather_px": 0.0, "overlap": "blend"},
    }
    return changed


def test_bad_jobs_are_answered_and_the_next_good_job_runs(comfyui_server, workflow, tmp_path):
    server = comfyui_server
    (before,) = run(server, workflow, tmp_path / "before")

    def broken(node: str, **inputs) -> dict:
        changed = copy.deepcopy(workflow)
        changed[node]["inputs"].update(inputs)
        return changed

    sdxl = copy.deepcopy(workflow)
    sdxl["20"] = {"class_type": "TestTinySDXL", "inputs": {}}
    sdxl[PATCH]["inputs"]["model"] = ["20", 0]
    stray = copy.deepcopy(workflow)
    stray["20"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a star"}}
    stray[SAMPLER]["inputs"]["positive"] = ["20", 0]
    one_region_plan = json.dumps(
        {"version": 1, "global_prompt": "a", "regions": [{"high_level": "a circle"}]}
    )
    no_plan = broken(CONDITIONING, prompts="a red circle\na blue square\na white circle")
    del no_plan[CONDITIONING]["inputs"]["plan"]
    bad_jobs = {
        "plan for another number of regions": (
            broken(PLAN, plan_json=one_region_plan),
            ["1 regions", "2 are connected"],
        ),
        "prompt list of wrong length": (no_plan, ["3 prompts", "2 regions"]),
        "two prompt sources": (broken(CONDITIONING, prompts="a\nb"), ["exactly one"]),
        "broken plan JSON": (broken(PLAN, plan_json='{"version": 1,'), ["JSON"]),
        "empty mask": (
            masks_from(
                workflow,
                {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 32, "height": 32}},
            ),
            ["empty"],
        ),
        "NaN mask": (masks_from(workflow, {"class_type": "TestNaNMask", "inputs": {}}), ["NaN"]),
        "SDXL model with another model's prompts": (sdxl, ["SDXL", "width", "CLIP"]),
        "positive without regions": (stray, ["Regional Conditioning"]),
        "layers that do not exist": (broken(PATCH, last_layer=40), ["0..7"]),
        "end before start": (broken(PATCH, start_percent=0.8, end_percent=0.2), ["start_percent"]),
        "sizes that do not fit": (broken(REGIONS, column_sizes="1:2:1"), ["1:2:1"]),
        "weights that do not fit": (broken(CONDITIONING, weights="1"), ["2 numbers"]),
        "unknown endpoint": (broken(PLAN, endpoint="nowhere"), ["nowhere"]),
    }
    for name, (job, words) in bad_jobs.items():
        with pytest.raises(HeadlessError) as caught:
            run(server, job, tmp_path / "bad")
        message = str(caught.value)
        assert all(word in message for word in words), f"{name}: {message}"
        assert server.alive(), name

    (after,) = run(server, workflow, tmp_path / "after")
    assert np.array_equal(np.asarray(Image.open(before)), np.asarray(Image.open(after)))


def test_masks_as_regions(comfyui_server, workflow, tmp_path):
    """A batch of two complementary masks is the two-column split."""
    changed = copy.deepcopy(workflow)
    changed[REGIONS]["inputs"]["overlap"] = 0.0
    (split,) = run(comfyui_server, changed, tmp_path / "split")
    changed["20"] = copy.deepcopy(changed[REGIONS])
    changed[REGIONS] = {
        "class_type": "RegionalDiT_RegionsFromMasks",
        "inputs": {"masks": ["20", 1], "feather_px": 0.0, "overlap": "blend"},
    }
    (masks,) = run(comfyui_server, changed, tmp_path / "masks")
    assert np.array_equal(np.asarray(Image.open(split)), np.asarray(Image.open(masks)))

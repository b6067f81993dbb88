"""Regional Prompt (simple) on the demo model, as shipped but in fewer steps."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from workflow_runner import Runner, only

KIND = "simple"
STEPS = 5

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde


@pytest.mark.usefixtures("registered")
def test_three_wires_to_a_picture(
    api: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    out = tmp_path / "output"
    monkeypatch.setattr(folder_paths, "output_directory", str(out))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    job = copy.deepcopy(api)
    prompt, sampler = only(job, "RegionalDiT_RegionalPrompt"), only(job, "KSampler")
    wires = {job[sampler]["inputs"][name][0] for name in ("model", "positive", "negative")}
    assert wires == {prompt}
    job[sampler]["inputs"]["steps"] = STEPS
    runner = Runner(out)
    shown = runner.run(job)
    assert "couple" in shown[prompt]["text"][0].lower()
    picture = runner.picture(shown[only(job, "SaveImage")]).astype(float)
    half = picture.shape[1] // 2
    red, blue = picture[..., 0], picture[..., 2]
    assert (red - blue)[:, :half].mean() > 5, "the red circle is on the left"
    assert (blue - red)[:, half:].mean() > 5, "the blue square is on the right"

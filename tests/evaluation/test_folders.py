"""Frechet distance against its formula with scipy, and folders that are not fit for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from regional_dit.evaluation import folders
from regional_dit.evaluation.errors import EvaluationError


class TinyFeatures(torch.nn.Module):
    """uint8 [B, 3, H, W] -> 8 numbers: a random convolution and the mean over the picture."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layer = torch.nn.Conv2d(3, self.num_features, 5, stride=3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layer(pictures.float() / 255).relu().mean((2, 3)) * 100


def write(folder: Path, seed: int, count: int, brightness: int) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(count):
        low = rng.integers(0, 60 + brightness, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(low).resize((64, 48), Image.Resampling.BICUBIC).save(
            folder / f"{index:02d}.png"
        )
    return folders.list_pictures(folder)


def test_frechet_distance_is_its_formula(tmp_path):
    pytest.importorskip("torchmetrics")
    from scipy import linalg

    network = TinyFeatures()
    first, second = write(tmp_path / "a", 1, 40, 0), write(tmp_path / "b", 2, 30, 120)
    with torch.no_grad():
        a, b = (
            np.concatenate([network(x).numpy() for x in folders._as_bytes(paths)]).astype(float)
            for paths in (first, second)
        )
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(linalg.sqrtm(cov_a @ cov_b))
    wanted = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    found = folders.frechet_distance(first, second, network)
    assert wanted > 1
    assert found == pytest.approx(wanted, rel=1e-3)
    assert folders.frechet_distance(first, first, network) == pytest.approx(0, abs=1e-3)


def test_missing_inception_names_the_command(tmp_path, monkeypatch):
    write(tmp_path / "a", 1, 3, 0)
    write(tmp_path / "b", 2, 3, 50)
    monkeypatch.setattr(folders, "weights_folder", lambda: tmp_path / "none")
    result = folders.folder_fid(tmp_path / "a", tmp_path / "b")
    assert result.distance is None and (result.n_first, result.n_second) == (3, 3)
    assert "python -c" in result.note or "pip install" in result.note


def test_namesakes_are_compared(tmp_path):
    write(tmp_path / "a", 1, 3, 0)
    write(tmp_path / "b", 1, 2, 0)
    found = folders.compare_folders(tmp_path / "a", tmp_path / "b")
    assert list(found) == ["00", "01"]
    assert all(f.psnr_db == (float("inf"),) for f in found.values())


def test_folders_that_do_not_serve(tmp_path):
    with pytest.raises(EvaluationError, match="no folder"):
        folders.list_pictures(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvaluationError, match="no pictures"):
        folders.list_pictures(tmp_path / "empty")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.png").write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match=r"x\.png"):
        folders.read_picture(tmp_path / "broken" / "x.png")
    one = write(tmp_path / "one", 1, 1, 0)
    with pytest.raises(EvaluationError, match="at least 2"):
        folders.frechet_distance(one, one)

"""PSNR and SSIM against scikit-image; LPIPS against torchmetrics' own network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from regional_dit.evaluation import fidelity
from regional_dit.evaluation.errors import EvaluationError, MissingDependencyError


def pictures(seed: int, count: int = 3, height: int = 48, width: int = 61) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 6, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(small, (height, width), mode="bicubic")
    return smooth.clamp(0, 1).movedim(1, -1)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    first = pictures(1)
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(2))
    return first, (first + 0.08 * noise).clamp(0, 1)


def test_psnr_is_scikit_images(pair):
    metrics = pytest.importorskip("skimage.metrics")
    first, second = pair
    wanted = [
        metrics.peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1.0)
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(fidelity.psnr(first, second), wanted, rtol=1e-5)


def test_ssim_is_scikit_images(pair):
    metrics = pytest.importorskip("skimage.metrics")
    first, second = pair
    wanted = [
        metrics.structural_similarity(
            a.numpy().astype(np.float64), b.numpy().astype(np.float64), data_range=1.0,
            channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for a, b in zip(first, second, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(fidelity.ssim(first, second), wanted, atol=1e-5)


def test_equal_pictures(pair):
    first, _ = pair
    assert all(x == float("inf") for x in fidelity.psnr(first, first))
    np.testing.assert_allclose(fidelity.ssim(first, first), 1.0, atol=1e-6)


@pytest.mark.parametrize("net", fidelity.NETS)
def test_lpips_is_torchmetrics(net, pair, monkeypatch):
    """Random backbones with the same weights, and the linear weights that each package ships."""
    # Their classifiers, which LPIPS cuts off: a hundred million random numbers for nothing.
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)
    monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, *_, **__: tensor)
    lpips = pytest.importorskip("lpips")
    theirs_module = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(0)
    ours = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    theirs = theirs_module._LPIPS(net=net, pnet_rand=True)
    values = ours.net.state_dict().values()  # the same layers in the same order, other names
    names = theirs.net.state_dict()
    theirs.net.load_state_dict(dict(zip(names, values, strict=True)))
    first, second = (x.repeat_interleave(2, 1).repeat_interleave(2, 2) for x in pair)
    found = fidelity.lpips_distance(ours, first, second)
    with torch.no_grad():
        wanted = theirs(fidelity.planes(first), fidelity.planes(second), normalize=True).flatten()
    assert min(found) > 0
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-7)


def test_missing_weights_name_the_command_and_leave_the_rest(pair, tmp_path, monkeypatch):
    pytest.importorskip("lpips")
    monkeypatch.setattr(fidelity, "weights_folder", lambda: tmp_path)
    with pytest.raises(MissingDependencyError, match=r"alexnet.*python -c"):
        fidelity.load_lpips("alex")
    network, problem = fidelity.try_lpips("alex")
    found = fidelity.compare(*pair, network, problem)
    assert found.lpips is None and "python -c" in found.lpips_problem
    assert len(found.psnr_db) == len(found.ssim) == 3


def test_missing_package_names_the_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install lpips"):
        fidelity.load_lpips("alex")


def test_one_reference_serves_a_batch_and_sizes_must_match(pair):
    first, second = pair
    assert len(fidelity.ssim(first, second[:1])) == 3
    with pytest.raises(EvaluationError, match="61 x 48"):
        fidelity.ssim(first, pictures(1, height=32))
    with pytest.raises(EvaluationError, match="2 references"):
        fidelity.psnr(first, second[:2])
    with pytest.raises(EvaluationError, match="11 x 11"):
        fidelity.ssim(first[:, :8], second[:, :8])


def test_weights_lie_where_torch_keeps_them():
    assert fidelity.weights_folder() == Path(torch.hub.get_dir()) / "checkpoints"

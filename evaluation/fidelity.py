"""How far a picture is from a reference: PSNR, SSIM and LPIPS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from .errors import EvaluationError, MissingDependencyError, require_package

Net = Literal["alex", "vgg", "squeeze"]
NETS: tuple[Net, ...] = ("alex", "vgg", "squeeze")

SSIM_WINDOW = 11
# torchvision's file of each backbone, and the call that fetches it.
_BACKBONES: dict[Net, tuple[str, str]] = {
    "alex": ("alexnet-owt-7be5be79.pth", "alexnet(weights='IMAGENET1K_V1')"),
    "vgg": ("vgg16-397923af.pth", "vgg16(weights='IMAGENET1K_V1')"),
    "squeeze": ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1(weights='IMAGENET1K_V1')"),
}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Measures of B pictures, one number each.

    Attributes:
        psnr_db: peak signal-to-noise ratio in dB, higher is closer; inf for equal pictures.
        ssim: structural similarity, -1..1, 1 = equal.
        lpips: learned perceptual distance, 0 = equal; None where it was not computed.
        lpips_problem: why not, "" otherwise.
    """

    psnr_db: tuple[float, ...]
    ssim: tuple[float, ...]
    lpips: tuple[float, ...] | None
    lpips_problem: str = ""


def check_pair(pictures: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The reference, repeated to the batch of the pictures if it is one.

    Raises:
        EvaluationError: shapes that do not match.
    """
    for name, value in (("pictures", pictures), ("reference", reference)):
        if value.ndim != 4 or value.shape[-1] < 3:
            raise EvaluationError(
                f"{name} has shape {tuple(value.shape)}, expected [batch, height, width, 3]."
            )
    if pictures.shape[1:3] != reference.shape[1:3]:
        sizes = [f"{x.shape[2]} x {x.shape[1]}" for x in (pictures, reference)]
        raise EvaluationError(
            f"The pictures are {sizes[0]} and the reference is {sizes[1]} pixels; scale one of "
            "them, with Upscale Image for example."
        )
    if len(reference) == 1:
        return reference.expand(len(pictures), -1, -1, -1)
    if len(reference) != len(pictures):
        raise EvaluationError(
            f"Got {len(pictures)} pictures and {len(reference)} references; expected as many, or "
            "one reference."
        )
    return reference


def planes(pictures: torch.Tensor) -> torch.Tensor:
    """[B, H, W, 3+] -> float32 [B, 3, H, W]."""
    return pictures[..., :3].movedim(-1, 1).float()


def psnr(pictures: torch.Tensor, reference: torch.Tensor) -> tuple[float, ...]:
    """Peak signal-to-noise ratio per picture in dB, for values in 0..1."""
    from kornia.metrics import psnr as kornia_psnr

    reference = check_pair(pictures, reference)
    pairs = zip(planes(pictures), planes(reference), strict=True)
    return tuple(float(kornia_psnr(a, b, 1.0)) for a, b in pairs)


def ssim(pictures: torch.Tensor, reference: torch.Tensor) -> tuple[float, ...]:
    """Structural similarity per picture (Wang et al. 2004).

    A Gaussian window of 11 pixels with sigma 1.5 on each channel; only windows that lie wholly in
    the picture count.

    Raises:
        EvaluationError: pictures smaller than the window.
    """
    from kornia.metrics import ssim as kornia_ssim

    reference = check_pair(pictures, reference)
    if min(pictures.shape[1:3]) < SSIM_WINDOW:
        raise EvaluationError(
            f"SSIM needs pictures of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got "
            f"{pictures.shape[2]} x {pictures.shape[1]}."
        )
    maps = kornia_ssim(planes(pictures), planes(reference), SSIM_WINDOW, 1.0, padding="valid")
    return tuple(float(x) for x in maps.mean((1, 2, 3)))


def weights_folder() -> Path:
    """Where torch keeps weights that its packages fetch."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def load_lpips(net: Net) -> Any:
    """The LPIPS network, whose backbone must lie on this machine already.

    Raises:
        MissingDependencyError: the package or the backbone's weights are missing; the text holds
            the command that gets them.
    """
    require_package("lpips", "lpips", "LPIPS")
    file, call = _BACKBONES[net]
    if not (weights_folder() / file).is_file():
        raise MissingDependencyError(
            f"LPIPS needs the weights of its backbone, {file}, in {weights_folder()}. Get them "
            f'with ComfyUI\'s Python: python -c "from torchvision import models as m; m.{call}"'
        )
    import lpips

    return lpips.LPIPS(net=net, verbose=False)


def lpips_distance(
    network: Any, pictures: torch.Tensor, reference: torch.Tensor
) -> tuple[float, ...]:
    """Learned perceptual distance per picture (Zhang et al. 2018).

    Args:
        network: an ``lpips.LPIPS``.
        pictures, reference: float [B, H, W, 3] in 0..1.
    """
    reference = check_pair(pictures, reference)
    with torch.no_grad():
        pairs = zip(planes(pictures), planes(reference), strict=True)
        return tuple(float(network(a[None], b[None], normalize=True)) for a, b in pairs)


def try_lpips(net: Net | None) -> tuple[Any | None, str]:
    """(network, ""), or (None, why not) where it cannot be had; (None, "") for no net."""
    if net is None:
        return None, ""
    try:
        return load_lpips(net), ""
    except MissingDependencyError as error:
        return None, str(error)


def compare(
    pictures: torch.Tensor, reference: torch.Tensor, network: Any | None = None, problem: str = ""
) -> Fidelity:
    """All measures; LPIPS if there is a network, and otherwise the problem why there is none."""
    perceptual = None if network is None else lpips_distance(network, pictures, reference)
    return Fidelity(psnr(pictures, reference), ssim(pictures, reference), perceptual, problem)

"""Folders of pictures: read, pair by name, and the Frechet distance between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import EvaluationError, MissingDependencyError, require_package
from .fidelity import Fidelity, Net, compare, weights_folder

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
LEAST_PICTURES = 2


@dataclass(frozen=True, slots=True)
class FrechetResult:
    """Frechet distance between two sets of features.

    Attributes:
        distance: 0 for equal sets; None where it was not computed.
        n_first, n_second: pictures in each folder.
        note: why it was not computed, or a caution about few pictures; "" otherwise.
    """

    distance: float | None
    n_first: int
    n_second: int
    note: str = ""


def list_pictures(folder: Path) -> list[Path]:
    """Picture files of a folder (not of those inside it), by name.

    Raises:
        EvaluationError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise EvaluationError(f"There is no folder {folder}; give one that holds pictures.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise EvaluationError(f"{folder} holds no pictures ({kinds}).")
    return found


def read_picture(path: Path) -> torch.Tensor:
    """float32 [1, H, W, 3] in 0..1."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
    except (UnidentifiedImageError, OSError) as error:
        raise EvaluationError(f"{path} cannot be read as a picture: {error}") from error
    return torch.from_numpy(pixels)[None]


def paired(first: Path, second: Path) -> list[tuple[Path, Path]]:
    """Files of the same name in both folders.

    Raises:
        EvaluationError: no name is in both.
    """
    others = {p.stem: p for p in list_pictures(second)}
    pairs = [(p, others[p.stem]) for p in list_pictures(first) if p.stem in others]
    if not pairs:
        raise EvaluationError(
            f"No picture of {first} has a namesake in {second}; PSNR, SSIM and LPIPS compare files "
            "of the same name."
        )
    return pairs


def compare_folders(first: Path, second: Path, net: Net | None = None) -> dict[str, Fidelity]:
    """Fidelity of each pair of namesakes, by file stem."""
    return {
        a.stem: compare(read_picture(a), read_picture(b), net) for a, b in paired(first, second)
    }


def load_inception() -> Any:
    """The Inception network of the original FID, whose weights must lie on this machine.

    Raises:
        MissingDependencyError: with the command that gets what is missing.
    """
    require_package("torchmetrics", "torchmetrics", "FID")
    require_package("torch_fidelity", "torch-fidelity", "FID")
    path = weights_folder() / INCEPTION_FILE
    if not path.is_file():
        raise MissingDependencyError(
            f"FID needs the weights {INCEPTION_FILE} in {weights_folder()}. Get them with "
            "ComfyUI's Python: python -c \"from torch_fidelity.feature_extractor_inceptionv3 "
            "import FeatureExtractorInceptionV3 as F; F('inception-v3-compat', ['2048'])\""
        )
    from torchmetrics.image.fid import NoTrainInceptionV3

    return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path))


def frechet_distance(
    first: Sequence[Path], second: Sequence[Path], network: Any | None = None
) -> float:
    """Frechet distance (Heusel et al. 2017) between the features of two sets of pictures.

    Args:
        first, second: files, at least two each.
        network: uint8 [B, 3, H, W] -> float [B, features]; None = the original Inception.

    Raises:
        EvaluationError: too few pictures. MissingDependencyError: no network.
    """
    for paths in (first, second):
        if len(paths) < LEAST_PICTURES:
            raise EvaluationError(
                f"The Frechet distance needs at least {LEAST_PICTURES} pictures in each folder, "
                f"got {len(paths)}."
            )
    require_package("torchmetrics", "torchmetrics", "FID")
    features: Any = load_inception() if network is None else network
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=features, normalize=False)
    for paths, real in ((first, True), (second, False)):
        for picture in _as_bytes(paths):
            metric.update(picture, real=real)
    return float(metric.compute())


def _as_bytes(paths: Sequence[Path]) -> Iterator[torch.Tensor]:
    for path in paths:
        yield (read_picture(path).movedim(-1, 1) * 255).round().to(torch.uint8)


def folder_fid(first: Path, second: Path) -> FrechetResult:
    """FID between two folders; between originals and their reconstructions it is the rFID."""
    a, b = list_pictures(first), list_pictures(second)
    few = min(len(a), len(b))
    try:
        distance = frechet_distance(a, b)
    except MissingDependencyError as error:
        return FrechetResult(None, len(a), len(b), str(error))
    note = ""
    if few < 2048:
        note = (
            f"Only {few} pictures in the smaller folder: with fewer than 2048 the distance is too "
            "large and changes much from sample to sample. Compare it only with distances of as "
            "many pictures."
        )
    return FrechetResult(distance, len(a), len(b), note)

"""Random LoRA files of every kind for a tiny model, under the names that trainers give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

RANK = 3
SIZE = 0.15  # of the factors' numbers: strong enough to be seen, too weak to blow up


def layers(model: Any, match: Callable[[str], bool] = lambda name: True) -> dict[str, torch.Size]:
    """Weight shapes of all linear layers and convolutions of a ModelPatcher's network."""
    return {
        name: module.weight.shape
        for name, module in model.model.diffusion_model.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d) and match(name)
    }


class _Numbers:
    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self._generator) * SIZE


def _lora(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    return {
        f"{stem}.lora_up.weight": numbers(shape[0], RANK, *[1] * (len(shape) - 2)),
        f"{stem}.lora_down.weight": numbers(RANK, *shape[1:]),
        f"{stem}.alpha": torch.tensor(2.0),
    }


def _locon(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    """With a middle part on 2-D convolutions, as LyCORIS splits them."""
    if len(shape) != 4 or shape[2] == 1:
        return _lora(stem, shape, numbers)
    return {
        f"{stem}.lora_up.weight": numbers(shape[0], RANK, 1, 1),
        f"{stem}.lora_mid.weight": numbers(RANK, RANK, *shape[2:]),
        f"{stem}.lora_down.weight": numbers(RANK, shape[1], 1, 1),
        f"{stem}.alpha": torch.tensor(2.0),
    }


def _loha(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    found = {f"{stem}.alpha": torch.tensor(2.0)}
    for part in ("w1", "w2"):
        found[f"{stem}.hada_{part}_a"] = 2 * numbers(shape[0], 2)
        found[f"{stem}.hada_{part}_b"] = 2 * numbers(2, shape[1:].numel())
    return found


def _lokr(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    """The smaller factor whole, the larger one in two parts, or whole on convolutions."""
    rows, columns = (2 if n % 2 == 0 else 1 for n in shape[:2])
    found = {f"{stem}.lokr_w1": 2 * numbers(rows, columns)}
    large = (shape[0] // rows, shape[1] // columns)
    if len(shape) > 2:
        found[f"{stem}.lokr_w2"] = numbers(*large, *shape[2:])
    else:
        found[f"{stem}.lokr_w2_a"] = numbers(large[0], RANK)
        found[f"{stem}.lokr_w2_b"] = numbers(RANK, large[1])
        found[f"{stem}.alpha"] = torch.tensor(2.0)
    return found


def _glora(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    wide = shape[1:].numel()
    return {
        f"{stem}.a1.weight": numbers(shape[1], RANK),
        f"{stem}.a2.weight": numbers(RANK, shape[1]),
        f"{stem}.b1.weight": numbers(shape[0], RANK),
        f"{stem}.b2.weight": numbers(RANK, wide),
        f"{stem}.alpha": torch.tensor(2.0),
    }


def _dora(by_output: bool) -> Callable[..., dict[str, torch.Tensor]]:
    def make(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
        found = _lora(stem, shape, numbers)
        if len(shape) == 2:
            lengths = 0.6 + numbers(shape[0] if by_output else shape[1]).abs()
            found[f"{stem}.dora_scale"] = lengths[:, None] if by_output else lengths[None]
        return found

    return make


def _diff(stem: str, shape: torch.Size, numbers: _Numbers) -> dict[str, torch.Tensor]:
    return {f"{stem}.diff": 0.3 * numbers(*shape)}


KINDS: dict[str, Callable[..., dict[str, torch.Tensor]]] = {
    "LoRA": _lora,
    "LoCon": _locon,
    "LoHa": _loha,
    "LoKr": _lokr,
    "GLoRA": _glora,
    "DoRA by output": _dora(True),
    "DoRA by input": _dora(False),
    "diff": _diff,
}


def lora_file(
    model: Any,
    kind: str = "LoRA",
    *,
    seed: int = 0,
    match: Callable[[str], bool] = lambda name: True,
    stem: Callable[[str], str] = lambda name: f"lora_unet_{name.replace('.', '_')}",
) -> dict[str, torch.Tensor]:
    """Tensors of a file with an adapter for every layer that matches."""
    numbers = _Numbers(seed)
    found: dict[str, torch.Tensor] = {}
    for name, shape in layers(model, match).items():
        found.update(KINDS[kind](stem(name), shape, numbers))
    return found

"""ComfyUI's own sampling as the host tests use it, and what its first model call gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.sample
import torch
from comfy.patcher_extension import WrappersMP


def sampled(
    model: Any,
    positive: list[Any],
    negative: list[Any],
    latent: torch.Tensor,
    *,
    cfg: float,
    steps: int,
    sampler: str = "euler",
    seed: int = 1,
    noise: torch.Tensor | None = None,
    inference: bool = True,
) -> torch.Tensor:
    """ComfyUI's KSampler with sgm_uniform, on an empty latent; noise of the seed unless given."""
    start = comfy.sample.prepare_noise(latent, seed) if noise is None else noise
    with torch.inference_mode(inference):
        return comfy.sample.sample(
            model,
            start,
            steps,
            cfg,
            sampler,
            "sgm_uniform",
            positive,
            negative,
            latent,
            disable_pbar=True,
            seed=seed,
        )


def first_call(model: Any, run: Callable[[Any], Any]) -> dict[int, torch.Tensor]:
    """Rows that the first model call of a run gives, by conditioning: 0 positive, 1 negative.

    Args:
        model: is cloned.
        run: samples with the clone.
    """
    seen: list[dict[int, torch.Tensor]] = []
    spy = model.clone()

    def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
        out = executor(*args, **kwargs)
        chosen = args[5]["cond_or_uncond"]
        seen.append(dict(zip(chosen, out.clone().chunk(len(chosen)), strict=True)))
        return out

    spy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", wrapper)
    run(spy)
    return seen[0]


def assert_only_positive_rows_differ(
    stock: dict[int, torch.Tensor], regional: dict[int, torch.Tensor]
) -> None:
    """Of two first calls, each with both conditionings in one batch."""
    assert list(stock) == list(regional) and sorted(stock) == [0, 1]
    assert torch.equal(stock[1], regional[1])
    assert not torch.allclose(stock[0], regional[0])

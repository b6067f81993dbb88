"""What a patch will meet when it runs: attention backend, memory, and the tokens of a latent."""

from __future__ import annotations

from typing import Any

import comfy.ldm.modules.attention as attention
import comfy.model_management
import torch

from ...attention.canvas.tokens import TokenGrid, require_visible, token_coverage
from ...attention.errors import RegionError
from ...attention.families import Family
from ...attention.sampling.host import CACHE_LIMIT_BYTES, CACHE_SHARE
from ...attention.sampling.run import RegionalPatch

_MIB = 1024**2


def preflight(
    family: Family, model: Any, patch: RegionalPatch, latent: dict[str, Any] | None
) -> str:
    """Lines that follow the report of the patch.

    Args:
        family: of the model.
        model: ComfyUI's ``BaseModel``.
        patch: as installed.
        latent: ComfyUI's LATENT that will be sampled; None: nothing is said of tokens.
    """
    backend = attention.optimized_attention.__name__.removeprefix("attention_")
    lines = [f"Attention backend: {backend}, without a mask."]
    if patch.is_noop:
        return lines[0]
    if family.attention == "cross":
        free = comfy.model_management.get_free_memory(comfy.model_management.get_torch_device())
        most = min(CACHE_LIMIT_BYTES, int(free * CACHE_SHARE))
        lines.append(
            f"Extra memory: at most {most / _MIB:.0f} MiB, for keys and values of the regional "
            "prompts; what does not fit is computed anew at each step."
        )
    else:
        lines.append(
            "Extra memory: the regional prompts' own text tokens, and one more result per group of "
            "image tokens, in the layer that runs."
        )
    if latent is None:
        lines.append("Tokens: not known before sampling; connect the latent to see them here.")
    else:
        lines += _token_lines(family, model, patch, latent)
    return "\n".join(lines)


def _token_lines(
    family: Family, model: Any, patch: RegionalPatch, latent: dict[str, Any]
) -> list[str]:
    size = tuple(latent["samples"].shape[2:])
    height, width = size[-2:]
    shape = family.token_shape(model, size, patch.layers[0])
    grid = TokenGrid(
        rows=shape.rows,
        cols=shape.cols,
        patch=shape.patch,
        height=height,
        width=width,
        top=0,
        left=0,
        full_height=height,
        full_width=width,
        frames=shape.frames,
        first_frame=0,
        full_frames=size[0] if len(size) == 3 else 1,
    )
    regions = patch.prompts.regions
    shares = token_coverage(regions, grid)
    owned = (shares > 0.5).sum(1).tolist()
    free = float((1.0 - shares.sum(0)).clamp_min(0.0).mean())
    lines = [
        f"Token grid: {shape.cols} x {shape.rows}"
        + (f" x {shape.frames} frames" if shape.frames > 1 else "")
        + f" = {grid.n_tokens} tokens; {free:.0%} of them follow the global prompt.",
        "Tokens per region: " + ", ".join(f"{i + 1}: {n}" for i, n in enumerate(owned)) + ".",
    ]
    mixed = int(((shares > 0.01) & (shares < 0.99)).any(0).sum())
    if mixed:
        lines.append(f"{mixed} tokens lie on a border and mix prompts.")
    try:
        require_visible(regions, grid)
    except RegionError as error:
        lines.append(f"Warning: {error}")
    if torch.tensor(owned).eq(0).any() and not lines[-1].startswith("Warning"):
        lines.append("Warning: a region owns no token by more than half; enlarge it.")
    return lines

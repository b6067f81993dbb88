"""Where the tokens of a layer's input lie in one family's network, for one size of latent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ..canvas.tokens import TokenGrid
from .rows import Where
from .streams import Stream, stream_of

_TEXT_SIDE = re.compile(r"\.(to_k|to_v|k|v|k_img|v_img|kv_\w+|k_proj|v_proj)(\.\d+)?$")
# Cosmos 1 has its rows last inside the blocks, HunyuanDiT's pooler puts its tokens first.
_ROWS_LAST = {"Cosmos 1": re.compile(r"^blocks\."), "HunyuanDiT": re.compile(r"^pooler\.")}


def place_of(family: Any, model: Any, layer: str, latent: tuple[int, ...]) -> Where:
    """Where a layer's input lies.

    Args:
        family: of the model.
        model: ComfyUI's BaseModel.
        layer: path within the network.
        latent: size of the call's latent, (h, w) or (t, h, w).

    Raises:
        RegionalError: nothing is known of the layer.
    """
    network = model.diffusion_model
    last = _ROWS_LAST.get(family.name)
    rows_last = last is not None and bool(last.search(layer))
    if family.attention == "cross":
        paths = _paths(network, family.modules(model))
        if any(layer.startswith(f"{path}.") and _TEXT_SIDE.search(layer) for path in paths):
            return Where(Stream.PLACELESS, rows_last=rows_last)
        stream = stream_of(family.name, "cross", layer)
        return Where(stream, _own_shape(family, model, layer, latent, paths), None, rows_last)
    caption = re.match(r"caption_projection\.(\d+)\.", layer)
    if family.name == "HiDream" and caption:
        is_t5 = int(caption[1]) == len(network.caption_projection) - 1
        return Where(Stream.TEXT if is_t5 else Stream.SECOND_TEXT)
    blocks = _paths(network, family.blocks(model))
    block = next((i for i, path in enumerate(blocks) if layer.startswith(f"{path}.")), None)
    return Where(stream_of(family.name, "joint", layer), None, block)


def _paths(network: Any, modules: Any) -> list[str]:
    names = {id(module): name for name, module in network.named_modules()}
    return [names[id(module)] for module in modules]


def _own_shape(
    family: Any, model: Any, layer: str, latent: tuple[int, ...], paths: list[str]
) -> tuple[int, int] | None:
    """(rows, columns) of a layer in a network whose layers have several grids."""
    shapes = [family.token_shape(model, latent, i)[:2] for i in range(len(paths))]
    if len(set(shapes)) == 1:
        return None
    for path, shape in zip(paths, shapes, strict=True):
        if layer.startswith(path.partition("transformer_blocks.")[0]):
            return shape
    return None  # convolutions: their own output tells


def resized(grid: TokenGrid, shape: tuple[int, int]) -> TokenGrid:
    """The grid of another layer of the same call.

    Args:
        grid: of the first layer.
        shape: (rows, columns) of the other.
    """
    rows, cols = shape
    if (rows, cols) == (grid.rows, grid.cols):
        return grid
    sides = [2**n for n in range(10) if _fits(grid.height, 2**n, rows)]
    both = [side for side in sides if _fits(grid.width, side, cols)]
    patch = both[0] if both else max(1, round(grid.height / rows))
    return replace(grid, rows=rows, cols=cols, patch=patch)


def _fits(length: int, side: int, n: int) -> bool:
    return -(-length // side) == n

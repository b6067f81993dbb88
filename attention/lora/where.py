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


class LayerPlaces:
    """Where the input of each layer lies, for one size of latent.

    The network is looked through once, not once a layer: a LoRA of SDXL has 700 layers, and each
    would look for the places of 70 attentions.

    Args:
        family: of the model.
        model: ComfyUI's BaseModel.
        latent: size of the call's latent, (h, w) or (t, h, w).
    """

    def __init__(self, family: Any, model: Any, latent: tuple[int, ...]) -> None:
        self._family = family
        self._network = model.diffusion_model
        cross = family.attention == "cross"
        modules = family.modules(model) if cross else family.blocks(model)
        names = {id(module): name for name, module in self._network.named_modules()}
        self._paths = [names[id(module)] for module in modules]
        # (rows, columns) at each attention, in a network whose layers have several grids
        sites = range(len(modules) if cross else 0)
        shapes = [family.token_shape(model, latent, i)[:2] for i in sites]
        self._shapes = shapes if len(set(shapes)) > 1 else []

    def of(self, layer: str) -> Where:
        """Where a layer's input lies.

        Args:
            layer: path within the network.

        Raises:
            RegionalError: nothing is known of the layer.
        """
        name = self._family.name
        last = _ROWS_LAST.get(name)
        rows_last = last is not None and bool(last.search(layer))
        if self._family.attention == "cross":
            if self._block(layer) is not None and _TEXT_SIDE.search(layer):
                return Where(Stream.PLACELESS, rows_last=rows_last)
            stream = stream_of(name, "cross", layer)
            return Where(stream, self._own_shape(layer), None, rows_last)
        caption = re.match(r"caption_projection\.(\d+)\.", layer)
        if name == "HiDream" and caption:
            is_t5 = int(caption[1]) == len(self._network.caption_projection) - 1
            return Where(Stream.TEXT if is_t5 else Stream.SECOND_TEXT)
        return Where(stream_of(name, "joint", layer), None, self._block(layer))

    def _block(self, layer: str) -> int | None:
        found = (i for i, path in enumerate(self._paths) if layer.startswith(f"{path}."))
        return next(found, None)

    def _own_shape(self, layer: str) -> tuple[int, int] | None:
        for path, shape in zip(self._paths, self._shapes, strict=False):
            if layer.startswith(path.partition("transformer_blocks.")[0]):
                return shape
        return None  # one grid in all; or convolutions: their own output tells


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

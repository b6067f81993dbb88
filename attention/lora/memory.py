"""Bytes that LoRAs of single regions take on the device during one sampling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .adapters import Site
from .delta import Delta
from .rows import COPY_RANKS
from .run import BoundLora
from .stack import plain_rank


def lora_bytes(loras: Sequence[BoundLora], rows: int, element_size: int) -> int:
    """The factors, which stay, and at most what is made beside the output of one layer.

    Args:
        loras: of one sampling.
        rows: M, tokens of all rows of the batch in the layer that has most of them.
        element_size: bytes of a number of the model's dtype.
    """
    deltas: dict[str, list[tuple[Site, Delta]]] = defaultdict(list)
    for bound in loras:
        for layer, found in bound.deltas.items():
            deltas[layer] += found
    factors = sum(delta.n_numbers for found in deltas.values() for _, delta in found)
    beside = max((_beside(found) for found in deltas.values()), default=0)
    return (factors + rows * beside) * element_size


def _beside(deltas: Sequence[tuple[Site, Delta]]) -> int:
    """Numbers per row of a layer's input.

    Stacked LoRAs have a weight and an inner value for each rank, and copies of as many rows as are
    not worth leaving out (``rows.spread_of``); other kinds a copy of the input, one of the output,
    and their changes.
    """
    n_out, n_in = deltas[0][0].shape[0], deltas[0][0].n_inputs
    ranks = [plain_rank(delta) for _, delta in deltas]
    stacked = sum(rank for rank in ranks if rank)
    copied = (n_in + n_out) * stacked // (stacked + COPY_RANKS)
    n_apart = sum(rank is None for rank in ranks)
    apart = n_in + n_out * (1 + n_apart) if n_apart else 0
    return 2 * stacked + copied + apart

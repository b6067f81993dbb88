"""A second stream of image tokens through the single blocks, as Regional Prompting FLUX has it.

In single blocks text and image are one sequence. The stream is a copy of the image tokens, taken
where the blocks begin that need it, at the end of that sequence: ``[texts | image | references |
stream]``. It follows the global prompt alone, so each block can mix what the image would do
without regions into what it does with them. Whatever happens between the blocks (ControlNet) acts
on the sequence that the model knows, not on the stream; so it does in the published code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import HostError
from .context import JointCall, Layout
from .sequence import Spans, merged_spans


class BaseStream:
    """The stream of one model call.

    Args:
        call: says in which layers there is a stream.
        layout: places in the model's own sequence, by its length.
    """

    def __init__(self, call: JointCall, layout: Callable[[int], Layout | None]) -> None:
        self._call = call
        self._layout = layout
        self._whole: torch.Tensor | None = None
        self._seen: torch.Tensor | None = None
        self._positions: tuple[Any, Any] = (None, None)

    def extending(self, forward: Callable[..., Any], layer: int) -> Callable[..., Any]:
        """The block's forward, given the stream behind the sequence; as it is in other layers."""
        if layer not in self._call.stream:
            return forward

        def extended(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if isinstance(kwargs.get("pe"), torch.Tensor):
                kwargs["pe"] = self._extended_positions(kwargs["pe"])
            if kwargs.get("modulation_dims"):
                n_tokens = x.shape[1]
                kwargs["modulation_dims"] = self._extended_modulation(
                    kwargs["modulation_dims"], n_tokens
                )
            whole = forward(self._extended(x), *args, **kwargs)
            # Between the blocks the model adds to what it is given in place: a view, so that the
            # next block finds the whole sequence without another copy.
            seen = whole[:, : x.shape[1]]
            self._whole, self._seen = whole, seen
            return seen

        return extended

    def _extended(self, x: torch.Tensor) -> torch.Tensor:
        """[B, S, C] -> [B, S + N, C]."""
        if self._whole is None:
            return torch.cat([x, self._image(x, dim=1)], 1)
        if x is self._seen:
            return self._whole
        return torch.cat([x, self._whole[:, x.shape[1] :]], 1)

    def _extended_positions(self, pe: torch.Tensor) -> torch.Tensor:
        """Rotary tables [B, 1, S, ...] with those of the image once more; made once per call."""
        if pe is not self._positions[0]:
            self._positions = (pe, torch.cat([pe, self._image(pe, dim=2)], 2))
        return self._positions[1]

    def _extended_modulation(
        self, ranges: Sequence[tuple[int, int, int]], n_tokens: int
    ) -> list[tuple[int, int, int]]:
        """Newer hosts modulate (first token, one past the last, index of the modulation) apart, as
        references at time zero. The stream is modulated as the image is."""
        end = n_tokens
        more = []
        for first, last in merged_spans(self._image_spans(n_tokens)):
            for start, stop, index in ranges:
                shared = min(last, stop) - max(first, start)
                if shared > 0:
                    more.append((end, end + shared, index))
                    end += shared
        return [*ranges, *more]

    def _image(self, x: torch.Tensor, dim: int) -> torch.Tensor:
        spans = merged_spans(self._image_spans(x.shape[dim]))
        return torch.cat([x.narrow(dim, start, stop - start) for start, stop in spans], dim)

    def _image_spans(self, n_tokens: int) -> Spans:
        layout = self._layout(n_tokens)
        if layout is None:
            raise HostError(
                f"A single block has {n_tokens} tokens, too few for the text and the "
                f"{self._call.grid.n_tokens} image tokens of this call. Another patch changes the "
                "tokens inside the model; remove it."
            )
        return layout.image

"""How much of each token of a model call belongs to a LoRA's regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..canvas.tokens import TokenGrid, token_ownership
from ..errors import HostError
from ..text.prompts import negative_uid
from .streams import Stream

if TYPE_CHECKING:
    from ..canvas.regions import RegionSet
    from ..joint.context import JointCall, Layout

Owner = tuple[str, int]  # id of a set of regional prompts, region from 0


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What one LoRA claims.

    Attributes:
        uid: id of the set of regional prompts.
        regions: all of that set.
        chosen: those of the LoRA.
        negative: whether the negative's rows are claimed as well, with regions or without.
    """

    uid: str
    regions: RegionSet
    chosen: frozenset[int]
    negative: bool

    def owns(self, owner: Owner) -> bool:
        """Whether the text of a region is the LoRA's."""
        return owner[0] in self._marks() and owner[1] in self.chosen

    def acts_on(self, uid: str | None) -> bool:
        """Whether it acts on rows of a conditioning entry with this marker."""
        return uid in self._marks() or (uid is None and self.negative)

    def _marks(self) -> tuple[str, ...]:
        """Of its regional prompts, and of their negatives where it acts on those as well."""
        return (self.uid, negative_uid(self.uid)) if self.negative else (self.uid,)

    def of_image(self, grid: TokenGrid) -> torch.Tensor:
        """[N] float32 in 0..1: share of each image token."""
        owned = token_ownership(self.regions, grid)[1:]
        return owned[sorted(self.chosen)].sum(0)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Rows of one conditioning entry.

    Attributes:
        rows: of the batch.
        uid: its marker, None without regions.
        grid: token grid by (rows, columns), None for the first layer's own.
    """

    rows: slice
    uid: str | None
    grid: Callable[[tuple[int, int] | None], TokenGrid]


@dataclass(slots=True, eq=False)
class Ownership:
    """Weights of all tokens of one model call, for one LoRA; each worked out once.

    Args:
        claim: of the LoRA.
        chunks: of the batch.
        call: layout of joint attention, None in cross-attention.
        layout: places in a joint sequence of so many tokens.
        first: tokens before those of the latent (reference images of some video models).
        n_joint_text: tokens of all texts in a joint sequence.
    """

    claim: Claim
    chunks: Sequence[Chunk]
    call: JointCall | None = None
    layout: Callable[[int], Layout | None] | None = None
    first: int = 0
    n_joint_text: int = 0
    _image: dict[Any, torch.Tensor] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return max(chunk.rows.stop for chunk in self.chunks)

    def placeless(self) -> torch.Tensor:
        """[B, 1]: the share of the canvas."""
        return self.image(None).mean(1, keepdim=True)

    def image(self, shape: tuple[int, int] | None) -> torch.Tensor:
        """[B, N] of the latent's tokens on the grid with so many rows and columns."""
        if shape not in self._image:
            grids = [chunk.grid(shape) for chunk in self.chunks]
            weights = torch.zeros(self.n_rows, grids[0].n_tokens)
            for chunk, grid in zip(self.chunks, grids, strict=True):
                if self.claim.acts_on(chunk.uid):
                    weights[chunk.rows] = self.claim.of_image(grid)
            self._image[shape] = weights
        return self._image[shape]

    def of(
        self, stream: Stream, n_tokens: int, shape: tuple[int, int] | None, streamed: bool
    ) -> torch.Tensor:
        """[B, n_tokens] float32 in 0..1, or [B, 1] where all tokens of a row are alike.

        Args:
            stream: where the tokens lie.
            n_tokens: of each row.
            shape: rows and columns of the layer's own grid, None for the first layer's.
            streamed: whether the sequence ends with a second stream of image tokens.

        Raises:
            HostError: there are other tokens than the latent and the texts have.
        """
        if stream is Stream.PLACELESS:
            return self.placeless()
        image = self.image(shape)
        size = image.shape[1]
        if stream is Stream.CELLS and n_tokens % size == 0:
            return image.repeat_interleave(n_tokens // size, 1)
        if stream is Stream.EITHER:
            stream = Stream.JOINT if n_tokens >= self.n_joint_text + size else Stream.IMAGE
        if stream is Stream.IMAGE and n_tokens == size:
            return image
        found = None
        if self.call is None:
            if stream is Stream.IMAGE and n_tokens > size:
                found = self.placeless().repeat(1, n_tokens)
                found[:, self.first : self.first + size] = image
        elif stream in (Stream.TEXT, Stream.SECOND_TEXT):
            found = self._context(int(stream is Stream.SECOND_TEXT), n_tokens)
        else:
            found = self._joint(stream, n_tokens, image, streamed)
        if found is None or found.shape[1] != n_tokens:
            raise HostError(
                f"A layer with a LoRA for single regions sees {n_tokens} tokens "
                f"({stream.name.lower()}), which are not those of the latent ({size}) and the "
                "texts. Another patch changes the tokens inside the model: remove it, or the LoRA."
            )
        return found

    def _context(self, index: int, n_tokens: int) -> torch.Tensor | None:
        """[B, n_tokens] of one text stream; padding that a model adds is behind or left out."""
        call = self.call
        if call is None or index >= len(call.extra):
            return None
        weights = self.placeless().repeat(1, max(n_tokens, call.extra[index] + call.base[index]))
        weights[:, : call.extra[index]] = 0.0
        for rows, spans, _, owner in call.texts():
            weights[rows, slice(*spans[index])] = float(self.claim.owns(owner))
        return weights[:, :n_tokens]

    def _joint(
        self, stream: Stream, n_tokens: int, image: torch.Tensor, streamed: bool
    ) -> torch.Tensor | None:
        call, layout = self.call, self.layout
        if call is None or layout is None:
            return None
        size = image.shape[1]
        end = {
            Stream.JOINT: n_tokens - size * streamed,
            Stream.IMAGE: n_tokens + self.n_joint_text,
            Stream.NOT_IMAGE: n_tokens + size,
        }[stream]
        places = layout(end)
        if places is None:
            return None
        weights = self.placeless().repeat(1, end)
        _put(weights, places.image, image)
        streams = range(len(call.extra))
        is_text = torch.zeros(end, dtype=torch.bool)
        for a, b in places.text(tuple((0, call.extra[s]) for s in streams)):
            weights[:, a:b] = 0.0
        for a, b in places.text(tuple((0, call.extra[s] + call.base[s]) for s in streams)):
            is_text[a:b] = True
        for rows, spans, _, owner in call.texts():
            for a, b in places.text(spans):
                weights[rows, a:b] = float(self.claim.owns(owner))
        if stream is Stream.IMAGE:
            return weights[:, ~is_text]
        if stream is Stream.NOT_IMAGE:
            is_image = torch.zeros(end, dtype=torch.bool)
            for a, b in (*places.image, *places.references):
                is_image[a:b] = True
            return weights[:, ~is_image]
        return torch.cat([weights, image], 1) if streamed else weights


def _put(weights: torch.Tensor, spans: Sequence[tuple[int, int]], value: torch.Tensor) -> None:
    offset = 0
    for a, b in spans:
        weights[:, a:b] = value[:, offset : offset + b - a]
        offset += b - a

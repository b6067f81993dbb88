"""Bias: everything sees everything, regions only lean towards their own prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from ..errors import RegionalError
from ..groups import BASE, IMAGE, Group, Groups, KeyBlock
from ..regions import RegionSet
from ..step import Step
from ..tokens import TokenGrid, token_coverage
from .base import AttentionKind, BlockKinds, Rule
from .bind import region_members
from .hard import unless_all
from .settings import region_weights

BIASED, OPEN = "biased", "open"
LIMIT = 50.0  # beyond this a bias is as good as a mask


@dataclass(frozen=True, slots=True)
class Bias(Rule[str]):
    """Scores between image and regional text, plus ``own`` inside, plus ``other`` outside.

    Source: the attention bias of FreeFuse (arXiv 2510.23515, public code; there between a LoRA's
    words in one prompt and its mask). With b+ = own, b- = other:

        image q -> T_r:  b+ a_r m_r(q) + b- sum_{s != r} a_s m_s(q), so 0 outside of all regions;
        T_r -> image i:  b+ a_r inside region r, b- a_r outside;
        text to text, image to image and all of the global prompt: nothing.

    All texts are one sequence in which every token sees every other. In single blocks nothing is
    added, but the regional prompts stay; where a model has no others (Lumina 2, Z-Image), all are
    biased. Deviations: the key side is hard, where the region covers more than half of what it
    covers of any token; a_r is the region's weight (the source has none), and a region without
    weight is left out altogether.

    Attributes:
        own: b+, 0..50.
        other: b-, -50..0. Published: -5 and +1 for Flux, -4 and +2 for Flux.2 Klein, -3 and +1 for
            Z-Image.
        single_blocks: add the bias in single blocks as well.
        blocks: of the model, filled in before sampling.
    """

    attention: ClassVar[AttentionKind] = "joint"

    own: float = 1.0
    other: float = -5.0
    single_blocks: bool = False
    blocks: BlockKinds | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.own <= LIMIT:
            raise RegionalError(f"own is {self.own!r}, expected a number from 0 to {LIMIT:g}.")
        if not -LIMIT <= self.other <= 0.0:
            raise RegionalError(f"other is {self.other!r}, expected a number from -{LIMIT:g} to 0.")

    @property
    def name(self) -> str:
        return "bias"

    def fitted(self, blocks: BlockKinds) -> Bias:
        return replace(self, blocks=blocks)

    def phase(self, layer: int, n_layers: int, step: Step) -> str | None:
        n_double = self.blocks.n_double if self.blocks else n_layers
        everywhere = self.single_blocks or n_double == 0
        return BIASED if everywhere or layer < n_double else OPEN

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        weights = region_weights(regions)
        used = [r for r, weight in enumerate(weights.tolist(), start=1) if weight > 0.0]
        texts = tuple(KeyBlock(r) for r in (BASE, *used))
        everything = (*texts, KeyBlock(IMAGE))
        base = Group(everything, source=BASE)
        if phase == OPEN:
            sources = (IMAGE, *used)
            return (base, *(Group(everything, source=source) for source in sources))
        coverage = token_coverage(regions, grid)
        members = region_members(torch.cat([torch.ones_like(coverage[:1]), coverage]))
        asking = [
            Group((*texts, *self._image_blocks(inside, weight, coverage.shape[1])), source=r)
            for r, (inside, weight) in enumerate(zip(members, weights.tolist(), strict=True), 1)
            if r in used
        ]
        return (base, *asking, Group(self._text_blocks(coverage, weights)))

    def _text_blocks(self, masks: torch.Tensor, weights: torch.Tensor) -> tuple[KeyBlock, ...]:
        """What image tokens see, with masks m_r [R, N] and weights a_r [R]."""
        shares = masks * weights[:, None]
        others = shares.sum(0) - shares
        biases = self.own * shares + self.other * others
        regional = (
            KeyBlock(r, log_weight=bias if bool(bias.any()) else None)
            for r, bias in enumerate(biases, start=1)
            if weights[r - 1] > 0.0
        )
        return (KeyBlock(BASE), *regional, KeyBlock(IMAGE))

    def _image_blocks(
        self, inside: torch.Tensor | None, weight: float, n_tokens: int
    ) -> tuple[KeyBlock, ...]:
        """What a regional text sees of the image."""
        if inside is None:
            return (_image_block(None, self.own * weight),)
        is_outside = torch.ones(n_tokens, dtype=torch.bool)
        is_outside[inside] = False
        outside = unless_all(is_outside.nonzero()[:, 0], n_tokens)
        if outside is None:
            return (_image_block(None, self.other * weight),)
        # Reference images and registers go with one of the two: the nearer one.
        return (
            _image_block(inside, self.own * weight),
            _image_block(outside, self.other * weight, bare=True),
        )

    def describe(self) -> str:
        where = "all blocks" if self.single_blocks else "double blocks"
        return f"bias in {where}, {self.own:+g} inside, {self.other:+g} outside"


def _image_block(tokens: torch.Tensor | None, bias: float, *, bare: bool = False) -> KeyBlock:
    log_weight = torch.tensor([bias]) if bias else None
    return KeyBlock(IMAGE, tokens, log_weight=log_weight, bare=bare)

"""Bias: everything sees everything, regions only lean towards their own prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_coverage
from ..engine.groups import BASE, IMAGE, Group, Groups, KeyBlock
from ..errors import RegionalError
from .base import AttentionKind, BlockKinds, Rule
from .bind import region_members
from .hard import unless_all
from .settings import region_weights

BIASED, OPEN = "biased", "open"
LIMIT = 50.0  # beyond this a bias is as good as a mask
NEGLIGIBLE = 1e-6  # a bias below this is lost in the rounding of float32


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
            Group((*texts, *self._image_blocks(inside, weight)), source=r)
            for r, (inside, weight) in enumerate(zip(members, weights.tolist(), strict=True), 1)
            if r in used
        ]
        return (base, *asking, Group(self._text_blocks(coverage * weights[:, None], used)))

    def _text_blocks(self, shares: torch.Tensor, used: list[int]) -> tuple[KeyBlock, ...]:
        """What image tokens see, with shares a_r m_r [R, N], of the regions that have a weight.

        All regional texts with b- sum_s a_s m_s, and T_r once more, so that b+ takes the place of
        b- for its share: the weights of one text listed twice add up.
        """
        n_tokens = shares.shape[1]
        far = self.other * shares.sum(0)
        blocks = [KeyBlock(BASE), KeyBlock(IMAGE)]
        for r, share in ((r, shares[r - 1]) for r in used):
            blocks.append(KeyBlock(r, log_weight=far if bool(far.any()) else None))
            nearer = (self.own - self.other) * share
            inside = (nearer > NEGLIGIBLE).nonzero()[:, 0]
            if inside.numel():
                queries = unless_all(inside, n_tokens)
                weight = far[inside] + _log_expm1(nearer[inside])
                blocks.append(KeyBlock(r, None, queries, weight))
        return tuple(blocks)

    def _image_blocks(self, inside: torch.Tensor | None, weight: float) -> tuple[KeyBlock, ...]:
        """What a regional text sees of the image: all of it, and its own part once more."""
        if inside is None:
            return (_image_block(self.own * weight),)
        far = _image_block(self.other * weight)
        nearer = torch.tensor([(self.own - self.other) * weight])
        if not inside.numel() or nearer <= NEGLIGIBLE:
            return (far,)
        return far, KeyBlock(IMAGE, inside, log_weight=self.other * weight + _log_expm1(nearer))

    def describe(self) -> str:
        where = "all blocks" if self.single_blocks else "double blocks"
        return f"bias in {where}, {self.own:+g} inside, {self.other:+g} outside"


def _image_block(bias: float) -> KeyBlock:
    return KeyBlock(IMAGE, log_weight=torch.tensor([bias]) if bias else None)


def _log_expm1(x: torch.Tensor) -> torch.Tensor:
    """log(e^x - 1) for x > 0 of any size."""
    return x + (-torch.expm1(-x)).log()

"""Attention Specialty Tuning: phrases of one prompt pulled to their regions, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import BASE, IMAGE, Group, Groups, KeyBlock
from ..errors import RegionalError
from ..phrases import PhraseBinding
from .base import AttentionKind, Rule
from .bind import region_members, text_groups
from .hard import unless_all

Form = Literal["additive", "exact"]
FORMS: tuple[Form, ...] = ("additive", "exact")

# First layer (0-based, of Flux's 57) of each class, and the tokens that the image is pulled to.
# Public code of arXiv 2504.10148; layers below the first are never tuned.
FLUX_LAYERS = 57
CLASSES: tuple[tuple[int, str], ...] = (
    (5, "instance"),
    (19, "instance+background"),
    (24, "instance+attribute"),
    (34, "attribute"),
    (50, "attribute, text only"),
)
TEXT_TOKENS = 512  # by which the paper measures the length of a phrase


@dataclass(frozen=True, slots=True)
class SpecialtyTuning(Rule[str]):
    """A' = A e^(lambda s_q (M - A)) on image-image, text-text and image-text attention.

    Source: arXiv 2504.10148 and its public code. A is the softmaxed joint map; rows are normalised
    anew; text-image attention (text asks image) is left alone. lambda = weight * sigma^decay, in
    the first ``tuned_share`` of the steps. M is 1 where query and key belong together: image tokens
    of one region (the background is one), text tokens of one phrase (each other token with itself),
    image tokens of a region with the tokens of its phrase that the layer is made for. s_q is 1 -
    area share of the query's region, or for text 1 - 4 * phrase length / 512.

    The additive form adds lambda s_q M to the scores, which is the same up to e^(-lambda s_q A),
    and needs no map. Deviations: the published layers of Flux are scaled by depth for other models;
    the background's words are those of the prompt that stand in no phrase (the public code wants
    one phrase for the background).

    Attributes:
        binding: which text tokens each region's phrase became, of the global prompt.
        image_weight, text_weight, cross_weight: of i2i, t2t and i2t, 0..20.
        decay: exponent of sigma.
        tuned_share: share of the sampling's steps that are tuned, 0..1.
        form: "additive" or "exact".
        regional_text: also bind each region's own prompt to it, as the rule 'bind' does in its open
            layers; otherwise the global prompt is the only text, as in the paper.
        base_ratio: share of the global prompt inside the regions with ``regional_text``.
    """

    attention: ClassVar[AttentionKind] = "joint"

    binding: PhraseBinding
    image_weight: float = 3.5
    text_weight: float = 3.5
    cross_weight: float = 5.0
    decay: float = 3.0
    tuned_share: float = 0.5
    form: Form = "additive"
    regional_text: bool = False
    base_ratio: float = 0.3

    def __post_init__(self) -> None:
        limits = {
            "image_weight": 20.0,
            "text_weight": 20.0,
            "cross_weight": 20.0,
            "decay": 20.0,
            "tuned_share": 1.0,
            "base_ratio": 1.0,
        }
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 0.0 <= value <= limit:
                raise RegionalError(f"{name} is {value!r}, expected 0..{limit:g}.")
        if self.form not in FORMS:
            raise RegionalError(f"form is {self.form!r}, expected 'additive' or 'exact'.")

    @property
    def name(self) -> str:
        return "specialty tuning"

    @property
    def takes_base_ratios(self) -> bool:
        return self.regional_text

    @property
    def base_tokens(self) -> int:
        """Text tokens that the sampler's positive must have."""
        return self.binding.n_tokens

    def boost_factor(self, step: Step) -> float:
        """sigma^decay, by which every boost is multiplied."""
        return step.sigma**self.decay

    def phase(self, layer: int, n_layers: int, step: Step) -> str | None:
        if self.tuned_share < 1.0 and step.index >= round(self.tuned_share * step.n_steps):
            return None
        untuned = "untuned" if self.regional_text else None
        if self.image_weight == self.text_weight == self.cross_weight == 0.0:
            return untuned
        return layer_class(layer, n_layers) or untuned

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        if len(self.binding.phrases) != len(regions):
            raise RegionalError(
                f"{len(self.binding.phrases)} phrases are bound, but there are {len(regions)} "
                "regions. Bind one phrase per region, in the same order."
            )
        home = token_ownership(regions, grid).argmax(0)
        image = self._image_groups(regions, grid, home, phase)
        if not self.regional_text:
            return (*self._text_groups(phase), *image)
        bound = text_groups(region_members(token_ownership(regions, grid)))[1:]
        return (*self._text_groups(phase), *bound, *image)

    def describe(self) -> str:
        text = f", regional prompts bound (base ratio {self.base_ratio:g})"
        return (
            f"attention specialty tuning ({self.form}), weights i2i {self.image_weight:g}, t2t "
            f"{self.text_weight:g}, i2t {self.cross_weight:g}, decay {self.decay:g}, in the first "
            f"{self.tuned_share:.0%} of the steps{text if self.regional_text else ''}"
        )

    def _image_groups(
        self, regions: RegionSet, grid: TokenGrid, home: torch.Tensor, phase: str
    ) -> Groups:
        """One group per region, and one of the background."""
        shares = token_ownership(regions, grid, self.base_ratio)
        groups = []
        for region in range(len(regions) + 1):
            queries = (home == region).nonzero()[:, 0]
            if not queries.numel():
                continue
            size = 1.0 - queries.numel() / home.numel()
            blocks = [
                *self._image_blocks(queries, home == region, size, phase),
                *self._cross_blocks(region, shares[:, queries], size, phase),
            ]
            listed = unless_all(queries, home.numel())
            groups.append(Group(tuple(blocks), listed, exact=self._exact(phase)))
        return tuple(groups)

    def _exact(self, phase: str) -> bool:
        return self.form == "exact" and phase != "untuned"

    def _image_blocks(
        self, inside: torch.Tensor, is_inside: torch.Tensor, size: float, phase: str
    ) -> list[KeyBlock]:
        if phase in ("untuned", CLASSES[-1][1]) or self.image_weight == 0.0:
            return [KeyBlock(IMAGE)]
        boost = self.image_weight * size
        outside = (~is_inside).nonzero()[:, 0]
        if not outside.numel():
            return [KeyBlock(IMAGE, boost=boost)]
        return [
            KeyBlock(IMAGE, inside, boost=boost, bare=True),
            KeyBlock(IMAGE, outside, boost=boost, match=False),
        ]

    def _cross_blocks(
        self, region: int, shares: torch.Tensor, size: float, phase: str
    ) -> list[KeyBlock]:
        """Text blocks of the image tokens of one region, with shares [R + 1, Q] of the prompts."""
        if region == 0 and "background" not in phase:
            size = 1.0  # the public code measures the background only where it is pulled
        boost = None if phase == "untuned" else self.cross_weight * size
        pulled = self._pulled(region, phase)
        rest = [t for t in range(self.binding.n_tokens) if t not in set(pulled)]
        blocks = []
        for tokens, match in ((pulled, True), (rest, False)):
            if tokens:
                blocks += self._weighted(BASE, shares[0], _indices(tokens), boost, match)
        if self.regional_text:
            for other in range(1, len(shares)):
                own = other == region and phase != "untuned"
                blocks += self._weighted(
                    other, shares[other], None, boost if own else None, match=own
                )
        return blocks

    def _weighted(
        self,
        source: int,
        share: torch.Tensor,
        tokens: torch.Tensor | None,
        boost: float | None,
        match: bool,
    ) -> list[KeyBlock]:
        if not self.regional_text:
            return [KeyBlock(source, tokens, boost=boost, match=match)]
        seeing = share.nonzero()[:, 0]
        if not seeing.numel():
            return []
        listed = unless_all(seeing, share.numel())
        weight = None if bool((share == 1.0).all()) else share[seeing].log()
        return [KeyBlock(source, tokens, listed, weight, boost=boost, match=match)]

    def _pulled(self, region: int, phase: str) -> tuple[int, ...]:
        """Text tokens that a region's image is pulled to in a layer of this class."""
        if region == 0:
            return self.binding.background if "background" in phase else ()
        phrase = self.binding.phrases[region - 1]
        instance = phrase.instance if "instance" in phase else ()
        attributes = phrase.attributes if "attribute" in phase else ()
        return tuple(sorted({*instance, *attributes}))

    def _text_groups(self, phase: str) -> Groups:
        """Text-text tuning of the global prompt; its view of the image stays as it is."""
        if phase in ("untuned", CLASSES[-1][1]) or self.text_weight == 0.0:
            return (Group((KeyBlock(BASE), KeyBlock(IMAGE)), source=BASE),)
        spans = [phrase.tokens for phrase in self.binding.phrases]
        owned = {token for span in spans for token in span}
        alone = [t for t in range(self.binding.n_tokens) if t not in owned]
        groups = []
        for span in spans:
            boost = self.text_weight * (1.0 - 4.0 * len(span) / TEXT_TOKENS)
            groups.append(self._text_group(span, boost, match=True))
        if alone:
            boost = self.text_weight * (1.0 - 4.0 / TEXT_TOKENS)
            groups.append(self._text_group(alone, boost, match=torch.eye(len(alone))))
        return tuple(groups)

    def _text_group(self, span: Sequence[int], boost: float, match: bool | torch.Tensor) -> Group:
        inside = set(span)
        rest = [t for t in range(self.binding.n_tokens) if t not in inside]
        blocks = [KeyBlock(BASE, _indices(span), boost=boost, match=match)]
        if rest:
            blocks.append(KeyBlock(BASE, _indices(rest), boost=boost, match=False))
        blocks.append(KeyBlock(IMAGE))
        return Group(tuple(blocks), _indices(span), source=BASE, exact=self.form == "exact")


def _indices(tokens: Sequence[int]) -> torch.Tensor:
    return torch.tensor(list(tokens), dtype=torch.int64)


def layer_class(layer: int, n_layers: int) -> str | None:
    """What a layer is made for by the published table of Flux, scaled by depth elsewhere."""
    place = layer * FLUX_LAYERS // n_layers
    found = None
    for first, name in CLASSES:
        if place >= first:
            found = name
    return found


def class_layers(n_layers: int) -> dict[str, tuple[int, int]]:
    """Class -> (first, last) layer of a model with this many."""
    ranges: dict[str, tuple[int, int]] = {}
    for layer in range(n_layers):
        name = layer_class(layer, n_layers)
        if name is not None:
            ranges[name] = (ranges.get(name, (layer, layer))[0], layer)
    return ranges

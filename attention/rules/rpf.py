"""Regional Prompting for FLUX: isolated regions, mixed with what the global prompt alone does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, get_args

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, kept_shares
from ..engine.groups import BASE, BASE_IMAGE, IMAGE, Group, Groups, KeyBlock
from ..errors import RegionalError
from .base import AttentionKind, BlockKinds, Rule
from .hard import by_membership, centre_members, unless_all
from .settings import region_weights, require_range

Unmasked = Literal["leaking", "pure base"]
Uncovered = Literal["global prompt", "alone"]
UNMASKED: tuple[Unmasked, ...] = get_args(Unmasked)
UNCOVERED: tuple[Uncovered, ...] = get_args(Uncovered)


class RPFPhase(NamedTuple):
    """What a layer does: regions masked or not; a second image stream for the base path or not."""

    masked: bool
    streamed: bool


@dataclass(frozen=True, slots=True)
class RegionalPromptingFlux(Rule[RPFPhase]):
    """O = (1 - beta) O_regional + beta O_base on image tokens, in the first steps.

    Source: arXiv 2411.02395, equations (1) to (7), and the public code of its authors
    (instantX-research/Regional-Prompting-FLUX). The regional path holds the regional prompts and
    the image, not the global prompt: T_r asks [T_r, I_r], I_r asks [T_r, I_r], tokens of several
    regions ask what any of theirs asks. The base path is the model without regions: [T_0, image].
    In double blocks both paths share the image tokens. In single blocks the base path has image
    tokens of its own, which never see a regional prompt (``base_stream.py``). After
    ``inject_steps`` steps the model runs unpatched.

    Of the double and of the single blocks, each counted from zero, only every ``interval``-th is
    masked. In the others, as in the public code, all regional prompts and the whole image see each
    other ("leaking"), still mixed with the base path; or, not in the code, the image does as in the
    model without regions ("pure base"; its own image tokens then end with the last masked block).

    Deviations: the public code gives uncovered canvas a background prompt of its own and knows no
    other case. Here a region behind the others can do that; without one, uncovered tokens follow
    the base path ("global prompt"), or see nothing but each other, as the bare mask says ("alone").
    A region's weight a_r below one lowers the share of the regional path to (1 - beta) a_r. Where a
    model has no single blocks (SD3, Qwen-Image), all blocks are double blocks; where its single
    blocks cannot take a second image stream, they mix like double blocks.

    Attributes:
        base_ratio: beta, 0..1.
        inject_steps: steps of the sampling, from the first, in which regions act.
        double_interval: one of this many double blocks is masked, 1 for all.
        single_interval: the same of the single blocks.
        unmasked: what the other blocks do.
        uncovered: what tokens outside of all regions do.
        blocks: of the model, filled in before sampling.
    """

    attention: ClassVar[AttentionKind] = "joint"

    base_ratio: float = 0.2
    inject_steps: int = 10
    double_interval: int = 1
    single_interval: int = 1
    unmasked: Unmasked = "leaking"
    uncovered: Uncovered = "global prompt"
    blocks: BlockKinds | None = None

    def __post_init__(self) -> None:
        require_range("Base ratio", self.base_ratio, 0.0, 1.0)
        for name, least in (("inject_steps", 0), ("double_interval", 1), ("single_interval", 1)):
            value = getattr(self, name)
            if value < least:
                raise RegionalError(f"{name} is {value!r}, expected {least} or more.")
        for name, choices in (("unmasked", UNMASKED), ("uncovered", UNCOVERED)):
            if getattr(self, name) not in choices:
                raise RegionalError(
                    f"{name} is {getattr(self, name)!r}, expected one of {choices}."
                )

    @property
    def name(self) -> str:
        return "rpf"

    def fitted(self, blocks: BlockKinds) -> RegionalPromptingFlux:
        return replace(self, blocks=blocks)

    def phase(self, layer: int, n_layers: int, step: Step) -> RPFPhase | None:
        if self.inject_steps == 0 or step.index >= self.inject_steps:
            return None
        blocks = self.blocks or BlockKinds(n_layers, n_layers)
        is_single = layer >= blocks.n_double
        place = layer - blocks.n_double if is_single else layer
        masked = place % (self.single_interval if is_single else self.double_interval) == 0
        if not masked and self.unmasked == "pure base":
            return None
        return RPFPhase(masked, is_single and blocks.takes_stream)

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: RPFPhase) -> Groups:
        members = centre_members(regions, grid)
        strengths = region_weights(regions) * kept_shares(regions, self.base_ratio)
        regional = self._regional_share(members, strengths)
        used = [r + 1 for r in range(len(regions)) if regions.regions[r].weight > 0.0]
        if phase.masked:
            groups = [*self._texts(members, used), *self._image(members, regional)]
        else:
            groups = [*_all_to_all(used), *_leaking_image(regional, used)]
        return (*groups, *self._base_path(1.0 - regional, phase.streamed))

    def _regional_share(self, members: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        """[N], the regional path's share of each image token's output."""
        share = (members * strengths[:, None]).amax(0)
        if self.uncovered == "alone":
            share = torch.where(members.any(0), share, 1.0 - self.base_ratio)
        return share.clamp_max(1.0)

    def _texts(self, members: torch.Tensor, used: list[int]) -> Groups:
        groups = []
        for r in used:
            inside = members[r - 1].nonzero()[:, 0]
            blocks = [KeyBlock(r)]
            if inside.numel():  # else outside the area that this call computes
                blocks.append(KeyBlock(IMAGE, unless_all(inside, members.shape[1])))
            groups.append(Group(tuple(blocks), source=r))
        return tuple(groups)

    def _image(self, members: torch.Tensor, regional: torch.Tensor) -> Groups:
        groups = []
        n_tokens = members.shape[1]
        for owners, queries in by_membership(members):
            if not bool((regional[queries] > 0.0).any()):
                continue
            visible = members[owners].any(0).nonzero()[:, 0] if owners else queries
            blocks = [KeyBlock(r + 1) for r in owners]
            blocks.append(KeyBlock(IMAGE, unless_all(visible, n_tokens)))
            groups.append(
                Group(
                    tuple(blocks),
                    unless_all(queries, n_tokens),
                    unless_one(regional[queries]),
                )
            )
        return tuple(groups)

    def _base_path(self, share: torch.Tensor, streamed: bool) -> Groups:
        """Global text, and the image's output by it, of which each token takes a share."""
        wanted = bool((share > 0.0).any())
        if streamed and (wanted or self.unmasked == "pure base"):
            sees = (KeyBlock(BASE), KeyBlock(BASE_IMAGE))
            shared = share if wanted else None
            return Group(sees, source=BASE), Group(sees, source=BASE_IMAGE, shared=shared)
        sees = (KeyBlock(BASE), KeyBlock(IMAGE))
        if not wanted:
            return (Group(sees, source=BASE),)
        queries = (share > 0.0).nonzero()[:, 0]
        image = Group(sees, unless_all(queries, share.numel()), unless_one(share[queries]))
        return Group(sees, source=BASE), image

    def describe(self) -> str:
        single = f", single {self.single_interval}" if self._has_single() else ""
        intervals = f"double {self.double_interval}{single}"
        return (
            f"rpf, base ratio {self.base_ratio:g}, in the first {self.inject_steps} steps; masked "
            f"block intervals: {intervals}; other blocks {self.unmasked}"
        )

    def _has_single(self) -> bool:
        return self.blocks is None or self.blocks.n_double < self.blocks.n_layers


# Settings of the published examples, all of 24 steps at guidance 3.5: the README and the example
# scripts of instantX-research/Regional-Prompting-FLUX (the torch with its script's base ratio; the
# README's quick start has 0.2).
PRESETS: dict[str, RegionalPromptingFlux] = {
    "cocktail": RegionalPromptingFlux(0.1, 10, 1, 2),
    "dog and cat": RegionalPromptingFlux(0.1, 10, 1, 2),
    "rainbow and ship": RegionalPromptingFlux(0.2, 10, 1, 1),
    "torch": RegionalPromptingFlux(0.3, 10, 1, 1),
    "LoRA dinosaur": RegionalPromptingFlux(0.1, 10, 1, 1),
    "LoRA UFO": RegionalPromptingFlux(0.2, 10, 1, 2),
    "ControlNet beach": RegionalPromptingFlux(0.2, 10, 1, 2),
    "ControlNet cars": RegionalPromptingFlux(0.2, 10, 1, 2),
    "PuLID one person": RegionalPromptingFlux(0.2, 10, 1, 1),
    "PuLID two persons": RegionalPromptingFlux(0.1, 8, 1, 2),
}


def _all_to_all(used: list[int]) -> Groups:
    """Regional texts of an unmasked block: each asks all of them and the whole image."""
    sees = (*(KeyBlock(r) for r in used), KeyBlock(IMAGE))
    return tuple(Group(sees, source=r) for r in used)


def _leaking_image(regional: torch.Tensor, used: list[int]) -> Groups:
    queries = (regional > 0.0).nonzero()[:, 0]
    if not queries.numel():
        return ()
    sees = (*(KeyBlock(r) for r in used), KeyBlock(IMAGE))
    share = regional[queries]
    return (Group(sees, unless_all(queries, regional.numel()), unless_one(share)),)


def unless_one(weight: torch.Tensor) -> torch.Tensor | None:
    """None where every weight is one."""
    return None if bool((weight == 1.0).all()) else weight

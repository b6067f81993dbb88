"""Bind: hard text binding in joint attention, with the image free to see itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from ..calls.step import Step
from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.groups import BASE, IMAGE, Group, Groups, KeyBlock
from ..errors import RegionalError
from .base import AttentionKind, BlockKinds, Rule
from .hard import log_weighted, unless_all

OPEN, ISOLATED = "open", "isolated"


@dataclass(frozen=True, slots=True)
class Bind(Rule[str]):
    """Each region's text and image see each other; the global prompt stays; the image is open.

    Text tokens T_r ask [T_r, I_r], global ones [T_0, all image]. Image tokens ask all text that
    owns a share of them, with log-weights log omega_r (``token_ownership``), and the whole
    image; in the isolated layers, early in the denoising, only their own region's image and,
    without base ratio, their own text. Later on the model can run unpatched.

    Combines published parts: text binding that outlives the isolation of the image (3DIS-FLUX,
    2501.05131), isolation in the middle layers only (DreamRenderer, 2503.12885), an open image with
    a retained global prompt (EliGen, 2501.01097). The combination is ours.

    Attributes:
        base_ratio: beta, share of the global prompt inside the regions, 0..1. On the tiny trained
            Flux 0.1 gives 8 points more right objects in four cells than 0.3, and elsewhere as
            many with fewer strangers; 0 loses a scene that the global prompt alone names.
        isolate_until: part of the denoising (0..1) during which the middle layers are isolated.
        release_at: part of the denoising (0..1) from which on the model runs unpatched; 1 for
            never. Where canvas is left over, the global prompt alone unmakes what the regions made:
            on the tiny trained Flux 0.5 leaves 26 % of the objects right in drawn boxes, 1 leaves
            60 %; where regions fill the canvas both do alike (40 scenes).
        isolated_layers: (first, last) of the isolated layers, or None for the middle ones: what is
            published for the model's family, else the middle third.
    """

    attention: ClassVar[AttentionKind] = "joint"

    base_ratio: float = 0.1
    isolate_until: float = 0.2
    release_at: float = 1.0
    isolated_layers: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("base_ratio", "isolate_until", "release_at"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise RegionalError(f"{name} is {value!r}, expected 0..1.")

    @property
    def name(self) -> str:
        return "bind"

    def fitted(self, blocks: BlockKinds) -> Bind:
        first, last = self.isolated_layers or blocks.middle or middle_third(blocks.n_layers)
        if self.isolated_layers and not 0 <= first <= last < blocks.n_layers:
            raise RegionalError(
                f"The isolated layers {first}..{last} do not exist: this model has the layers "
                f"0..{blocks.n_layers - 1}. Set both to -1 for the middle ones, or isolate_until "
                "to 0 for none."
            )
        return replace(self, isolated_layers=(first, last))

    def phase(self, layer: int, n_layers: int, step: Step) -> str | None:
        if self.release_at < 1.0 and not step.before(self.release_at):
            return None
        first, last = self.isolated_layers or middle_third(n_layers)
        if first <= layer <= last and step.before(self.isolate_until):
            return ISOLATED
        return OPEN

    def groups(self, regions: RegionSet, grid: TokenGrid, phase: str) -> Groups:
        isolated = phase == ISOLATED
        ownership = token_ownership(regions, grid, None if isolated else self.base_ratio)
        members = region_members(token_ownership(regions, grid))
        visible: list[torch.Tensor | None] = members if isolated else [None] * len(members)
        return (*text_groups(members), *image_groups(ownership, visible))

    def describe(self) -> str:
        where = "the middle layers"
        if self.isolated_layers:
            where = f"layers {self.isolated_layers[0]} to {self.isolated_layers[1]}"
        end = f", unpatched from {self.release_at:.0%} on" if self.release_at < 1.0 else ""
        return (
            f"bind, base ratio {self.base_ratio:g}; image regions isolated in {where} until "
            f"{self.isolate_until:.0%}{end}"
        )


def middle_third(n_layers: int) -> tuple[int, int]:
    """(first, last): 19..37 of Flux's 57 layers, 20..39 of Qwen-Image's 60."""
    return n_layers // 3, 2 * n_layers // 3 - 1


def region_members(ownership: torch.Tensor) -> list[torch.Tensor | None]:
    """The image tokens that a region's text and image are bound to: key sides are hard.

    Args:
        ownership: [R + 1, N] without base ratio.

    Returns:
        R index tensors, or None where it is every token: tokens that the region owns by more than
        half of what it owns of any token, so that faint regions are bound as well.
    """
    members: list[torch.Tensor | None] = []
    for share in ownership[1:]:
        inside = (share > 0.5 * share.amax()).nonzero()[:, 0]
        members.append(unless_all(inside, share.numel()))
    return members


def text_groups(members: list[torch.Tensor | None]) -> Groups:
    """Global text asks itself and the image; regional text asks itself and its own image tokens."""
    groups = [Group((KeyBlock(BASE), KeyBlock(IMAGE)), source=BASE)]
    for r, inside in enumerate(members, start=1):
        blocks = [KeyBlock(r)]
        if inside is None or inside.numel():
            blocks.append(KeyBlock(IMAGE, inside))
        groups.append(Group(tuple(blocks), source=r))
    return tuple(groups)


def image_groups(ownership: torch.Tensor, visible: list[torch.Tensor | None]) -> Groups:
    """Image tokens ask the text that owns them and the visible image.

    Tokens with one owner need no log-weight, hence no merge. The others are merged, in one group
    for each view of the image.

    Args:
        ownership: [R + 1, N].
        visible: per region the image tokens that its own ones see, None for all. Tokens that
            belong to the global prompt see all.
    """
    groups = []
    owner = ownership.argmax(0)
    sole = ownership.amax(0) == 1.0
    views = [None, *visible]
    for prompt, view in enumerate(views):
        queries = (sole & (owner == prompt)).nonzero()[:, 0]
        if queries.numel():
            blocks = (KeyBlock(prompt), KeyBlock(IMAGE, view))
            groups.append(Group(blocks, unless_all(queries, owner.numel())))
    if all(view is None for view in views):
        owner = torch.zeros_like(owner)  # one view of the image: one group
    for home in owner[~sole].unique().tolist():
        queries = (~sole & (owner == home)).nonzero()[:, 0]
        blocks = [KeyBlock(IMAGE, views[home]), *log_weighted(ownership[:, queries], BASE)]
        groups.append(Group(tuple(blocks), unless_all(queries, owner.numel())))
    return tuple(groups)

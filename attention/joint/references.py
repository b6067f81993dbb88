"""Reference images that belong to a region, in joint attention.

Models that take references (Flux Kontext, Flux.2, Qwen-Image-Edit) put their tokens behind the
image's, where everything that sees the image sees them. A region's reference is seen by the image
and text tokens of that region only, and sees only them: the key and query sides of the same hard
border that binds the region's text (``rules.bind.region_members``).

This is a change of a rule's groups, whatever the rule: a source of its own for the references of
each region, added to the groups that see the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid, token_ownership
from ..engine.attend import is_plain
from ..engine.groups import BASE, IMAGE, Group, Groups, KeyBlock
from ..errors import HostError, PromptError, RegionalError
from ..rules.bind import region_members
from ..rules.hard import unless_all
from .registers import REGISTERS
from .sequence import IMAGES, Span, Spans

# Key of a CONDITIONING entry: for each of its reference images the number of the region that it
# belongs to, counted from one; 0 for the whole picture, as are images that the list does not reach.
REFERENCES = "regional_dit_references"
WHOLE = 0

Owners = tuple[int, ...]


def reference_source(region: int) -> int:
    """Source index of the reference tokens of region 1, 2 .."""
    return REGISTERS - region


def with_references(groups: Groups, owners: Owners, regions: RegionSet, grid: TokenGrid) -> Groups:
    """A rule's groups, with the references of each region seen by that region alone.

    Args:
        groups: of one layer, tensors on the CPU.
        owners: region of each reference image, see ``REFERENCES``.
        regions: R regions.
        grid: the image tokens.

    Raises:
        PromptError: an image belongs to a region that is not there.
        RegionalError: the rule tunes the softmaxed map itself.
    """
    wrong = [owner for owner in owners if owner > len(regions)]
    if wrong:
        raise PromptError(
            f"A reference image belongs to region {wrong[0]}, but there are {len(regions)} "
            "regions. Change the number in Region Reference (0: the whole picture)."
        )
    if any(group.exact for group in groups):
        raise RegionalError(
            "Reference images of single regions cannot be combined with Attention Specialty "
            "Tuning in its form 'exact'. Set form to 'additive', or region to 0 in Region "
            "Reference."
        )
    members = region_members(token_ownership(regions, grid))
    speaking = {group.source for group in groups}
    for region in sorted(set(owners) - {WHOLE}):
        inside = members[region - 1]
        tokens = torch.arange(grid.n_tokens) if inside is None else inside
        text = region if region in speaking else BASE
        groups = (*_seen(groups, region, tokens, grid.n_tokens), _asking(region, text, inside))
    return groups


def _asking(region: int, text: int, inside: torch.Tensor | None) -> Group:
    """What a region's references see: its text, its image tokens and one another.

    Where a rule leaves the region's text out, they see the global prompt, as the image does.
    """
    blocks = [KeyBlock(text), KeyBlock(reference_source(region))]
    if inside is None or inside.numel():
        blocks.append(KeyBlock(IMAGE, inside))
    return Group(tuple(blocks), source=reference_source(region))


def _seen(groups: Groups, region: int, tokens: torch.Tensor, n_image: int) -> Groups:
    """The groups, those of the region's text and image with the references as further keys."""
    block = KeyBlock(reference_source(region))
    sole = sum(group.source == IMAGE for group in groups) == 1
    result: list[Group] = []
    for group in groups:
        if group.source == region:
            result.append(replace(group, blocks=(*group.blocks, block)))
        elif group.source in IMAGES and any(b.source in IMAGES for b in group.blocks):
            result += _image_seen(group, block, tokens, n_image, may_split=sole)
        else:
            result.append(group)
    return tuple(result)


def _image_seen(
    group: Group, block: KeyBlock, tokens: torch.Tensor, n_image: int, *, may_split: bool
) -> list[Group]:
    """A group of image tokens, those inside the region with one more key block.

    A plain group becomes two plain ones, so that no merge is needed; others see the block with
    those of their queries that lie inside.
    """
    queries = torch.arange(n_image) if group.queries is None else group.queries
    inside = torch.isin(queries, tokens)
    if not bool(inside.any()):
        return [group]
    if bool(inside.all()):
        return [replace(group, blocks=(*group.blocks, block))]
    alone = group.weight is None and group.shared is None and group.query_scale is None
    plain = is_plain(group) and not any(b.shifts_scores for b in group.blocks)
    if plain and alone and (group.queries is not None or may_split):
        return [
            replace(group, blocks=(*group.blocks, block), queries=queries[inside]),
            replace(group, queries=queries[~inside]),
        ]
    seeing = replace(block, queries=unless_all(inside.nonzero()[:, 0], queries.numel()))
    return [replace(group, blocks=(*group.blocks, seeing))]


def split_references(
    spans: Spans, lengths: Sequence[int], owners: Owners
) -> tuple[Spans, dict[int, Spans]]:
    """Places of the references of the whole picture, and of each region's by its source.

    Args:
        spans: places of all reference images, one behind the other.
        lengths: tokens of each image.
        owners: of the images, see ``REFERENCES``.

    Raises:
        HostError: the owned images are not those that the model call holds.
    """
    if not any(owners):
        return spans, {}
    start, end = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    if len(owners) > len(lengths) or sum(lengths) != end - start:
        raise HostError(
            f"The conditioning lists {len(owners)} reference images with their regions, but the "
            f"model call holds {len(lengths)} of {sum(lengths)} tokens, with {end - start} tokens "
            "behind the image. Another node or patch changes the references; remove it, or set "
            "region to 0 in Region Reference."
        )
    whole: list[Span] = []
    owned: dict[int, list[Span]] = {}
    for length, owner in zip(lengths, (*owners, *[WHOLE] * len(lengths)), strict=False):
        place = (start, start + length)
        start += length
        if owner == WHOLE:
            whole.append(place)
        else:
            owned.setdefault(reference_source(owner), []).append(place)
    return tuple(whole), {source: tuple(places) for source, places in owned.items()}


def check_owners(family: str, owners: Owners, *, takes_references: bool) -> None:
    """Raise where a reference belongs to a region and the model takes none.

    Raises:
        PromptError: names the family.
    """
    if any(owners) and not takes_references:
        raise PromptError(
            f"A reference image belongs to region {max(owners)}, but {family} takes no reference "
            "images that regions could own (Flux Kontext, Flux.2 and Qwen-Image-Edit do). Remove "
            "Region Reference, or set its region to 0."
        )

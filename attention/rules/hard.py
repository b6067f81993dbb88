"""Who an image token belongs to, hard or by shares, as the parts of groups."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..canvas.regions import RegionSet
from ..canvas.tokens import TokenGrid
from ..engine.groups import KeyBlock
from ..errors import RegionError

# A token belongs to a region whose mask has, there, at least this share of its largest value.
INSIDE = 0.5
_SPECK = 1e-5  # side of the spot in a token's middle that stands for it, as a share of the canvas


def centre_members(regions: RegionSet, grid: TokenGrid) -> torch.Tensor:
    """The regions that hold the middle of each token: [R, N] bool.

    As nearest-neighbour scaling of a hard mask has it: in overlap mode "blend" a token may belong
    to several regions, in mode "front" to one. Regions without weight have no tokens.

    Raises:
        RegionError: a region with a weight holds no token's middle on the whole canvas.
    """
    x, y = (_spots(edges) for edges in grid.edges())
    if regions.has_frames and grid.full_frames > 1:
        seen = regions.coverage(x, y, grid.frame_edges())[..., ::2, ::2].flatten(1)
    else:
        seen = regions.coverage(x, y)[:, ::2, ::2].flatten(1).repeat(1, grid.frames)
    weights = torch.tensor([region.weight for region in regions.regions])
    most = seen.amax(1, keepdim=True)
    members = (seen >= INSIDE * most) & (seen > 0.0) & (weights[:, None] > 0.0)
    for index, (found, weight) in enumerate(zip(members.any(1), weights, strict=True)):
        if grid.is_whole and weight > 0.0 and not found:
            raise RegionError(
                f"Region {index + 1} holds the middle of no token of the {grid.cols} x "
                f"{grid.rows} that the model sees of this latent, and this rule has hard regions. "
                "Enlarge it, move it to the front, sample a larger picture, or use 'bind'."
            )
    return members


def _spots(edges: torch.Tensor) -> torch.Tensor:
    """Borders of a small spot to the right of each cell's middle, [2 * cells]."""
    middle = (edges[:-1] + edges[1:]) / 2
    return torch.stack([middle, middle + _SPECK], 1).flatten()


def by_membership(members: torch.Tensor) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Tokens that belong to the same sets: (indices of the sets, indices of the tokens).

    Args:
        members: [S, N] bool.
    """
    patterns, which = members.T.unique(dim=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        yield pattern.nonzero()[:, 0].tolist(), (which == index).nonzero()[:, 0]


def log_weighted(shares: torch.Tensor, first: int) -> list[KeyBlock]:
    """The texts ``first``, ``first + 1`` ... by the log of their shares of the queries.

    Args:
        shares: [S, Q] in 0..1; a text is listed for the queries of which it has any.
    """
    blocks = []
    for source, share in enumerate(shares, start=first):
        seeing = share.nonzero()[:, 0]
        if seeing.numel():
            listed = unless_all(seeing, share.numel())
            blocks.append(KeyBlock(source, None, listed, share[seeing].log()))
    return blocks


def unless_all(tokens: torch.Tensor, n_tokens: int) -> torch.Tensor | None:
    """None where it is every token: nothing then needs to be gathered."""
    return None if tokens.numel() == n_tokens else tokens

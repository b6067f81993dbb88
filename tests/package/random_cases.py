"""Random regions, token grids and text for the properties, and what must hold of any groups."""

from __future__ import annotations

import functools
import random
from collections import Counter
from itertools import product

import torch
from hypothesis import strategies as st
from regional_dit.attention.calls.step import Step
from regional_dit.attention.canvas.frame_fade import FrameFade
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.attend import SeparateTexts, attend
from regional_dit.attention.engine.groups import BASE, BASE_IMAGE, IMAGE, Groups
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.phrases import BoundPhrase, PhraseBinding

RAN: Counter[str] = Counter()  # what the properties met, told at the end of the run

share = st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0.0, 1.0, width=32))
amount = st.one_of(st.sampled_from([0.0, 3.5]), st.floats(0.0, 20.0, width=32))
decays = st.sampled_from([0.0, 1.0, 3.0])

# What a case is made of is drawn in few pieces, by strategies that are made once: to draw a case
# took more time than to check it.
numbers_to = functools.cache(lambda most, least=0: st.integers(least, most))
region_kinds = st.sampled_from(["box", "box", "painted", "soft"])
box_sides = st.sampled_from([(a / 8, b / 8) for a in range(8) for b in range(a + 1, 9)])
feathers = st.sampled_from([0.0, 0.05, 0.5, 1.0])
mask_sizes = st.sampled_from([*product(range(1, 10), repeat=2)])
overlaps = st.sampled_from(["blend", "front"])
region_extras = st.sampled_from(
    [
        *product(
            [1.0, 1.0, 0.0, 0.2, 3.0, 10.0],
            [None, None, None, (0.0, 0.5), (0.3, 0.9)],
            [None, None, FrameFade(0.05), FrameFade(0.4, 0.0)],
            range(3),
        )
    ]
)
grid_kinds = st.sampled_from(
    [*product([1, 2], [(0, 0), (3, 5)], [1, 1, 1, 2, 3], [0, 0, 1], [0, 0, 2])]
)


@st.composite
def region_sets(draw: st.DrawFn) -> RegionSet:
    """Boxes and painted masks; overlaps, gaps, slivers, feathers, frames, fades, any weights."""
    regions = []
    for _ in range(draw(numbers_to(5, 1))):
        kind = draw(region_kinds)
        if kind == "box":
            (x0, x1), (y0, y1) = draw(box_sides), draw(box_sides)
            shape = Box(x0, y0, x1, y1, draw(feathers))
        else:
            generator = torch.Generator().manual_seed(draw(numbers_to(999)))
            shape = torch.rand(draw(mask_sizes), generator=generator)
            shape = (shape > 0.4).float() if kind == "painted" else shape
            shape[0, 0] = 1.0
        weight, frames, fade, order = draw(region_extras)
        regions.append(Region(shape, weight, order, frames=frames, fade=fade))
    return RegionSet(tuple(regions), draw(overlaps))


@st.composite
def grids(draw: st.DrawFn) -> TokenGrid:
    """Whole latents and videos of odd and even sizes, and areas cut out of larger ones."""
    patch, (top, left), frames, first, after = draw(grid_kinds)
    height, width = draw(numbers_to(12, 1)), draw(numbers_to(12, 1))
    rows, cols = -(-height // patch), -(-width // patch)
    margin = draw(numbers_to(4)) if top else 0
    canvas = height + top + margin, width + left + margin
    last = first + frames + after
    return TokenGrid(
        rows, cols, patch, height, width, top, left, *canvas, frames, first, full_frames=last
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step of a sampling of 1 to 12, by a flow schedule."""
    n_steps = draw(numbers_to(12, 1))
    sigmas = [1.0 - i / n_steps for i in range(n_steps + 1)]
    now = draw(numbers_to(n_steps - 1))
    return Step(torch.tensor([sigmas[now]]), sigmas, lambda percent: 1.0 - percent)


ROLES = ("instance", "attribute", "")
roles = st.sampled_from(ROLES)
owned_roles = functools.cache(
    lambda n_regions: st.sampled_from([*product(range(-2, n_regions), ROLES)])
)


@st.composite
def bindings(draw: st.DrawFn, n_regions: int) -> PhraseBinding:
    """One phrase a region, on tokens anywhere in the prompt; nouns and attributes may be empty."""
    n_tokens = n_regions + draw(numbers_to(8))
    order = random.Random(draw(numbers_to(9999))).sample(range(n_tokens), n_tokens)
    owned = [(region, draw(roles)) for region in range(n_regions)]
    owned += [draw(owned_roles(n_regions)) for _ in order[n_regions:]]

    def tokens(owner: int, *wanted: str) -> tuple[int, ...]:
        chosen = zip(order, owned, strict=True)
        return tuple(sorted(t for t, (o, role) in chosen if o == owner and role in wanted))

    phrases = tuple(
        BoundPhrase(
            f"phrase {owner}",
            tokens(owner, *ROLES),
            tokens(owner, "instance"),
            tokens(owner, "attribute"),
            (),
        )
        for owner in range(n_regions)
    )
    words, special = (tokens(o, *ROLES) for o in (-1, -2))
    return PhraseBinding("prompt", n_tokens, phrases, words, special, ())


def check(
    groups: Groups,
    regions: RegionSet,
    grid: TokenGrid,
    seed: int,
    batch: int,
    base_tokens: int | None = None,
) -> None:
    """The engine equals the oracle, is finite, answers every image token, row by row.

    Args:
        groups: of a rule, tensors on the CPU.
        regions, grid: what the rule was asked for.
        seed: of queries, keys and values, and of their sizes.
        batch: rows.
        base_tokens: of the global prompt, or None for any number.
    """
    generator = torch.Generator().manual_seed(seed)
    heads, dim = 1 + seed % 3, 4 + 4 * (seed % 2)
    lengths = {IMAGE: grid.n_tokens, BASE_IMAGE: grid.n_tokens}
    for prompt in range(len(regions.regions) + 1):
        lengths[prompt] = 1 + (seed + 3 * prompt) % 6
    if base_tokens is not None:
        lengths[BASE] = base_tokens
    tokens = {
        source: torch.randn(3, batch, heads, length, dim, generator=generator)
        for source, length in lengths.items()
    }
    pairs = {source: (k, v) for source, (_, k, v) in tokens.items()}
    keys = SeparateTexts(pairs)  # type: ignore[arg-type]

    for source in {group.source for group in groups}:
        asking = tuple(group for group in groups if group.source == source)
        q = tokens[source][0]
        out = attend(q, keys, asking, sdpa)
        assert out.isfinite().all()
        expected = attend_dense(q, pairs, asking)
        check_close(out.double(), expected, 2e-5)
        last = {key: (k[-1:], v[-1:]) for key, (k, v) in pairs.items()}
        alone = attend(q[-1:], SeparateTexts(last), asking, sdpa)  # type: ignore[arg-type]
        check_close(alone, out[-1:], 1e-5)
        answered = torch.zeros(q.shape[2], dtype=torch.bool)
        for group in asking:
            answered[slice(None) if group.queries is None else group.queries] = True
        for group in groups:  # a second image stream answers for part of the first one's tokens
            if source == IMAGE and group.shared is not None:
                answered |= group.shared > 0
        assert answered.all()


def check_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """``assert_close`` with one tolerance for both kinds; it is asked for its words alone, since it
    takes longer than what is compared here."""
    same = found.shape == wanted.shape and found.dtype == wanted.dtype
    if not (same and torch.allclose(found, wanted, tolerance, tolerance)):
        torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """[B, Q, C] as the host's attention functions give it."""
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)

"""Random regions, token grids and text for the properties, and what must hold of any groups."""

from __future__ import annotations

from collections import Counter

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


@st.composite
def region_sets(draw: st.DrawFn) -> RegionSet:
    """Boxes and painted masks; overlaps, gaps, slivers, feathers, frames, fades, any weights."""
    regions = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            x, y = draw(st.integers(0, 7)), draw(st.integers(0, 7))
            width, height = draw(st.integers(1, 8 - x)), draw(st.integers(1, 8 - y))
            feather = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
            shape = Box(x / 8, y / 8, (x + width) / 8, (y + height) / 8, feather)
        else:
            generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
            size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            shape = torch.rand(size, generator=generator)
            shape = (shape > 0.4).float() if draw(st.booleans()) else shape
            shape[0, 0] = 1.0
        weight = draw(st.sampled_from([1.0, 1.0, 0.0, 0.2, 3.0, 10.0]))
        frames = draw(st.sampled_from([None, None, None, (0.0, 0.5), (0.3, 0.9)]))
        fade = draw(st.sampled_from([None, None, FrameFade(0.05), FrameFade(0.4, 0.0)]))
        order = draw(st.integers(0, 2))
        regions.append(Region(shape, weight, order, frames=frames, fade=fade))
    return RegionSet(tuple(regions), draw(st.sampled_from(["blend", "front"])))


@st.composite
def grids(draw: st.DrawFn) -> TokenGrid:
    """Whole latents and videos of odd and even sizes, and areas cut out of larger ones."""
    patch = draw(st.sampled_from([1, 2]))
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rows, cols = -(-height // patch), -(-width // patch)
    top, left = draw(st.sampled_from([(0, 0), (3, 5)]))
    margin = draw(st.integers(0, 4)) if top else 0
    canvas = height + top + margin, width + left + margin
    frames = draw(st.sampled_from([1, 1, 1, 2, 3]))
    first = draw(st.sampled_from([0, 0, 1]))
    last = first + frames + draw(st.sampled_from([0, 0, 2]))
    return TokenGrid(
        rows, cols, patch, height, width, top, left, *canvas, frames, first, full_frames=last
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step of a sampling of 1 to 12, by a flow schedule."""
    n_steps = draw(st.integers(1, 12))
    sigmas = [1.0 - i / n_steps for i in range(n_steps + 1)]
    now = draw(st.integers(0, n_steps - 1))
    return Step(torch.tensor([sigmas[now]]), sigmas, lambda percent: 1.0 - percent)


@st.composite
def bindings(draw: st.DrawFn, n_regions: int) -> PhraseBinding:
    """One phrase a region, on tokens anywhere in the prompt; nouns and attributes may be empty."""
    n_tokens = draw(st.integers(n_regions, n_regions + 8))
    order = draw(st.permutations(range(n_tokens)))
    owners = [*range(n_regions), *(draw(st.integers(-2, n_regions - 1)) for _ in order[n_regions:])]
    roles = [draw(st.sampled_from(["instance", "attribute", ""])) for _ in order]

    def tokens(owner: int, *wanted: str) -> tuple[int, ...]:
        chosen = zip(order, owners, roles, strict=True)
        return tuple(sorted(t for t, o, role in chosen if o == owner and role in wanted))

    phrases = tuple(
        BoundPhrase(
            f"phrase {owner}",
            tokens(owner, "instance", "attribute", ""),
            tokens(owner, "instance"),
            tokens(owner, "attribute"),
            (),
        )
        for owner in range(n_regions)
    )
    words, special = (tokens(o, "instance", "attribute", "") for o in (-1, -2))
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
        torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=2e-5)
        last = {key: (k[-1:], v[-1:]) for key, (k, v) in pairs.items()}
        alone = attend(q[-1:], SeparateTexts(last), asking, sdpa)  # type: ignore[arg-type]
        torch.testing.assert_close(alone, out[-1:], atol=1e-5, rtol=1e-5)
        answered = torch.zeros(q.shape[2], dtype=torch.bool)
        for group in asking:
            answered[slice(None) if group.queries is None else group.queries] = True
        for group in groups:  # a second image stream answers for part of the first one's tokens
            if source == IMAGE and group.shared is not None:
                answered |= group.shared > 0
        assert answered.all()


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """[B, Q, C] as the host's attention functions give it."""
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)

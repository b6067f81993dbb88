"""Random regions with q, k, v of every source, and dense attention that knows no groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.attend import SeparateTexts, attend
from regional_dit.attention.engine.groups import BASE_IMAGE, IMAGE, Groups
from regional_dit.attention.engine.reference import attend_dense
from stand_ins import sdpa

HEADS, DIM, PATCH = 2, 4, 2


@dataclass(frozen=True)
class Scene:
    """Random regions on a small grid, with weights, and q, k, v of every source."""

    regions: RegionSet
    masks: torch.Tensor  # [R, rows, cols], one value a token
    weights: torch.Tensor  # [R]
    grid: TokenGrid
    sources: dict[int, torch.Tensor]  # q, k, v [3, 1, H, T, D]

    @property
    def n_image(self) -> int:
        return self.grid.n_tokens

    def flat(self) -> torch.Tensor:
        """m_r [R, N] float64, overlaps as the regions' mode has them."""
        masks = self.masks.double().flatten(1)
        if self.regions.overlap == "front":  # later masks lie in front
            free = torch.ones_like(masks[0])
            for r in reversed(range(len(masks))):
                masks[r] *= free
                free = free - masks[r]
        return masks

    def dense(self, bias: dict[int, dict[int, torch.Tensor | float]]) -> dict[int, torch.Tensor]:
        """softmax(Q K^T / sqrt(d) + bias) V for each asking source; -inf where nothing is said."""
        out = {}
        for source, seen in bias.items():
            q = self.sources[source][0].double()
            scores, values = [], []
            for key, add in seen.items():
                _, k, v = (t.double() for t in self.sources[key])
                raw = q @ k.transpose(-1, -2) / math.sqrt(DIM)
                scores.append(raw + torch.as_tensor(add, dtype=torch.float64))
                values.append(v)
            joined = torch.cat(scores, -1)
            assert bool((joined > -math.inf).any(-1).all()), f"a query of {source} sees nothing"
            out[source] = (joined.softmax(-1) @ torch.cat(values, 2)).transpose(1, 2).flatten(2)
        return out


@st.composite
def scenes(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 100_000)))
    rows, cols = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    n_regions, n_tokens = draw(st.integers(1, 4)), rows * cols
    masks = torch.rand(n_regions, n_tokens, generator=generator)
    if draw(st.booleans()):
        masks = (masks < draw(st.sampled_from([0.3, 0.6, 1.1]))).float()
    else:
        masks = masks * (masks > draw(st.sampled_from([-1.0, 0.5])))
    overlap = "blend"
    if n_tokens >= n_regions and draw(st.booleans()):
        overlap = "front"
        masks[:, :n_regions] = torch.eye(n_regions)  # no region wholly behind another
    else:
        masks[:, 0] = 1.0  # no empty mask
    masks = masks.reshape(n_regions, rows, cols)
    pixels = masks.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
    weights = [draw(st.sampled_from([0.3, 1.0, 1.0, 2.0])) for _ in range(n_regions)]
    regions = RegionSet.from_masks(list(pixels), overlap=overlap).with_weights(weights)
    size = (rows * PATCH, cols * PATCH)
    grid = TokenGrid(rows, cols, PATCH, *size, 0, 0, *size)
    lengths = {r: draw(st.integers(1, 5)) for r in range(n_regions + 1)}
    lengths |= {IMAGE: n_tokens, BASE_IMAGE: n_tokens}
    sources = {s: torch.randn(3, 1, HEADS, n, DIM, generator=generator) for s, n in lengths.items()}
    return Scene(regions, masks, torch.tensor(weights), grid, sources)


def by_groups(scene: Scene, groups: Groups) -> dict[int, torch.Tensor]:
    """Outputs of every source by the oracle of the engine, and that the engine agrees."""
    pairs = {s: (k, v) for s, (_, k, v) in scene.sources.items()}
    keys = SeparateTexts(pairs)  # type: ignore[arg-type]
    out = {}
    for source in {group.source for group in groups}:
        own = tuple(group for group in groups if group.source == source)
        q = scene.sources[source][0]
        out[source] = attend_dense(q, pairs, own)
        fast = attend(q, keys, own, sdpa)
        torch.testing.assert_close(fast.double(), out[source], atol=2e-5, rtol=2e-5)
    for group in groups:
        if group.shared is not None:
            out[IMAGE] = out.get(IMAGE, 0.0) + out[group.source] * group.shared.double()[:, None]
    return out


def assert_same(out: dict[int, torch.Tensor], wanted: dict[int, torch.Tensor]) -> None:
    assert set(out) >= set(wanted)
    for source, expected in wanted.items():
        torch.testing.assert_close(out[source], expected, atol=1e-6, rtol=1e-6)


def closed(allowed: torch.Tensor) -> torch.Tensor:
    """0 where allowed, -inf elsewhere."""
    return torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)


def key_members(masks: torch.Tensor) -> torch.Tensor:
    """Tokens that a regional text is bound to: more than half of the mask's largest value."""
    return masks > 0.5 * masks.amax(1, keepdim=True)

"""Random regions, queries and texts of unlike lengths, and attention to each text written out.

q [1, H, N, D] asks texts (k, v) [1, H, T_r, D]; ``m`` [R, N] is what each region covers of each
token.
"""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import groups_to
from stand_ins import sdpa

HEADS, DIM = 2, 8


def whole_grid(rows, cols, height=None, width=None):
    height, width = height or 2 * rows, width or 2 * cols
    return TokenGrid(rows, cols, 2, height, width, 0, 0, height, width)


class Case:
    """Random regions, queries and texts of unlike lengths."""

    def __init__(self, seed, n_regions, rows, cols, overlap, soft, weighted=True):
        generator = torch.Generator().manual_seed(seed)

        def number():
            return float(torch.rand((), generator=generator))

        regions = []
        for index in range(n_regions):
            x0, y0 = 0.4 * number(), 0.4 * number()
            box = Box(x0, y0, x0 + 0.6 - 0.2 * number(), y0 + 0.6 - 0.2 * number(), soft * number())
            shape = box if number() < 0.7 else torch.rand(9, 7, generator=generator) * 0.4 + 0.6
            weight = 0.3 + 1.5 * number() if weighted and number() < 0.4 else 1.0
            regions.append(Region(shape, weight, order=int(4 * number()), name=str(index + 1)))
        self.regions = RegionSet(tuple(regions), overlap)
        self.grid = whole_grid(rows, cols, 2 * rows - (seed % 2), 2 * cols)
        n_tokens = rows * cols
        self.q = torch.randn(1, HEADS, n_tokens, DIM, generator=generator)
        self.texts = []
        for prompt in range(n_regions + 1):
            shape = (1, HEADS, 3 + (seed + 2 * prompt) % 5, DIM)
            self.texts.append(tuple(torch.randn(shape, generator=generator) for _ in range(2)))
        self.m = self.regions.coverage(*self.grid.edges()).flatten(1).double()
        self.weights = [region.weight for region in regions]
        self.front_first = sorted(range(n_regions), key=lambda i: -regions[i].order)

    def scores(self, prompt):
        """[H, N, T_r] float64."""
        return self.q[0].double() @ self.texts[prompt][0][0].double().mT / DIM**0.5

    def value(self, prompt):
        return self.texts[prompt][1][0].double()

    def alone(self, prompt):
        """Attention to one prompt, [H, N, D]."""
        return self.scores(prompt).softmax(-1) @ self.value(prompt)

    def together(self, scores):
        """One softmax over the prompts' scores."""
        values = torch.cat([self.value(prompt) for prompt in range(len(self.texts))], 1)
        return torch.cat(scores, -1).softmax(-1) @ values

    def run(self, rule, phase: Any = "always"):
        groups = rule.groups(self.regions, self.grid, phase)
        return attend(self.q, self.texts, groups_to(groups, self.q.device, self.q.dtype), sdpa)

    def check(self, rule, expected, phase: Any = "always"):
        expected = expected.transpose(0, 1).flatten(1)[None]
        out = self.run(rule, phase).double()
        assert out.isfinite().all()
        torch.testing.assert_close(out, expected, atol=2e-5, rtol=2e-5)


cases = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    n_regions=st.integers(1, 5),
    rows=st.integers(2, 6),
    cols=st.integers(2, 6),
    overlap=st.sampled_from(["blend", "front"]),
    soft=st.sampled_from([0.0, 0.4]),
)


easily_seen = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    n_regions=st.integers(1, 3),
    rows=st.integers(4, 7),
    cols=st.integers(4, 7),
    overlap=st.just("blend"),
    soft=st.sampled_from([0.0, 0.1]),
)


def couple_weights(case, base_ratio):
    """omega [R + 1, N]; what is below a thousandth is rounding of box borders and dropped."""
    share = case.m / case.m.sum(0).clamp_min(1.0)
    own = (1 - base_ratio) * share * torch.tensor(case.weights, dtype=torch.float64)[:, None]
    own = own / own.sum(0).clamp_min(1.0)
    omega = torch.cat([(1 - own.sum(0, keepdim=True)).clamp_min(0.0), own])
    omega[omega < 1e-3] = 0.0
    return omega / omega.sum(0)

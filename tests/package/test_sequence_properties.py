"""Random sequences: any order of texts, image, registers and references, the image in one piece or
interleaved with others. A layer's pieces on it equal the dense oracle, whatever the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import RAN, check_close, grids, region_sets, sdpa, steps
from regional_dit.attention.engine.groups import (
    BASE_IMAGE,
    IMAGE,
    Groups,
    KeyBlock,
    boosted,
    groups_to,
)
from regional_dit.attention.engine.partial import WithLse
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.joint.cascade import pieces
from regional_dit.attention.joint.sequence import IMAGES, Spans, TokenLayout
from regional_dit.attention.rules import BlockKinds, SpecialtyTuning
from test_properties import N_LAYERS, RULES
from test_properties import specialty_rules as tuning_rules

JOINT = ("bind", "bias", "eligen", "rpf", "specialty")
HEADS, WIDTH = 2, 8


@dataclass
class Sequence:
    """Where each source lies, and q, k, v [B, H, S, D] of all of it."""

    spans: dict[int, Spans]
    always: Spans
    tensors: torch.Tensor

    def positions(self, source: int) -> torch.Tensor:
        return self._positions(self.spans[source])

    def pair(self, source: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values; those of the image with what is always seen with it behind them."""
        where = self.positions(source)
        if source in IMAGES:
            where = torch.cat([where, self._positions(self.always)])
        return self.tensors[1][:, :, where], self.tensors[2][:, :, where]

    @staticmethod
    def _positions(spans: Spans) -> torch.Tensor:
        return torch.tensor([t for a, b in sorted(spans) for t in range(a, b)]).long()


@st.composite
def sequences(draw: st.DrawFn, lengths: dict[int, int], n_always: int) -> Sequence:
    """All sources in any order, the images in up to three parts with others between."""
    parts: list[tuple[int | None, int]] = [(None, n_always)] if n_always else []
    for source, length in lengths.items():
        cuts = draw(st.integers(1, 3)) if source in IMAGES else 1
        sizes = [length // cuts] * (cuts - 1)
        parts += [(source, size) for size in [*sizes, length - sum(sizes)] if size]
    spans: dict[int | None, Spans] = {}
    start = 0
    for index in draw(st.permutations(range(len(parts)))):
        source, size = parts[index]
        spans[source] = (*spans.get(source, ()), (start, start + size))
        start += size
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99_999)))
    tensors = torch.randn(3, draw(st.integers(1, 2)), HEADS, start, WIDTH, generator=generator)
    always = spans.pop(None, ())
    return Sequence({s: found for s, found in spans.items() if s is not None}, always, tensors)


def expected(groups: Groups, sequence: Sequence, n_image: int) -> torch.Tensor:
    """[B, S, C] float64 of the dense oracle; zeros where nobody asks."""
    n_always = sum(b - a for a, b in sequence.always)
    seen = tuple(
        replace(group, blocks=tuple(_with_always(b, n_image, n_always) for b in group.blocks))
        for group in groups
    )
    _, batch, heads, n_tokens, width = sequence.tensors.shape
    out = torch.zeros(batch, n_tokens, heads * width, dtype=torch.float64)
    pairs = {source: sequence.pair(source) for source in sequence.spans}
    for source in sorted({group.source for group in groups}, reverse=True):
        where = sequence.positions(source)
        own = tuple(group for group in seen if group.source == source)
        result = attend_dense(sequence.tensors[0][:, :, where], pairs, own)
        out[:, where] += result
        for group in own:
            if group.shared is not None:
                out[:, sequence.positions(IMAGE)] += result * group.shared.double()[:, None]
    return out


def _with_always(block: KeyBlock, n_image: int, n_always: int) -> KeyBlock:
    if block.source not in IMAGES:
        return block
    own = torch.arange(n_image) if block.tokens is None else block.tokens
    more = torch.arange(n_image, n_image + (0 if block.bare else n_always))
    return replace(block, tokens=torch.cat([own, more]))


@pytest.mark.parametrize("name", JOINT)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_pieces_equal_the_oracle_in_any_sequence(name: str, data: st.DataObject) -> None:
    RAN["examples"] += 1
    regions, grid, step = data.draw(region_sets()), data.draw(grids()), data.draw(steps())
    rule: Any = data.draw(tuning_rules(len(regions)) if name == "specialty" else RULES[name])
    layer = data.draw(st.integers(0, N_LAYERS - 1))
    try:
        rule = rule.fitted(BlockKinds(N_LAYERS, 5, takes_stream=True))
        phase = rule.phase(layer, N_LAYERS, step)
        if phase is None:
            RAN["not active"] += 1
            return
        groups = groups_to(rule.groups(regions, grid, phase), torch.device("cpu"), torch.float32)
    except RegionalError:
        RAN["refused"] += 1
        return
    if isinstance(rule, SpecialtyTuning):
        groups = boosted(groups, rule.boost_factor(step) or 0.0)
    lengths = {IMAGE: grid.n_tokens, BASE_IMAGE: grid.n_tokens}
    lengths |= {prompt: data.draw(st.integers(1, 4)) for prompt in range(len(regions) + 1)}
    if isinstance(rule, SpecialtyTuning):
        lengths[0] = rule.binding.n_tokens
    sequence = data.draw(sequences(lengths, data.draw(st.integers(0, 3))))
    n_tokens = sequence.tensors.shape[3]
    layout = TokenLayout(sequence.spans, sequence.always)
    out = sequence.tensors.new_zeros(sequence.tensors.shape[1], n_tokens, HEADS * WIDTH)
    for piece in pieces(groups, layout, n_tokens, torch.device("cpu")):
        piece.run(out, *sequence.tensors, sdpa, WithLse())
    wanted = expected(groups, sequence, grid.n_tokens)
    check_close(out.double(), wanted, 3e-5)

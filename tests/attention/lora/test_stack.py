"""The stacked LoRAs of a layer against each of them added by itself."""

from __future__ import annotations

import pytest
import torch
from regional_dit.attention.lora.delta import Bias, Delta, LowRank, Op, Sliced
from regional_dit.attention.lora.rows import LayerDelta, Where, spread_of
from regional_dit.attention.lora.stack import MAX_RANK, Stacks
from regional_dit.attention.lora.streams import Stream

N_IN, N_OUT, ROWS = 24, 40, 50
IMAGE = Where(Stream.IMAGE)
LIKE = torch.zeros(())


def low_rank(rank: int, seed: int, n_in: int = N_IN, n_out: int = N_OUT) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    down, up = (torch.randn(*s, generator=generator) for s in ((rank, n_in), (n_out, rank)))
    return LowRank(Op(), down, up / rank**0.5)


def entries(*deltas: Delta) -> list[LayerDelta]:
    """One LoRA each, of unlike strengths."""
    return [LayerDelta(i, delta, 0.5 + 0.3 * i, N_IN) for i, delta in enumerate(deltas)]


def assert_added(deltas: list[LayerDelta], weights: list[float | torch.Tensor]) -> list[bool]:
    """That the stacks add what the deltas do; whether each stack copied the rows that it changes.

    Args:
        weights: of each LoRA, [M] or a number.
    """
    x = torch.randn(ROWS, N_IN, generator=torch.Generator().manual_seed(5))
    wanted = torch.randn(ROWS, N_OUT, generator=torch.Generator().manual_seed(6))
    got = wanted.clone()
    for entry in deltas:
        change = entry.delta(x, torch.zeros_like(wanted), lambda x: x)
        share = torch.as_tensor(weights[entry.lora]).reshape(-1, 1)
        wanted += entry.strength * share * change
    stacks = Stacks()
    plan = stacks.plan("all", deltas, IMAGE)
    assert plan.apart == ()
    copied = []
    for columns, stack in zip(plan.stacks, stacks.of("layer", plan.stacks, LIKE), strict=True):
        each = [weights[c.lora] * c.strength for c in columns.columns]
        spread = spread_of(each, [c.rank for c in columns.columns], LIKE)
        if spread is None:
            continue
        stack.add_to(got, x, spread)
        copied.append(spread.index is not None)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
    return copied


def shares(*columns: int) -> torch.Tensor:
    """1 in these tenths of the rows, 0 elsewhere."""
    out = torch.zeros(10, ROWS // 10)
    out[list(columns)] = 1.0
    return out.flatten()


def test_many_loras_are_one_stack():
    deltas = entries(*(low_rank(rank, rank) for rank in (1, 3, 8, 16)))
    soft = torch.linspace(0, 1, ROWS)
    assert assert_added(deltas, [shares(0, 1), soft, 1 - soft, 0.25]) == [False]
    assert assert_added(deltas, [0.5, 1.0, 0.0, 0.25]) == [False]  # all rows alike
    assert assert_added(deltas, [0.0] * 4) == []


def test_large_ranks_are_several_stacks_and_copy_few_rows():
    deltas = entries(*(low_rank(MAX_RANK // 2 + 1, seed) for seed in range(3)))
    assert assert_added(deltas, [shares(0), shares(1, 2, 3), 1.0]) == [True, True, False]
    huge = entries(low_rank(3 * MAX_RANK, 1))
    assert assert_added(huge, [shares(*range(8))]) == [True]


def test_parts_of_a_layer_lie_side_by_side():
    """Queries, keys and values apart, as diffusers names them, and some of the inputs only."""
    parts = [
        Sliced(low_rank(2, 1, n_out=8), None, (8, 8)),
        low_rank(3, 2),
        Sliced(low_rank(2, 3, n_out=8), None, (0, 8)),
        Sliced(low_rank(4, 4, n_out=8), None, (8, 8)),
        Sliced(low_rank(2, 5, n_in=10), (4, 10), None),
        Sliced(low_rank(2, 6, n_in=10, n_out=8), (0, 10), (32, 8)),
    ]
    deltas = [LayerDelta(i % 2, part, 1.0 + i, N_IN) for i, part in enumerate(parts)]
    assert assert_added(deltas, [shares(0, 1, 2), torch.linspace(0, 1, ROWS)]) == [False]
    large = [
        LayerDelta(0, Sliced(low_rank(120, i, n_out=8), None, (8 * i, 8)), 1.0, N_IN)
        for i in range(2)
    ]
    assert assert_added(large, [shares(9)]) == [True]


@pytest.mark.parametrize(
    "delta",
    [
        Bias(Op(), torch.ones(N_OUT)),
        LowRank(Op(((1, 1), (0, 0), (1, 1), 1)), torch.ones(1, 2, 1, 1), torch.ones(3, 1)),
        Sliced(Bias(Op(), torch.ones(4)), None, (0, 4)),
    ],
)
def test_other_kinds_are_computed_apart(delta):
    plan = Stacks().plan("all", entries(low_rank(2, 0), delta), IMAGE)
    assert [entry.delta for entry in plan.apart] == [delta]
    assert [len(stack.columns) for stack in plan.stacks] == [1]


def test_experts_are_computed_apart():
    """Which tokens they get is not known before they run."""
    plan = Stacks().plan("all", entries(low_rank(2, 0)), Where(Stream.EXPERTS))
    assert len(plan.apart) == 1 and plan.stacks == ()


def test_stacks_are_made_once_and_those_of_other_loras_are_dropped():
    stacks, deltas = Stacks(), entries(low_rank(2, 0), low_rank(3, 1))
    both, one = (stacks.plan(n, deltas[:n], IMAGE).stacks for n in (2, 1))
    assert stacks.plan(2, deltas, IMAGE).stacks is both
    made = stacks.of("layer", both, LIKE)
    assert stacks.of("layer", both, LIKE) is made
    (fewer,) = stacks.of("layer", one, LIKE)
    assert fewer.down.shape == (2, N_IN)
    assert stacks.of("layer", one, LIKE.half())[0].down.dtype == torch.float16
    assert stacks.of("layer", both, LIKE) is not made

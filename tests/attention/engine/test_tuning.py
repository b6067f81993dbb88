"""Attention tuning in the engine: both forms against the dense oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.engine import partial
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import Group, KeyBlock, boosted
from regional_dit.attention.engine.reference import attend_dense
from regional_dit.attention.engine.tuning import tuned
from stand_ins import sdpa
from torch.utils._python_dispatch import TorchDispatchMode


def case(exact: bool, seed: int):
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(2, 3, 11, 8, generator=generator)
    texts = [
        tuple(torch.randn(2, 3, n, 8, generator=generator) for _ in range(2)) for n in (6, 9, 4)
    ]
    inside = torch.tensor([0, 2, 5])
    outside = torch.tensor([1, 3, 4])
    pattern = (torch.rand(11, 9, generator=generator) < 0.4).float()
    per_query = torch.rand(11, generator=generator)
    log_weight = torch.randn(11, generator=generator)
    some = torch.tensor([0, 3, 4, 10])
    blocks = (
        KeyBlock(0, tokens=inside, boost=2.5, match=True),
        KeyBlock(0, tokens=outside, boost=2.5, match=False),
        KeyBlock(1, boost=per_query, match=pattern, log_weight=log_weight),
        KeyBlock(2, queries=some, log_weight=log_weight[some]),
    )
    return q, texts, (Group(blocks, exact=exact),)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_both_forms_equal_the_dense_reference(exact, seed):
    q, texts, groups = case(exact, seed)
    torch.testing.assert_close(
        attend(q, texts, groups, sdpa).double(),
        attend_dense(q, texts, groups),
        atol=1e-5,
        rtol=1e-5,
    )


def test_slices_of_queries_change_nothing(monkeypatch):
    q, texts, groups = case(True, 0)
    whole = attend(q, texts, groups, sdpa)
    monkeypatch.setattr(partial, "MAX_SCORES", 4 * 6 * 19 * 3)
    torch.testing.assert_close(attend(q, texts, groups, sdpa), whole)


@pytest.mark.parametrize("exact", [False, True])
def test_strength_zero_is_plain_attention(exact):
    q, texts, groups = case(exact, 1)
    plain = tuple(Group(tuple(KeyBlock(b.source, b.tokens, b.queries, b.log_weight)
                              for b in group.blocks)) for group in groups)  # fmt: skip
    torch.testing.assert_close(
        attend(q, texts, boosted(groups, 0.0), sdpa), attend(q, texts, plain, sdpa)
    )


def test_the_forms_agree_where_the_map_is_flat():
    """e^(boost (M - A)) is e^(boost M) up to e^(-boost A), and A is small among many keys."""
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(1, 2, 16, 8, generator=generator) * 0.1
    texts = [tuple(torch.randn(1, 2, 500, 8, generator=generator) for _ in range(2))]
    half = torch.arange(250)
    blocks = (KeyBlock(0, half, boost=2.0), KeyBlock(0, half + 250, boost=2.0, match=False))
    exact = attend(q, texts, (Group(blocks, exact=True),), sdpa)
    additive = attend(q, texts, (Group(blocks),), sdpa)
    assert (exact - additive).abs().max() < 0.02 * additive.abs().max()


class NoMaskedIndex(TorchDispatchMode):
    """Raises where elements are chosen by a mask: a device would be waited for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put_") and any(
            place is not None and place.dtype == torch.bool for place in args[1]
        )
        assert not by_mask and name not in ("nonzero", "masked_select", "item"), name
        return func(*args, **(kwargs or {}))


def test_blocks_of_some_queries_need_no_device_sync():
    q, k, v = torch.randn(3, 1, 2, 12, 4)
    some = torch.arange(5, 9)
    blocks = (KeyBlock(0), KeyBlock(1, queries=some, log_weight=torch.rand(4)))
    with NoMaskedIndex():
        out = tuned(q, [(k, v), (k, v)], blocks)
    wanted = attend_dense(q, [(k, v), (k, v)], (Group(blocks, exact=True),))
    torch.testing.assert_close(out.double(), wanted, atol=1e-5, rtol=1e-5)

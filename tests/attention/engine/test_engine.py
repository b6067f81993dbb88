"""The engine against the dense oracle, on random groups."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from regional_dit.attention.engine import partial
from regional_dit.attention.engine.attend import attend
from regional_dit.attention.engine.groups import Group, KeyBlock, mix_groups
from regional_dit.attention.engine.partial import attention_with_lse, written_out
from regional_dit.attention.engine.reference import attend_dense
from stand_ins import sdpa


@st.composite
def cases(draw):
    seed = draw(st.integers(0, 10_000))
    generator = torch.Generator().manual_seed(seed)
    batch, heads, dim = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([4, 8])),
    )
    n_tokens, n_prompts = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    q = torch.randn(batch, heads, n_tokens, dim, generator=generator)
    texts = []
    for _ in range(n_prompts):
        shape = (batch, heads, draw(st.integers(1, 6)), dim)
        texts.append(tuple(torch.randn(shape, generator=generator) for _ in range(2)))
    ownership = torch.rand(n_prompts, n_tokens, generator=generator)
    if draw(st.booleans()):  # hard regions: every token has one owner
        ownership = torch.nn.functional.one_hot(ownership.argmax(0), n_prompts).T.float()
    elif draw(st.booleans()):
        ownership = ownership * (torch.rand(ownership.shape, generator=generator) > 0.5)
    ownership[0] += (ownership.sum(0) == 0).float()
    return q, texts, ownership / ownership.sum(0)


@given(cases())
def test_mix_equals_the_dense_reference(case):
    q, texts, ownership = case
    groups = mix_groups(ownership)
    expected = attend_dense(q, texts, groups)
    torch.testing.assert_close(
        attend(q, texts, groups, sdpa).double(), expected, atol=1e-5, rtol=1e-5
    )


@given(cases())
def test_mix_groups_say_what_ownership_says(case):
    """Against a restatement that knows no groups: O = sum_r w_r softmax(q K_r) V_r."""
    q, texts, ownership = case
    expected = torch.zeros_like(q, dtype=torch.float64)
    for weight, (k, v) in zip(ownership, texts, strict=True):
        scores = q.double() @ k.double().transpose(-1, -2) / q.shape[-1] ** 0.5
        expected += weight.double()[:, None] * (scores.softmax(-1) @ v.double())
    out = attend_dense(q, texts, mix_groups(ownership))
    torch.testing.assert_close(out, expected.transpose(1, 2).flatten(2), atol=1e-7, rtol=1e-7)


def test_low_precision_stays_close():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 4, 64, 16, generator=generator)
    texts = [
        tuple(torch.randn(2, 4, 9, 16, generator=generator) for _ in range(2)) for _ in range(3)
    ]
    weights = torch.rand(3, 64, generator=generator)
    groups = mix_groups(weights / weights.sum(0))
    expected = attend_dense(q, texts, groups)
    half = attend(q.bfloat16(), [(k.bfloat16(), v.bfloat16()) for k, v in texts], groups, sdpa)
    error = (half.double() - expected).abs().max() / expected.abs().max()
    assert half.dtype == torch.bfloat16 and error < 2e-2


def test_hard_regions_cost_no_extra_queries():
    """With one owner per token, the query-key products are those of one prompt."""
    owner = torch.arange(60) % 4
    groups = mix_groups(torch.nn.functional.one_hot(owner, 4).T.float())
    seen = []

    def counting(q, k, v):
        seen.append(q.shape[2])
        return sdpa(q, k, v)

    kv = [(torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8)) for _ in range(4)]
    attend(torch.randn(1, 2, 60, 8), kv, groups, counting)
    assert sum(seen) == 60 and all(group.weight is None for group in groups)


@given(cases(), st.integers(0, 10_000))
def test_merge_equals_the_dense_reference(case, seed):
    """Random blocks: all or some of the queries, all or some of the tokens, weighted or not."""
    q, texts, _ = case
    generator = torch.Generator().manual_seed(seed)
    n_tokens = q.shape[2]
    coin = lambda: bool(torch.rand((), generator=generator) < 0.5)  # noqa: E731
    some = lambda n: (torch.rand(n, generator=generator) < 0.6).nonzero()[:, 0]  # noqa: E731
    blocks = []
    for source, (k, _) in enumerate(texts):
        tokens = some(k.shape[2]) if coin() else None
        queries = some(n_tokens) if source and coin() else None  # source 0 is seen by every query
        if tokens is not None and not tokens.numel():
            tokens = None
        if queries is not None and not queries.numel():
            queries = None
        n_seeing = n_tokens if queries is None else queries.numel()
        log_weight = torch.randn(n_seeing, generator=generator) * 3 if coin() else None
        to_max, to_min = torch.rand(2, n_seeing, generator=generator) if coin() else (None, None)
        scale = 1.5 if coin() else 1.0
        blocks.append(KeyBlock(source, tokens, queries, log_weight, scale, to_max, to_min, coin()))
    query_scale = torch.rand(n_tokens, generator=generator) if coin() else None
    groups = (
        Group(tuple(blocks), query_scale=query_scale),
        Group((KeyBlock(0),), queries=some(n_tokens)),
    )
    expected = attend_dense(q, texts, groups)
    out = attend(q, texts, groups, sdpa)
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=1e-5)

    def by_hand(q, k, v, bias=None):
        return written_out(q, k, v, q.shape[-1] ** -0.5, bias)

    slow = attend(q, texts, groups, sdpa, by_hand)
    torch.testing.assert_close(slow.double(), expected, atol=1e-5, rtol=1e-5)


def test_merge_in_low_precision_stays_close():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 4, 64, 16, generator=generator)
    texts = [
        tuple(torch.randn(2, 4, 9, 16, generator=generator) for _ in range(2)) for _ in range(3)
    ]
    weights = torch.rand(3, 64, generator=generator).log()
    groups = (Group(tuple(KeyBlock(r, log_weight=weights[r]) for r in range(3))),)
    expected = attend_dense(q, texts, groups)
    half = attend(q.bfloat16(), [(k.bfloat16(), v.bfloat16()) for k, v in texts], groups, sdpa)
    assert (half.double() - expected).abs().max() / expected.abs().max() < 2e-2


def test_written_out_scores_stay_bounded(monkeypatch):
    monkeypatch.setattr(partial, "MAX_SCORES", 64)
    q, k, v = (torch.randn(2, 3, n, 8) for n in (33, 7, 7))
    out, lse = partial.written_out(q, k, v, 0.3)
    wanted, wanted_lse = attention_with_lse(q, k, v, scale=0.3)
    torch.testing.assert_close(out, wanted)
    torch.testing.assert_close(lse, wanted_lse)

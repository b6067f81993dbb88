"""What a layer of joint attention asks of the device: kernels, and shapes that it must plan for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid
from regional_dit.attention.engine import kernels as lse_kernels
from regional_dit.attention.engine import varlen
from regional_dit.attention.engine.groups import BASE, IMAGE
from regional_dit.attention.engine.partial import WithLse
from regional_dit.attention.engine.segments import Segments
from regional_dit.attention.joint.cascade import STEP, pieces
from regional_dit.attention.joint.sequence import TokenLayout
from regional_dit.attention.rules import Bind, BlockKinds

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
MOST = {4: 15, 16: 30}  # kernels over the stock layer's, by regions


@pytest.fixture(scope="module")
def launches() -> ModuleType:
    """The benchmark that counts them."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("launches", BENCHMARKS / "launches.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
        sys.modules.pop("host", None)
        sys.modules.pop("cost_report", None)
    return module


@pytest.mark.parametrize("n", MOST)
@pytest.mark.parametrize("name", ["bind, open", "bind, isolated", "eligen", "bias"])
def test_few_kernels_whatever_the_number_of_regions(launches, name, n, monkeypatch):
    for function in ("is_usable", "attend_with_lse"):  # put back when the test is over
        monkeypatch.setattr(varlen, function, getattr(varlen, function))
    counter = launches.Counter()
    launches.as_on_cuda(counter)
    rule, phase = launches.rules()[name]
    with torch.inference_mode():
        q = torch.randn(1, 2, 64, 16)
        stock = counter(lambda: launches.stock(q, q, q))
        call = launches.scene(rule, phase, n, 12)
        call()  # plans the layer
        assert counter(call) - stock <= MOST[n]


SIDE, TEXT = 24, 16


def drawn(seed: int) -> RegionSet:
    """Two hard regions with a ragged border, and canvas left over."""
    generator = torch.Generator().manual_seed(seed)
    border = torch.randint(4 * SIDE, 12 * SIDE, (16 * SIDE, 1), generator=generator)
    columns = torch.arange(16 * SIDE)
    masks = [columns < border, (columns >= border) & (columns < border + 3 * SIDE)]
    return RegionSet.from_masks([mask.float() for mask in masks])


def shapes_of(phase: str, seed: int) -> set[tuple[int, int]]:
    """(queries, keys) of each call of the host's attention function."""
    rule = Bind(0.0, 0.2, 1.0).fitted(BlockKinds(57, 19))
    size = 2 * SIDE
    grid = TokenGrid(SIDE, SIDE, 2, size, size, 0, 0, size, size)
    ends = {2: TEXT, 1: 2 * TEXT, BASE: 3 * TEXT}
    spans = {source: ((end - TEXT, end),) for source, end in ends.items()}
    n_tokens = 3 * TEXT + SIDE * SIDE
    spans[IMAGE] = ((3 * TEXT, n_tokens),)
    q, k, v = torch.randn(3, 1, 2, n_tokens, 16)
    seen: set[tuple[int, int]] = set()

    def attention(q: Any, k: Any, v: Any) -> torch.Tensor:
        seen.add((q.shape[2], k.shape[2]))
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    out = q.new_zeros(1, n_tokens, 32)
    groups = rule.groups(drawn(seed), grid, phase)
    for piece in pieces(groups, TokenLayout(spans), n_tokens, q.device):
        piece.run(out, q, k, v, attention, WithLse("attention_pytorch"))
    return seen


@pytest.mark.parametrize("phase", ["open", "isolated"])
def test_another_drawing_brings_few_new_shapes(phase, monkeypatch):
    """Where the backend plans for every shape anew: its calls have few, in steps."""
    monkeypatch.setattr(lse_kernels, "plans_by_shape", lambda *_: True)
    found = set().union(*(shapes_of(phase, seed) for seed in range(12)))
    steps = -(-SIDE * SIDE // STEP)
    fixed = {(TEXT, TEXT + SIDE * SIDE)}  # the global prompt's text
    drawn_shapes = found - fixed
    assert all(n % STEP == 0 and keys == TEXT + SIDE * SIDE for n, keys in drawn_shapes)
    assert len(drawn_shapes) <= steps


def test_only_cudnn_and_what_may_choose_it_plans_by_shape():
    assert not lse_kernels.plans_by_shape(torch.device("cpu"), "attention_pytorch")
    assert lse_kernels.plans_by_shape(torch.device("cuda"), "attention_pytorch")
    assert not lse_kernels.plans_by_shape(torch.device("cuda"), "attention_sage")


@pytest.mark.parametrize("lengths", [(5, 33, 80), (16, 16, 16)])
def test_segments_are_the_same_by_either_way(lengths, monkeypatch):
    q, k, v = torch.randn(3, 2, 2, sum(lengths), 16)
    segments = Segments(lengths, lengths)

    def attention(q: Any, k: Any, v: Any) -> torch.Tensor:
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    by_host = segments.attend(q, k, v, attention, WithLse())
    monkeypatch.setattr(lse_kernels, "plans_by_shape", lambda *_: True)
    torch.testing.assert_close(segments.attend(q, k, v, attention, WithLse()), by_host)

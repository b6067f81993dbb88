"""Forwards that are swapped for one call, compiled or not."""

from __future__ import annotations

import pytest
import torch
import torch._dynamo
from regional_dit.attention.calls.scoped import scoped_forwards, without_compile
from torch import nn

N_BLOCKS = 12


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(N_BLOCKS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = torch.relu(block(x))
        return x


def swapped(network: Network, seen: list[bool], recursive: bool = True) -> list:
    """New forwards, as each model call makes them; Python state in them must not be traced."""

    def forward_of(block: nn.Module, index: int):
        def forward(x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.compiler.is_compiling())
            return type(block).forward(block, x) + index

        return without_compile(forward, recursive=recursive)

    return [(block, forward_of(block, i)) for i, block in enumerate(network.blocks)]


@pytest.mark.parametrize("recursive", [True, False])
def test_calls_make_no_wrapper_for_the_compiler(recursive, monkeypatch):
    network, seen = Network(), []

    def call() -> None:
        with scoped_forwards(swapped(network, seen, recursive)):
            network(torch.zeros(1, 4))

    call()
    made = []
    real = torch.compiler.disable
    monkeypatch.setattr(
        torch.compiler, "disable", lambda *a, **k: (made.append(a), real(*a, **k))[1]
    )
    call()
    assert len(seen) == 2 * N_BLOCKS and not made


def test_a_compiled_model_runs_them_as_written():
    """Also with new forwards at every call, and without a new graph for them."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    network, seen, graphs, counts = Network(), [], [], []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(network, backend=backend)
    x = torch.randn(2, 4)
    try:
        for _ in range(3):
            with torch.no_grad(), scoped_forwards(swapped(network, seen)):
                out, wanted = compiled(x), network(x)
            torch.testing.assert_close(out, wanted)
            counts.append(len(graphs))
        assert counts[0] == counts[-1] and not any(seen) and len(seen) == 6 * N_BLOCKS
    finally:
        torch._dynamo.reset()
    assert all("forward" not in block.__dict__ for block in network.blocks)

"""Which tokens the experts of a mixture compute (HiDream), so that their deltas find their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .routing import Routing
from .rows import Experts

Forwards = list[tuple[Any, Callable[..., Any]]]


def expert_forwards(network: Any, layers: Sequence[str]) -> Callable[[Routing], Forwards]:
    """Stand-ins for the gates and experts of those mixtures that have a delta in an expert.

    Args:
        network: of the model.
        layers: paths of all layers with deltas.
    """
    mixtures = sorted({layer.partition(".experts.")[0] for layer in layers if ".experts." in layer})

    def forwards(routing: Routing) -> Forwards:
        found: Forwards = []
        for path in mixtures:
            found += _of_mixture(network.get_submodule(path), routing)
        return found

    return forwards


def _of_mixture(mixture: Any, routing: Routing) -> Forwards:
    chosen: list[torch.Tensor] = []
    gate = mixture.gate.forward

    def gated(x: torch.Tensor) -> Any:
        out = gate(x)
        chosen[:] = [out[0].reshape(-1, out[0].shape[-1])]  # [tokens of all rows, experts of each]
        return out

    def routed(number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(x: torch.Tensor) -> torch.Tensor:
            (experts,) = chosen
            # In the host's order: token by token, each as often as it has experts.
            index = (experts == number).nonzero()[:, 0]
            routing.experts = Experts(index, experts.shape[0])
            try:
                return forward(x)
            finally:
                routing.experts = None

        return run

    found: Forwards = [(mixture.gate, gated)]
    for number, expert in enumerate(mixture.experts):
        found.append((expert, routed(number, expert.forward)))
    return found
